//! What a real report says is documented.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    counts::{everything, traced},
    skip::needs,
    support::tracepoints,
};

const TRACE_JSON: &str = include_str!("../../docs/trace-json.md");

#[test]
fn every_key_is_documented() {
    needs!(tracepoints());
    let (report, held) = traced(everything(), &["--threads"]);
    held.reap();
    let mut keys = BTreeSet::new();
    collect(&report, &mut keys);
    assert!(keys.len() > 50, "{}", keys.len());
    for key in keys {
        assert!(
            TRACE_JSON.contains(&format!("`{key}`")),
            "docs/trace-json.md does not mention {key}"
        );
    }
}

fn collect<'a>(value: &'a Value, keys: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key);
                // Its keys are names of programs, and of quantities.
                if !["recursion_misses", "quantities"].contains(&key.as_str()) {
                    collect(value, keys);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
