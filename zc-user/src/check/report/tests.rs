use super::*;
use crate::check::{Baseline, fake::Fake};

#[test]
fn the_worst_answer_is_the_answer() {
    let fake = Fake::whole([("moved", 1)]);
    let report = |questions: &[&str]| {
        let checks = questions.iter().map(|text| Question::expect(text).unwrap().answer(&fake));
        CheckReport::new("cp".into(), checks.collect(), None, &fake).verdict
    };
    assert_eq!(report(&["moved == 1", "moved < 2"]), Verdict::Holds);
    assert_eq!(report(&["moved == 1", "copied < 2"]), Verdict::NotObserved);
    assert_eq!(report(&["copied < 2", "moved == 2", "moved == 1"]), Verdict::Fails);
    assert_eq!(report(&[]), Verdict::NotObserved);
}

#[test]
fn a_baseline_decides_too() {
    let before = r#"{"schema": "zc.check/1", "quantities": {"copies_per_byte": 1}}"#;
    let before = Baseline::parse("b", before).unwrap();
    let fake = Fake::whole([("copies_per_byte", 2), ("switches_per_mib", 1)]);
    let compared = before.compare(&fake, "5%".parse().unwrap());
    let holds = Question::expect("copies_per_byte > 1").unwrap().answer(&fake);
    let report = CheckReport::new("cp".into(), vec![holds], Some(compared), &fake);
    assert_eq!(report.verdict, Verdict::Fails);
}

#[test]
fn a_claim_is_answered_with_its_sentence() {
    let fake = Fake::whole([("sent.bytes", 1 << 20)]).real("sent.copies_per_byte", 0.001);
    let check = Question::claim("zero-copy-send").unwrap().answer(&fake);
    assert_eq!((check.claim, check.verdict), (Some("zero-copy-send"), Verdict::Holds));
    assert!(check.meaning.unwrap().starts_with("of the bytes sent"));
    assert!(Question::claim("nope").is_err());
}

#[test]
fn the_named_claims_tell_good_from_bad() {
    let ratio = |name, value| Fake::whole([("moved", 100)]).real(name, value);
    for (name, fake, verdict) in [
        ("one-copy", ratio("copies_per_byte", 1.0), Verdict::Holds),
        ("one-copy", ratio("copies_per_byte", 0.98), Verdict::Fails),
        ("one-copy", ratio("copies_per_byte", 1.02), Verdict::Fails),
        ("no-copy", ratio("copies_per_byte", 0.009), Verdict::Holds),
        ("no-copy", ratio("copies_per_byte", 0.01), Verdict::Fails),
        ("few-switches", ratio("switches_per_mib", 63.9), Verdict::Holds),
        ("few-switches", ratio("switches_per_mib", 64.0), Verdict::Fails),
        ("few-switches", ratio("copied", 1.0), Verdict::NotObserved),
        (
            "no-user-copy",
            Fake::whole([("moved", 1000), ("user_to_kernel", 4), ("kernel_to_user", 5)]),
            Verdict::Holds,
        ),
        (
            "no-user-copy",
            Fake::whole([("moved", 1000), ("user_to_kernel", 5), ("kernel_to_user", 5)]),
            Verdict::Fails,
        ),
        ("no-copy", Fake::whole([("moved", 0)]), Verdict::Fails),
        (
            "zero-copy-receive",
            Fake::whole([("received.bytes", 9), ("received.copies_per_byte", 1)]),
            Verdict::Fails,
        ),
    ] {
        assert_eq!(Question::claim(name).unwrap().answer(&fake).verdict, verdict, "{name}");
    }
}

/// What docs/check.md says of the JSON: absent keys, names, verdicts.
#[test]
fn what_was_not_observed_is_absent_from_json() {
    let fake = Fake::whole([("moved", u64::MAX), ("syscalls.read.calls", 3)]);
    let ask = |text| Question::expect(text).unwrap().answer(&fake);
    let checks = vec![ask("moved < syscalls.read.calls"), ask("copied < 1")];
    let report = CheckReport::new("cp".into(), checks, None, &fake);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "schema": "zc.check/1",
            "zc": env!("CARGO_PKG_VERSION"),
            "target": "cp",
            "verdict": "does not hold",
            "checks": [
                {
                    "expression": "moved < syscalls.read.calls",
                    "verdict": "does not hold",
                    "quantities": [
                        {"quantity": "moved", "value": u64::MAX},
                        {"quantity": "syscalls.read.calls", "value": 3},
                    ],
                    "decisive": [{
                        "comparison": "moved < syscalls.read.calls",
                        "left": "moved",
                        "right": "syscalls.read.calls",
                        "left_value": u64::MAX,
                        "right_value": 3,
                        "holds": false,
                    }],
                },
                {
                    "expression": "copied < 1",
                    "verdict": "not observed",
                    "quantities": [{"quantity": "copied", "reason": "no probe"}],
                    "decisive": [],
                    "reason": "copied: no probe",
                },
            ],
            "quantities": {"moved": u64::MAX, "syscalls.read.calls": 3},
        })
    );
    // The report is a baseline for the next one.
    assert!(Baseline::parse("report", &json.to_string()).is_ok());
}

const PAGE: &str = include_str!("../../../../docs/check.md");

/// What docs/check.md tells people to type.
#[test]
fn documented_expectations_and_claims_can_be_asked() {
    let quoted = PAGE.split("--expect '").skip(1).filter_map(|rest| rest.split('\'').next());
    let questions: Vec<_> = quoted.map(Question::expect).collect();
    assert!(questions.len() >= 3 && questions.iter().all(Result::is_ok), "{questions:?}");
    let named = PAGE.split("--claim ").skip(1).filter_map(|rest| rest.split(' ').next());
    let claims: Vec<_> = named.map(Question::claim).collect();
    assert!(claims.len() >= 4 && claims.iter().all(Result::is_ok), "{claims:?}");
}

#[test]
fn the_documented_mistake_looks_as_documented() {
    let error = Question::expect("moved > 1MiB and copies_per_bite <= 0.5").unwrap_err();
    assert!(PAGE.contains(&format!("```text\n{}\n```", error.pointed())), "{}", error.pointed());
}

/// Every key that a report can have stands in docs/check.md.
#[test]
fn every_key_of_the_json_is_documented() {
    let fake = Fake::whole([("moved", 1), ("copies_per_byte", 1)]);
    let before = r#"{"schema": "zc.check/1", "quantities": {"copies_per_byte": 1}}"#;
    let compared = Baseline::parse("b", before).unwrap().compare(&fake, "5%".parse().unwrap());
    let mut checks = vec![
        Question::claim("no-copy").unwrap().answer(&fake),
        Question::expect("syscalls < 1").unwrap().answer(&fake),
    ];
    checks[0].blame = Some("filemap_read".into());
    let mut report =
        serde_json::to_value(CheckReport::new("cp".into(), checks, Some(compared), &fake));
    // Its keys are the names of quantities, which have a table and a test of their own.
    report.as_mut().unwrap()["quantities"] = serde_json::Value::Null;
    let mut keys = std::collections::BTreeSet::new();
    collect(&report.unwrap(), &mut keys);
    assert!(keys.len() >= 25, "{keys:?}");
    let section = PAGE.split("## The JSON").nth(1).unwrap();
    let missing: Vec<_> =
        keys.iter().filter(|key| !section.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn collect(value: &serde_json::Value, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                keys.insert(key.clone());
                collect(value, keys);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
