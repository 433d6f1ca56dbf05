use super::*;
use crate::check::fake::Fake;

fn baseline(quantities: &str) -> Baseline {
    let text = format!(r#"{{"schema": "zc.trace/1", "quantities": {quantities}, "more": [1]}}"#);
    Baseline::parse("before.json", &text).unwrap()
}

fn row(before: &str, now: &Fake, max: &str) -> BaselineRow {
    baseline(before).compare(now, max.parse().unwrap()).rows.swap_remove(0)
}

fn now(copies: f64) -> Fake {
    Fake::default().real("copies_per_byte", copies)
}

#[test]
fn more_than_the_limit_is_a_regression_and_the_limit_is_none() {
    for (before, copies, max, verdict) in [
        ("1.0", 1.05, "5%", Verdict::Holds),
        ("1.0", 1.051, "5%", Verdict::Fails),
        ("1", 1.0, "0%", Verdict::Holds),
        ("1", 1.001, "0%", Verdict::Fails),
        ("2", 1.0, "0%", Verdict::Holds),
        ("0.1", 0.3, "200%", Verdict::Holds),
        ("0", 0.0, "5%", Verdict::Holds),
        ("0", 0.001, "5%", Verdict::Fails),
    ] {
        let row = row(&format!(r#"{{"copies_per_byte": {before}}}"#), &now(copies), max);
        assert_eq!(row.verdict, verdict, "{before} to {copies}, {max}");
    }
}

#[test]
fn the_change_is_relative_to_what_it_was() {
    let before = r#"{"copies_per_byte": 4}"#;
    assert_eq!(row(before, &now(5.0), "5%").change, Some(0.25));
    assert_eq!(row(before, &now(3.0), "5%").change, Some(-0.25));
    let grown = row(r#"{"copies_per_byte": 0}"#, &now(1.0), "5%");
    assert_eq!((grown.change, grown.reason.as_deref()), (None, Some("it was 0")));
}

#[test]
fn what_is_missing_on_either_side_is_not_observed() {
    let missing = row("{}", &now(1.0), "5%");
    assert_eq!(missing.verdict, Verdict::NotObserved);
    assert_eq!(missing.reason.as_deref(), Some("the baseline does not have it"));
    let refused = Fake::default().missing("copies_per_byte", "refused");
    let missing = row(r#"{"copies_per_byte": 1}"#, &refused, "5%");
    assert_eq!(missing.verdict, Verdict::NotObserved);
    assert_eq!(missing.reason.as_deref(), Some("refused"));
    assert_eq!(missing.before, Some(Number::Whole(1)));
}

#[test]
fn the_worst_row_decides() {
    let both = baseline(r#"{"copies_per_byte": 1, "switches_per_mib": 32}"#);
    let compare = |now: &Fake| both.compare(now, "5%".parse().unwrap());
    let same = compare(&now(1.0).real("switches_per_mib", 32.0));
    assert_eq!((same.verdict, same.rows.len()), (Verdict::Holds, 2));
    assert_eq!(compare(&now(1.0).real("switches_per_mib", 64.0)).verdict, Verdict::Fails);
    assert_eq!(compare(&now(1.0)).verdict, Verdict::NotObserved);
    assert_eq!(compare(&now(2.0)).verdict, Verdict::Fails);
}

#[test]
fn what_is_no_baseline_says_what_is_wrong_with_it() {
    for (text, says) in [
        ("", "not JSON: EOF"),
        ("{", "not JSON"),
        ("[]", "no schema, so zc did not write it"),
        ("3", "no schema"),
        (r#"{"schema": 3}"#, "no schema"),
        (r#"{"schema": "zc.lab/1"}"#, "its schema is 'zc.lab/1', not zc.trace/1 or zc.check/1"),
        (r#"{"schema": "\u001b[31m"}"#, "its schema is '\\u{1b}[31m'"),
        (r#"{"schema": "zc.check/1"}"#, "it has no quantities"),
        (r#"{"schema": "zc.check/1", "quantities": [1]}"#, "it has no quantities"),
        (r#"{"schema": "zc.check/1", "quantities": {"moved": "1"}}"#, "'moved' is no number"),
        (r#"{"schema": "zc.check/1", "quantities": {"moved": -1}}"#, "'moved' is no number"),
        (r#"{"schema": "zc.check/1", "quantities": {"a": null}}"#, "'a' is no number"),
    ] {
        let error = Baseline::parse("b\n.json", text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(error.starts_with("b\\u{a}.json is no baseline: "), "{error}");
        assert!(error.ends_with("with `zc trace --json` or `zc check --json`"), "{error}");
    }
    let deep = "[".repeat(1 << 20);
    assert!(Baseline::parse("deep", &deep).unwrap_err().to_string().contains("not JSON"));
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = Baseline::read(&folder.path().join("none.json")).unwrap_err().to_string();
    assert!(error.contains("none.json: No such file"), "{error}");
    let path = folder.path().join("binary");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let error = Baseline::read(&path).unwrap_err().to_string();
    assert!(error.starts_with("cannot read baseline"), "{error}");
    std::fs::write(&path, r#"{"schema": "zc.check/1", "quantities": {"moved": 1}}"#).unwrap();
    assert_eq!(Baseline::read(&path).unwrap().quantities["moved"], Number::from(1));
}

#[test]
fn a_limit_is_a_percentage() {
    assert_eq!("5%".parse(), Ok(MaxRegression(0.05)));
    assert_eq!("0.5 %".parse(), Ok(MaxRegression(0.005)));
    for text in ["5", "", "%", "-5%", "5%%", "5% 5%", "5kB", "moved%", "ü%"] {
        assert_eq!(text.parse::<MaxRegression>(), Err(FORM.into()), "{text}");
    }
}
