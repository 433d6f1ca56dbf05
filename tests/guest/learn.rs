//! `zc learn`: what is right is what is measured.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    process::{Output, Stdio},
};

use serde::Deserialize;
use zc::learn::{LABS, Lang};

use crate::{
    pages::{Left, left},
    report::Transfer,
    support::{nothing_left_behind, run, scratch, status, stderr, stdout, zc},
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
    lang: String,
    complete: bool,
    #[serde(default)]
    problems: Vec<String>,
    labs: Vec<Lesson>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lesson {
    lab: String,
    row: String,
    title: String,
    question: String,
    unit: String,
    predicted: u64,
    outcome: String,
    measured: Option<u64>,
    #[serde(default)]
    facts: Vec<Fact>,
    why: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    transfers: Vec<Transfer>,
    variation: String,
    r#try: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    name: String,
    what: String,
    measured: u64,
}

fn parsed(left: &Left) -> Report {
    serde_json::from_value(left.json.clone()).unwrap()
}

/// A number that nothing here is.
const WRONG: u64 = 987_654_321;

fn answered(name: &str, lang: &str, answers: &BTreeMap<String, u64>) -> Left {
    let folder = scratch();
    let path = folder.path().join("answers.json");
    fs::write(&path, serde_json::to_vec(answers).unwrap()).unwrap();
    left(name, &["learn", "--answers", path.to_str().unwrap(), "--lang", lang])
}

/// Every lab in English, all predictions wrong.
pub(crate) fn wrong() -> Left {
    let answers = LABS.iter().map(|lab| (lab.name.to_owned(), WRONG)).collect();
    answered("learn", "en", &answers)
}

/// Every lab in Chinese, all predictions as measured before.
pub(crate) fn right() -> Left {
    let labs = parsed(&wrong()).labs.into_iter();
    let answers = labs.map(|lesson| (lesson.row, lesson.measured.expect("it was measured")));
    answered("learn-zh", "zh", &answers.collect())
}

/// What a kernel does in each lab, whatever its text says.
const MEASURED: [(&str, u64); 10] = [
    ("T1", 64),
    ("T2", 32),
    ("T3", 2),
    ("T4", 1 << 20),
    ("T5", 1),
    ("T6", 16 << 10),
    ("T7", 128 << 10),
    ("T8", 2),
    ("T9", 1),
    ("T10", 32),
];

#[test]
fn every_lab_refuses_a_wrong_prediction_and_says_what_was_measured() {
    let left = wrong();
    let report = parsed(&left);
    assert_eq!((left.status, &*report.schema, &*report.lang), (1, "zc.learn/1", "en"));
    assert!(report.complete, "{:?}", report.problems);
    let measured: Vec<_> =
        report.labs.iter().map(|lab| (&*lab.row, lab.measured.unwrap_or_default())).collect();
    assert_eq!(measured, MEASURED, "{:#?}", report.labs);
    for (lesson, lab) in report.labs.iter().zip(LABS) {
        assert_eq!((&*lesson.outcome, lesson.predicted), ("wrong", WRONG));
        assert_eq!((&*lesson.lab, lesson.reason.as_deref()), (lab.name, None));
        let why = lesson.why.as_ref().unwrap();
        assert!(!why.contains('{'), "{why}");
        let page = lab.page(Lang::En).unwrap();
        assert_eq!((&lesson.title, &lesson.question), (&page.title, &page.question));
        assert_eq!((&lesson.unit, &lesson.r#try), (&page.unit, &page.attempt));
        assert!(!lesson.variation.is_empty() && lesson.facts.len() > 2);
        // A fact without words is called by its name.
        let wordless = lesson.facts.iter().find(|fact| fact.name == fact.what);
        assert!(wordless.is_none(), "{wordless:?}");
    }
}

#[test]
fn every_lab_accepts_what_it_measured_in_chinese_too() {
    let left = right();
    let report = parsed(&left);
    let outcomes: Vec<_> = report.labs.iter().map(|lab| (&*lab.row, &*lab.outcome)).collect();
    assert_eq!(outcomes, MEASURED.map(|(row, _)| (row, "right")), "{:#?}", report.labs);
    assert_eq!((left.status, &*report.lang), (0, "zh"));
}

/// The numbers behind an answer are of the same measurement.
#[test]
fn facts_explain_the_answer() {
    let report = parsed(&wrong());
    let fact = |row: &str, name: &str| {
        let lesson = report.labs.iter().find(|lesson| lesson.row == row).unwrap();
        lesson.facts.iter().find(|fact| fact.name == name).unwrap().measured
    };
    assert_eq!(fact("T1", "switches"), 2 * (fact("T1", "calls") + fact("T1", "faults")));
    assert!(fact("T1", "interrupts") > 0, "the clock is looked at for longer than a tick");
    assert_eq!(fact("T2", "without"), 1024 * fact("T2", "with"));
    assert_eq!((fact("T3", "put"), fact("T3", "through_shell")), (1 << 20, 0));
    assert_eq!(fact("T4", "disk"), 1 << 20);
    assert_eq!((fact("T5", "hit_disk"), fact("T5", "hit_waits")), (0, 0));
    assert!(fact("T5", "miss_disk") > 0 && fact("T5", "miss_waits") > 0);
    assert!(fact("T6", "before") == 0 && fact("T6", "full_sender") > 0);
    assert_eq!(fact("T7", "resets"), 1);
    assert_eq!((fact("T8", "cpu"), fact("T8", "card")), (2 << 20, 1 << 20));
    assert_eq!((fact("T9", "cpu"), fact("T10", "cpu")), (1 << 20, 0));
    let transfers = report.labs.iter().map(|lesson| lesson.transfers.len()).collect::<Vec<_>>();
    assert_eq!(transfers, [1, 2, 0, 1, 2, 0, 0, 1, 1, 1]);
}

/// `zc learn close`, typed at.
fn typed(said: &str) -> Output {
    let mut command = zc();
    command.args(["learn", "close", "--lang", "en"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn it_asks_before_it_measures_and_again_for_what_is_no_number() {
    let output = typed("no idea\n128K\n");
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    let text = stdout(&output);
    let (read, seen) = text.split_once("Type a number").expect("it asks again");
    assert!(read.contains("Question") && !read.contains("measured"), "{read}");
    assert!(seen.contains("right") && seen.contains("131072"), "{seen}");
    let output = typed("");
    assert_eq!(status(&output), 64);
    assert!(stderr(&output).contains("--predict"), "{}", stderr(&output));
}

#[test]
fn lists_and_wrong_command_lines() {
    let list = run(&["learn", "--lang", "zh"]);
    assert_eq!(status(&list), 0);
    assert!(LABS.iter().all(|lab| stdout(&list).contains(lab.name)));
    let folder = scratch();
    let path = folder.path().join("answers.json");
    let path = path.to_str().unwrap();
    for (answers, says) in [
        ("{\"T8\": 4, \"T88\": 1}", "T88"),
        ("{\"T8\": -1}", "whole numbers"),
        ("{\"T8\": 4, \"ordinary-copy\": 1}", "two answers"),
        ("{}", "no answer"),
        ("nonsense", "whole numbers"),
    ] {
        fs::write(path, answers).unwrap();
        let output = run(&["learn", "--answers", path]);
        assert_eq!(status(&output), 64, "{answers}");
        assert!(stderr(&output).contains(says), "{answers}: {}", stderr(&output));
    }
    fs::write(path, "{\"T6\": 4}").unwrap();
    let output = run(&["learn", "T7", "--answers", path]);
    assert_eq!(status(&output), 64);
    assert!(stderr(&output).contains("no answer to T7"), "{}", stderr(&output));
    nothing_left_behind();
}
