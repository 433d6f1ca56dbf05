use super::*;
use crate::check::fake::Fake;

fn evaluate(text: &str, fake: &Fake) -> Evaluation {
    text.parse::<Expression>().unwrap_or_else(|error| panic!("{}", error.pointed())).evaluate(fake)
}

fn verdict(text: &str) -> Verdict {
    // `copied` is not observed.
    evaluate(text, &Fake::whole([("moved", 10)])).verdict
}

#[test]
fn conditions_have_three_values() {
    let (holds, fails, unknown) = ("moved > 1", "moved < 1", "copied < 1");
    let (t, f, u) = (Verdict::Holds, Verdict::Fails, Verdict::NotObserved);
    for (left, left_value) in [(holds, t), (fails, f), (unknown, u)] {
        let negated = match left_value {
            Verdict::Holds => f,
            Verdict::Fails => t,
            Verdict::NotObserved => u,
        };
        assert_eq!(verdict(&format!("not {left}")), negated);
    }
    // Kleene's tables, written out.
    for (left, right, and, or) in [
        (holds, holds, t, t),
        (holds, fails, f, t),
        (holds, unknown, u, t),
        (fails, holds, f, t),
        (fails, fails, f, f),
        (fails, unknown, f, u),
        (unknown, holds, u, t),
        (unknown, fails, f, u),
        (unknown, unknown, u, u),
    ] {
        assert_eq!(verdict(&format!("{left} and {right}")), and, "{left} and {right}");
        assert_eq!(verdict(&format!("{left} or {right}")), or, "{left} or {right}");
    }
    assert!(t < u && u < f);
}

#[test]
fn comparisons_are_what_they_say() {
    for (operator, less, equal, greater) in [
        ("<", true, false, false),
        ("<=", true, true, false),
        (">", false, false, true),
        (">=", false, true, true),
        ("==", false, true, false),
        ("=", false, true, false),
        ("!=", true, false, true),
    ] {
        for (right, holds) in [(11, less), (10, equal), (9, greater)] {
            let expected = if holds { Verdict::Holds } else { Verdict::Fails };
            assert_eq!(
                verdict(&format!("moved {operator} {right}")),
                expected,
                "{operator} {right}"
            );
        }
    }
}

#[test]
fn bytes_are_exact_up_to_the_largest_counter() {
    let fake = Fake::whole([("moved", u64::MAX), ("copied", u64::MAX - 1)]);
    for (text, expected) in [
        ("copied < moved", Verdict::Holds),
        ("copied == moved", Verdict::Fails),
        ("copied + 1 == moved", Verdict::Holds),
        ("moved == 18446744073709551615", Verdict::Holds),
        ("moved == 18446744073709551614", Verdict::Fails),
        ("moved * 2 - moved - copied == 1", Verdict::Holds),
        ("moved == 16777216TiB", Verdict::Fails),
        ("moved + 1 == 16777216TiB", Verdict::Holds),
        ("copied - moved == -1", Verdict::Holds),
    ] {
        assert_eq!(evaluate(text, &fake).verdict, expected, "{text}");
    }
}

#[test]
fn arithmetic_is_arithmetic() {
    for text in [
        "moved / 4 == 2.5",
        "moved / 4 * 4 == 10",
        "1 + 2 * 3 - 4 / 2 == 5",
        "-moved + 11 == 1",
        "10 - 3 - 2 == 5",
        "5% * 100 == 5",
        "1 / 100 == 1%",
        "moved - 0.5 < moved",
    ] {
        assert_eq!(verdict(text), Verdict::Holds, "{text}");
    }
}

#[test]
fn what_decides_is_shown_with_both_sides() {
    let fake = Fake::whole([("moved", 10), ("copied", 20)]).real("copies_per_byte", 2.0);
    let decisive = |text| {
        let decisive = evaluate(text, &fake).decisive.into_iter();
        decisive.map(|compared| compared.comparison).collect::<Vec<_>>()
    };
    assert_eq!(decisive("moved > 0 and copies_per_byte <= 0.5"), ["copies_per_byte <= 0.5"]);
    assert_eq!(decisive("moved > 0 and copied > 0"), ["moved > 0", "copied > 0"]);
    assert_eq!(decisive("moved > 50 or copied > 50"), ["moved > 50", "copied > 50"]);
    assert_eq!(decisive("not (moved > 50 or copied > 15)"), ["copied > 15"]);
    assert_eq!(
        evaluate("(copied + 1)/moved < 1", &fake).decisive,
        [Compared {
            comparison: "(copied + 1)/moved < 1".into(),
            left: "(copied + 1)/moved".into(),
            right: "1".into(),
            left_value: Number::Real(2.1),
            right_value: Number::Whole(1),
            holds: false,
        }]
    );
}

#[test]
fn what_was_not_observed_says_why_once() {
    let fake =
        Fake::whole([("moved", 10)]).missing("copied", "refused").missing("syscalls", "lost");
    let evaluation = evaluate("copied < 1 and copied / moved < 1 and syscalls > copied", &fake);
    assert_eq!(evaluation.verdict, Verdict::NotObserved);
    assert_eq!(evaluation.reasons, ["copied: refused", "syscalls: lost"]);
    assert_eq!(evaluation.decisive, []);
    // A condition that is known is still known.
    let evaluation = evaluate("copied < 1 and moved < 1", &fake);
    assert_eq!((evaluation.verdict, evaluation.reasons.len()), (Verdict::Fails, 0));
    let reading = |quantity: &str, value, reason: Option<&str>| Reading {
        quantity: quantity.into(),
        value,
        reason: reason.map(Into::into),
    };
    assert_eq!(
        evaluation.readings,
        [reading("copied", None, Some("refused")), reading("moved", Some(Number::Whole(10)), None)]
    );
}

#[test]
fn nothing_is_divided_by_nothing() {
    let fake = Fake::whole([("moved", 0), ("copied", 5), ("sent.bytes", 0)]);
    for (text, reason) in [
        ("copied / moved < 1", "nothing was moved"),
        ("copied / sent.bytes < 1", "nothing was sent"),
        ("copied / (moved + 0) < 1", "division by zero: (moved + 0) is 0"),
        ("1 / 0 < 1", "division by zero: 0 is 0"),
        ("0 / 0.0 == 1", "division by zero: 0.0 is 0"),
    ] {
        let evaluation = evaluate(text, &fake);
        assert_eq!(evaluation.verdict, Verdict::NotObserved, "{text}");
        assert_eq!(evaluation.reasons, [reason]);
    }
    // A claim that asks first whether anything moved gets an answer.
    assert_eq!(evaluate("moved > 0 and copied / moved < 1", &fake).verdict, Verdict::Fails);
}

#[test]
fn a_number_that_is_none_decides_nothing() {
    let fake = Fake::default().real("coverage", f64::NAN).real("copies_per_byte", f64::INFINITY);
    for text in ["coverage != 1", "copies_per_byte > 1", "not coverage == 1"] {
        let evaluation = evaluate(text, &fake);
        assert_eq!(evaluation.verdict, Verdict::NotObserved, "{text}");
        assert!(evaluation.reasons[0].ends_with("it has no finite value"));
    }
    let large = "1000000000000TiB";
    let product = vec![large; 20].join("*");
    assert_eq!(evaluate(&format!("{product} > 1"), &fake).reasons, ["a number is too large"]);
}
