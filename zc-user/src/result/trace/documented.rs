//! docs/trace-json.md mentions every key of a report, and no key that is none.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Completeness, Omitted, Run, TraceReport, Uncovered,
    tests::{boundary, derive, full},
};
use crate::{
    measure::Loss,
    probes::{attach::Status, catalogue::Direction},
    result::{derive::site_statuses, meters::BlockIo, stacks::TraceStacks},
    stacks::{CopyPath, CopyStacks, PathTree},
};

const DOCUMENT: &str = include_str!("../../../../docs/trace-json.md");

/// Keys whose own keys are names of other things: programs, quantities.
const MAPS: [&str; 2] = ["recursion_misses", "quantities"];

fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                if !MAPS.contains(&key.as_str()) {
                    collect(value, keys);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

/// Reports that have, together, whatever a report can have.
fn reports() -> [TraceReport; 2] {
    let mut report = full();
    report.run = Run {
        target: "command true".into(),
        elapsed_seconds: 1.0,
        interval: Some(1),
        ended: Some("the time was over".into()),
        exit_status: Some(0),
    };
    let mut statuses = boundary();
    statuses[0] = Status::Miscounts { function: "f", moved: 1, counted: 2 };
    report.completeness = Completeness {
        sites: site_statuses(&statuses),
        unmetered: vec!["network: refused".into()],
        lost: Loss { untold: true, unlisted_counts: 1, ..Loss::default() },
        problems: vec!["lost".into()],
        unseen: vec!["unseen".into()],
        uncovered: vec![Uncovered {
            call: "read".into(),
            source: "regular file",
            sink: "memory",
            returned_bytes: 2,
            explained_bytes: 1,
        }],
        ..report.completeness
    };
    report.devices.kernel_threads_block_io = Some(BlockIo { read_bytes: 1, written_bytes: 1 });
    report.stacks = Some(TraceStacks {
        stacks: CopyStacks {
            bytes: 1,
            problems: vec!["no room".into()],
            unnamed: Some("hidden".into()),
            paths: vec![CopyPath {
                direction: Direction::KernelToUser,
                bytes: 1,
                frames: vec!["read".into()],
            }],
            ..CopyStacks::default()
        },
        tree: PathTree::of(&[]),
    });
    report.omitted = Omitted { flows: 1, processes: 1 };
    [report, derive(Vec::new(), &boundary(), &Loss::default())]
}

fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for report in reports() {
        collect(&serde_json::to_value(report).unwrap(), &mut keys);
    }
    keys
}

#[test]
fn every_key_is_mentioned() {
    let keys = keys();
    assert!(keys.len() > 80, "{}", keys.len());
    for key in keys {
        assert!(DOCUMENT.contains(&format!("`{key}`")), "docs/trace-json.md lacks {key}");
    }
}

#[test]
fn a_table_of_keys_lists_no_other_words() {
    let keys = keys();
    let mut in_table = false;
    let mut listed = BTreeSet::new();
    for line in DOCUMENT.lines() {
        in_table = line.starts_with('|') && (in_table || line.starts_with("| key |"));
        let first = line.split('|').nth(1).filter(|_| in_table).unwrap_or_default();
        listed.extend(first.split('`').skip(1).step_by(2));
    }
    assert!(listed.len() > 45, "{listed:?}");
    for key in listed {
        assert!(keys.contains(key), "docs/trace-json.md lists {key}, which no report has");
    }
}

/// A parser takes one of two equal keys, and nobody knows which.
#[test]
fn no_object_has_a_key_twice() {
    for report in reports() {
        let text = serde_json::to_string(&report).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap().len(), text.len());
    }
}
