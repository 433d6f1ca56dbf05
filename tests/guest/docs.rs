//! What the documents show and promise is what the program does.

use std::{fs, process::Output};

use crate::{
    audit::{AUDIT, AUDIT_WITHOUT_A_SITE},
    learn,
    needs::{self, needs},
    pages,
    stacks::STACKS,
    support::{SMALL_LAB, scratch, shared, status, stdout, zc},
    tracing::unskipped_text,
};

const README: &str = include_str!("../../README.md");
const CLAIMS_JSON: &str = include_str!("../../docs/claims-json.md");
const LEARN_JSON: &str = include_str!("../../docs/learn-json.md");
const LAB_JSON: &str = include_str!("../../docs/lab-json.md");

/// The fenced block behind `marker`.
fn block<'a>(document: &'a str, marker: &str) -> &'a str {
    let (_, rest) = document.split_once(marker).expect("the marker is there");
    let (_, rest) = rest.split_once("```").expect("a block follows");
    let (_, rest) = rest.split_once('\n').expect("it has lines");
    rest.split_once("```").expect("it ends").0
}

#[test]
fn the_readme_shows_the_real_table() {
    let output = shared(&["lab"]);
    assert_eq!(status(&output), 0);
    // Its name up to 5.11.
    let real = stdout(&output).replace("generic_file_buffered_read", "filemap_read");
    let shown = block(README, "<!-- zc lab -->");
    // The first line names the kernel that it was taken from; the numbers are the same on all.
    for line in shown.lines().skip(1).filter(|line| !line.is_empty() && *line != "[…]") {
        assert!(
            real.lines().any(|real| real == line),
            "the README shows {line:?}, not in:\n{real}"
        );
    }
    assert!(shown.lines().count() > 8, "there is a table to compare");
}

#[test]
fn the_readme_shows_a_real_audit() {
    let output = shared(AUDIT);
    assert_eq!(status(&output), 0);
    let real = stdout(&output);
    let shown = block(README, "<!-- zc lab --audit -->");
    for line in shown.lines().filter(|line| !line.is_empty() && *line != "[…]") {
        assert!(
            real.lines().any(|real| real == line),
            "the README shows {line:?}, not in:\n{real}"
        );
    }
    assert!(shown.lines().count() > 7, "there is a table to compare");
}

/// What `arguments` print in a folder with the file that the documents call big.
fn of_big(arguments: &[&str]) -> Output {
    let folder = scratch();
    fs::write(folder.path().join("big"), vec![7; 4 << 20]).unwrap();
    unskipped_text(|| zc().args(arguments).current_dir(folder.path()).output().unwrap())
}

#[track_caller]
fn every_line_is_real(marker: &str, real: &str) {
    let shown = block(README, marker);
    let lines: Vec<_> = shown.lines().filter(|line| !line.is_empty() && *line != "[…]").collect();
    assert!(lines.len() > 1);
    for line in lines {
        assert!(
            real.lines().any(|real| real == line),
            "the README shows {line:?}, not in:\n{real}"
        );
    }
}

#[test]
fn the_readme_shows_a_real_trace_and_a_real_check() {
    let output = of_big(&["trace", "--", "cp", "big", "copy"]);
    assert_eq!(status(&output), 0);
    every_line_is_real("<!-- zc trace -->", &stdout(&output));
    let output =
        of_big(&["check", "--expect", "copies_per_byte <= 0.5", "--", "cp", "big", "copy"]);
    assert_eq!(status(&output), 1);
    every_line_is_real("<!-- zc check -->", &stdout(&output));
}

/// Into how many buffers the payload is cut on its way to the card depends on timing, and the headers on
/// that.
#[test]
fn the_readme_shows_real_architectures() {
    let real =
        zc().args(["lab", "architectures", "--path", "nic", "--size", "1M"]).output().unwrap();
    assert_eq!(status(&real), 0);
    let steady = |text: &str| -> Vec<Vec<String>> {
        let rows = text.lines().filter(|line| line.ends_with("verified"));
        let words = rows.map(|row| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        words
            .map(|mut words| {
                let card = words.len() - 4;
                words.drain(card..card + 2);
                words
            })
            .collect()
    };
    let shown = steady(block(README, "<!-- zc lab architectures -->"));
    assert_eq!((shown.len(), shown), (3, steady(&stdout(&real))));
}

#[test]
fn the_readme_shows_a_real_claim() {
    let output = zc().args(["claims", "9"]).output().unwrap();
    assert_eq!(status(&output), 0);
    every_line_is_real("<!-- zc claims -->", &stdout(&output));
}

#[test]
fn the_readme_shows_a_real_lab_for_learners() {
    let output = zc().args(["learn", "T8", "--predict", "4", "--lang", "en"]).output().unwrap();
    assert_eq!(status(&output), 1);
    every_line_is_real("<!-- zc learn -->", &stdout(&output));
}

/// The ways are those of one kernel.
#[test]
fn the_readme_shows_real_ways_through_the_kernel() {
    needs!(needs::release("6.12."));
    let output = unskipped_text(|| {
        zc().args(["lab", "read-send", "--stacks", "--size", "1M"]).output().unwrap()
    });
    assert_eq!(status(&output), 0);
    every_line_is_real("<!-- zc lab --stacks -->", &stdout(&output));
}

#[test]
fn every_key_is_documented() {
    let reports = [SMALL_LAB, AUDIT_WITHOUT_A_SITE, STACKS].map(|arguments| {
        let text = stdout(&shared(arguments));
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    });
    let mut keys = std::collections::BTreeSet::new();
    reports.iter().for_each(|report| collect(report, &mut keys));
    assert!(keys.len() > 30);
    for key in keys {
        assert!(LAB_JSON.contains(&format!("`{key}`")), "docs/lab-json.md does not mention {key}");
    }
}

#[test]
fn every_key_of_claims_and_of_labs_for_learners_is_documented() {
    let own = [CLAIMS_JSON, LEARN_JSON];
    for (report, own) in [pages::claims().json, learn::wrong().json].iter().zip(own) {
        let mut keys = std::collections::BTreeSet::new();
        collect(report, &mut keys);
        assert!(keys.len() > 20);
        // What they share is said once.
        let documents = [own, CLAIMS_JSON, LAB_JSON].concat();
        let missing: Vec<_> =
            keys.into_iter().filter(|key| !documents.contains(&format!("`{key}`"))).collect();
        assert_eq!(missing, [""; 0]);
    }
}

fn collect<'a>(value: &'a serde_json::Value, keys: &mut std::collections::BTreeSet<&'a str>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key);
                collect(value, keys);
            }
        }
        serde_json::Value::Array(values) => {
            for value in values {
                collect(value, keys);
            }
        }
        _ => {}
    }
}
