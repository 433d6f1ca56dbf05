//! Reports as HTML, each beside the JSON of the same run. They are left for a browser on the host
//! (tests/browser), which looks at what cannot be seen here.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use zc_guest::PAGES_DIR;

use crate::{
    architectures, learn,
    page::same_numbers,
    support::{run, scratch, status, stderr},
};

/// A report has to be smaller, in bytes.
const LARGEST: usize = 500_000;

/// A report that was left: the exit status, its JSON, its HTML.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) status: i32,
    pub(crate) json: Value,
    pub(crate) html: String,
}

fn at(name: &str, kind: &str) -> PathBuf {
    Path::new(PAGES_DIR).join(format!("{name}.{kind}"))
}

/// Runs zc, once for all tests, and leaves what it found as `name`. `arguments` are options, and a command
/// where one is traced.
pub(crate) fn left(name: &str, arguments: &[&str]) -> Left {
    static LEFT: Mutex<BTreeMap<String, Left>> = Mutex::new(BTreeMap::new());
    let mut all = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(name.to_owned()).or_insert_with(|| leave(name, arguments)).clone()
}

fn leave(name: &str, arguments: &[&str]) -> Left {
    fs::create_dir_all(PAGES_DIR).unwrap();
    let [json, html] = ["json", "html"].map(|kind| at(name, kind));
    let files = ["--json", "--output", json.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let (subcommand, arguments) = arguments.split_first().unwrap();
    let output = run(&[&[*subcommand], &files[..], arguments].concat());
    assert_eq!(stderr(&output), "", "{name}");
    let [json, html] = [json, html].map(|path| fs::read_to_string(path).unwrap());
    let json = serde_json::from_str(&json).unwrap();
    let numbers = same_numbers(&html, &json);
    assert!(numbers > 5 && html.len() < LARGEST, "{name}: {numbers}, {} bytes", html.len());
    Left { status: status(&output), json, html }
}

/// A name that would do something, were it taken for a piece of the page.
const HOSTILE: &str = "<img src=x onerror=hacked=1>";

#[test]
fn the_page_of_a_full_lab_is_small() {
    let left = left("lab", &["lab", "--all", "--size", "1M"]);
    assert_eq!((left.status, &left.json["verdict"]), (0, &"verified".into()));
    let numbers = left.html.matches("data-json=").count();
    assert!(numbers > 380, "{numbers}");
    for style in left.json["styles"].as_array().unwrap() {
        assert!(left.html.contains(style["style"].as_str().unwrap()), "{style}");
    }
}

#[test]
fn a_hostile_name_is_text() {
    let folder = scratch();
    let [program, file, copy] = [HOSTILE, "f", "g"].map(|name| folder.path().join(name));
    fs::write(&file, vec![7; 1 << 20]).unwrap();
    // A process is called like the script that it runs.
    let script = format!("#!/bin/busybox sh\ncat {} > {}\n", file.display(), copy.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let left = left("trace", &["trace", "--", program.to_str().unwrap()]);
    let processes = left.json["processes"].as_array().unwrap();
    let hostile = processes.iter().any(|process| process["name"] == HOSTILE[..15]);
    assert!(hostile, "{processes:?}");
    assert!(!left.html.contains("<img") && left.html.contains("&lt;img"));
}

/// Claims that are decided over cards.
pub(crate) fn claims() -> Left {
    left("claims", &["claims", "T8", "T9", "T10"])
}

#[test]
fn claims_and_labs_for_learners_have_pages() {
    let claims = claims();
    assert_eq!(claims.status, 1, "T8 and T10 are refuted");
    let architectures = architectures::over_cards();
    assert_eq!(architectures.status, 0);
    for left in [claims, architectures, learn::wrong(), learn::right()] {
        assert!(left.html.starts_with("<!DOCTYPE html>") && left.html.contains("</svg>"));
    }
}
