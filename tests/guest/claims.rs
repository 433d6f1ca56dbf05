//! `zc claims`: decided by its own counters, and told apart from what cannot be seen.

use std::process::Command;

use serde::Deserialize;

use crate::{
    needs,
    report::Transfer,
    support::{nothing_left_behind, run, shared, status, stderr, stdout},
    xfs::Mounted,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
struct Report {
    schema: String,
    zc: String,
    kernel: String,
    architecture: String,
    tier: String,
    complete: bool,
    #[serde(default)]
    problems: Vec<String>,
    size_bytes: u64,
    chunk_bytes: u64,
    claims: Vec<Claim>,
    transfers: Vec<Transfer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
struct Claim {
    id: String,
    says: String,
    who: String,
    verdict: String,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    says: String,
    verdict: String,
    #[serde(default)]
    facts: Vec<Fact>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    what: String,
    measured: u64,
}

/// Claims that every kernel decides, and how: by the transfers of a few styles.
const DECIDED: [(&str, &str); 7] = [
    ("T5", "confirmed"),
    ("T6", "confirmed"),
    ("T7", "confirmed"),
    ("T9", "confirmed"),
    ("T10", "refuted"),
    ("8", "refuted"),
    ("9", "confirmed"),
];

const CLAIMS: &[&str] = &["claims", "--json", "T5", "T6", "T7", "T9", "T10", "8", "9"];

fn report() -> (i32, Report) {
    let output = shared(CLAIMS);
    assert_eq!(stderr(&output), "");
    (status(&output), serde_json::from_str(&stdout(&output)).unwrap())
}

#[test]
fn claims_are_decided_by_what_was_counted() {
    let (status, report) = report();
    assert_eq!(status, 1, "one that was named is refuted");
    assert_eq!((&*report.schema, report.complete), ("zc.claims/1", true), "{:?}", report.problems);
    let decided: Vec<_> = report.claims.iter().map(|claim| (&*claim.id, &*claim.verdict)).collect();
    assert_eq!(decided, DECIDED, "{:#?}", report.claims);
    for part in report.claims.iter().flat_map(|claim| &claim.parts) {
        assert!(!part.facts.is_empty() && part.reason.is_none(), "{part:?}");
    }
    // "0 switches": the numbers that refute it.
    let zero_copy = report.claims.iter().find(|claim| claim.id == "T10").unwrap();
    let [copies, switches] = &zero_copy.parts[..] else { panic!("{zero_copy:?}") };
    assert_eq!((&*copies.verdict, &*switches.verdict), ("confirmed", "refuted"), "{zero_copy:?}");
    let measured = |part: &Part, what: &str| {
        let fact = part.facts.iter().find(|fact| fact.what.contains(what));
        fact.unwrap_or_else(|| panic!("{}: {what}", part.says)).measured
    };
    assert_eq!(measured(copies, "copied by the CPU"), 0);
    assert_eq!(measured(switches, "mode switches"), 2 * measured(switches, "chunks"));
}

/// What cannot be measured is neither confirmed nor refuted.
#[test]
fn what_this_machine_lacks_is_not_observable() {
    // A card that somebody uses is left alone.
    let address = |what: &str| {
        let ip = ["addr", what, "10.99.3.1/24", "dev", "eth0"];
        assert!(Command::new("ip").args(ip).status().unwrap().success());
    };
    address("add");
    let output = run(&["claims", "T10", "17", "--json"]);
    address("del");
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    let report: Report = serde_json::from_str(&stdout(&output)).unwrap();
    for (claim, part, says) in [(0, 0, "card"), (1, 1, "--sharing-dir")] {
        assert_eq!(report.claims[claim].verdict, "not observable");
        let reason = report.claims[claim].parts[part].reason.as_ref().expect("it says why");
        assert!(reason.contains(says), "{reason}");
    }
    nothing_left_behind();
}

#[test]
fn tls_and_shared_blocks_are_decided_where_they_are() {
    let disk = Mounted::new();
    let folder = disk.path().to_str().unwrap();
    let output = run(&["claims", "16", "17", "--sharing-dir", folder, "--json"]);
    let report: Report = serde_json::from_str(&stdout(&output)).unwrap();
    let [tls, sharing] = &report.claims[..] else { panic!("{report:?}") };
    assert_eq!(sharing.verdict, "confirmed", "{sharing:?}");
    if needs::ulp("tls").is_ok() {
        assert_eq!((status(&output), &*tls.verdict), (0, "confirmed"), "{tls:?}");
        let [payload, encrypted] = &tls.parts[1].facts[..] else { panic!("{tls:?}") };
        assert_eq!([payload.measured, encrypted.measured], [report.size_bytes; 2]);
    } else {
        assert_eq!((status(&output), &*tls.verdict), (2, "not observable"), "{tls:?}");
        assert!(tls.parts[0].reason.as_ref().unwrap().contains("ENOENT"), "{tls:?}");
    }
    nothing_left_behind();
}

#[test]
fn the_text_ends_with_a_table_and_a_wrong_name_with_what_there_is() {
    let output = run(&["claims", "9"]);
    assert_eq!(status(&output), 0);
    let text = stdout(&output);
    let row = text.lines().last().unwrap();
    assert!(row.starts_with("9 ") && row.ends_with("confirmed"), "{text}");
    let output = run(&["claims", "29"]);
    assert_eq!(status(&output), 64);
    assert!(stderr(&output).contains("T10"), "{}", stderr(&output));
}
