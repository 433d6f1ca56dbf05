//! `zc learn` where the kernel lets no function be probed.

use std::process::Output;

use serde_json::Value;

use crate::{
    skip::needs,
    support::{sites_work, zc},
};

fn learn(arguments: &[&str]) -> (Output, Value) {
    let output = zc().args(["learn", "--json", "--lang", "en"]).args(arguments).output().unwrap();
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output, json)
}

#[test]
fn what_no_probe_is_needed_for_is_measured_on_any_machine() {
    for (lab, wrong) in [("socket-buffer", "0"), ("close", "196608")] {
        let (output, report) = learn(&[lab, "--predict", wrong]);
        let lesson = &report["labs"][0];
        assert_eq!((output.status.code(), &lesson["outcome"]), (Some(1), &"wrong".into()));
        let measured = lesson["measured"].as_u64().unwrap().to_string();
        let (output, report) = learn(&[lab, "--predict", &measured]);
        let lesson = &report["labs"][0];
        assert_eq!((output.status.code(), &lesson["outcome"]), (Some(0), &"right".into()));
    }
}

#[test]
fn a_lab_that_this_kernel_cannot_support_says_so() {
    let sites = if sites_work() { Err("this kernel supports it".to_owned()) } else { Ok(()) };
    needs!(sites);
    let (output, report) = learn(&["ordinary-copy", "--predict", "2"]);
    assert_eq!(output.status.code(), Some(2));
    let lesson = report["labs"][0].as_object().unwrap();
    assert_eq!(lesson["outcome"], "not supported");
    assert!(!lesson["reason"].as_str().unwrap().is_empty());
    for absent in ["measured", "why", "facts"] {
        assert!(!lesson.contains_key(absent), "{lesson:?}");
    }
}
