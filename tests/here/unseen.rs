//! What cannot be seen without probes on functions is absent, and its reason is named.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    skip::needs,
    support::{boundary, doctor, list, named, sites_work, text, tier, trace, tracepoints},
};

/// A command that copies, and receives nothing.
const COPIES: [&str; 3] = ["--", "cat", "/proc/self/exe"];

fn report() -> Value {
    let said = tempfile::NamedTempFile::new().unwrap();
    let output = boundary("trace")
        .args(["--json", "--threads", "--output"])
        .arg(said.path())
        .args(COPIES)
        .stdout(std::process::Stdio::null())
        .output()
        .unwrap();
    let output = std::process::Output { stdout: std::fs::read(said.path()).unwrap(), ..output };
    crate::support::report(&output)
}

/// Every key below a value that has one of these names, with its value.
fn values<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if keys.contains(&key.as_str()) {
                    found.push((key, value));
                }
                values(value, keys, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| values(value, keys, found)),
        _ => {}
    }
}

#[test]
fn what_needs_probes_on_functions_is_absent_and_never_zero() {
    needs!(tracepoints());
    let report = report();
    assert_eq!(report["tier"], "boundary");
    let absent = [
        "copies_per_byte",
        "copies_per_byte_bounds",
        "aside",
        "coverage",
        "block_io",
        "kernel_threads_block_io",
        "network_bytes",
        "network_buffers",
    ];
    let mut found = Vec::new();
    values(&report, &absent, &mut found);
    assert_eq!(found, []);
    let mut copied = Vec::new();
    values(&report, &["copied"], &mut copied);
    assert!(copied.len() > 10 && copied.iter().all(|(_, copied)| **copied == json!({})));
    assert_eq!(report["sites"], json!([]));
    let mut interrupts = Vec::new();
    values(&report, &["interrupts"], &mut interrupts);
    for (_, of) in interrupts.iter().filter(|(_, of)| of.is_object()) {
        assert!(of.get("user").is_none() && of.get("kernel").is_none(), "{of}");
        // The one kind that has a tracepoint.
        let kinds: BTreeSet<_> =
            list(&of["kinds"]).iter().map(|kind| text(&kind["kind"])).collect();
        assert!(kinds.is_subset(&BTreeSet::from(["reschedule"])), "{of}");
    }
    let quantities: Vec<_> = report["quantities"].as_object().unwrap().keys().collect();
    let unknown = |name: &str| {
        let copies = ["copied", "user", "kernel"].iter().any(|part| name.contains(part));
        copies
            && !name.starts_with("page_faults.")
            && !name.starts_with("sent.")
            && !name.starts_with("received.")
    };
    assert!(!quantities.iter().any(|name| unknown(name)), "{quantities:?}");
    assert!(!quantities.iter().any(|name| *name == "coverage"), "{quantities:?}");
    for name in ["moved", "syscalls", "mode_switches", "page_faults.user"] {
        assert!(quantities.iter().any(|quantity| *quantity == name), "{name}");
    }
}

#[test]
fn completeness_has_the_kernels_reason_and_doctor_the_same() {
    needs!(tracepoints());
    let report = report();
    let completeness = &report["completeness"];
    let [unseen] = list(&completeness["unseen"]) else { panic!("{completeness:#}") };
    let unseen = text(unseen);
    assert!(unseen.starts_with("copies") && unseen.contains("zc doctor"), "{unseen}");
    let status = |of: &Value, site: &str| named(of, "site", site)["status"].clone();
    let sites = &completeness["sites"];
    if sites_work() {
        assert_eq!(status(sites, "filemap_read"), "disabled");
        assert!(unseen.contains("left out"), "{unseen}");
        return;
    }
    assert_eq!((&doctor()["tier"], &report["tier"]), (&json!("boundary"), &json!("boundary")));
    let [here, there] =
        [sites, &doctor()["sites"]].map(|sites| named(sites, "site", "filemap_read"));
    assert_eq!(here, there);
    let reason = text(&here["reason"]);
    assert!(unseen.contains(reason), "{reason} is not in {unseen}");
    assert!(text(&tier("sites")["answer"]).contains(reason));
}

#[test]
fn the_text_says_that_copies_were_not_observed() {
    needs!(tracepoints());
    let output = boundary("trace").args(["--", "true"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("kernel ") && text.lines().next().unwrap().ends_with("tier boundary"));
    assert!(text.contains("copied not observed"), "{text}");
    assert!(text.contains("by interrupts not observed"), "{text}");
    assert!(text.contains("network devices: not observed\n"), "{text}");
    let reasons = text.lines().filter(|line| line.starts_with("not observed: copies")).count();
    assert_eq!(reasons, 1, "{text}");
    assert!(!text.contains("passed no known site"), "{text}");
    assert!(text.ends_with("complete, no count was lost\n"), "{text}");
}

/// Not that nothing was copied on any way: no way was seen.
#[test]
fn stacks_of_copies_that_were_not_observed_are_absent() {
    needs!(tracepoints());
    let report = trace(&["--stacks", "--", "true"]);
    assert!(report.get("stacks").is_none(), "{:#}", report["stacks"]);
    let folder = tempfile::tempdir().unwrap();
    let folded = folder.path().join("folded");
    let mut command = boundary("trace");
    let output = command.arg("--folded").arg(&folded).args(["--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no copies were observed") && said.lines().count() == 1, "{said}");
    assert!(!folded.exists());
}

#[test]
fn nothing_of_this_comes_from_another_tier() {
    needs!(tracepoints());
    let report = trace(&["--", "true"]);
    let attached = |list: &Value, key: &str| -> BTreeSet<String> {
        let attached = self::list(list).iter().filter(|row| row["status"] == "attached");
        attached.map(|row| text(&row[key]).to_owned()).collect()
    };
    let sites = attached(&report["completeness"]["sites"], "site");
    assert_eq!(sites, BTreeSet::from(["datagram_tracepoint".to_owned()]));
    let tracepoints = ["reschedule_interrupt", "sched_switch"].map(str::to_owned).into();
    let meters = attached(&report["completeness"]["meters"], "meter");
    assert!(meters.is_subset(&tracepoints), "{meters:?}");
}
