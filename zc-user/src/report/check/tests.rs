use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use super::*;
use crate::check::{
    Baseline,
    fake::Fake,
    report::{CheckReport, Question},
};

/// What a process may call itself, and everything that XML, GitHub and terminals trip over.
const HOSTILE: &str = "a\x1b[31m\n::error::x\r%0A,:<&>\"'\u{0}\u{fffe}\u{ffff}]]>";

fn fake() -> Fake {
    Fake::whole([("moved", 1000), ("copied", 2000), ("user_to_kernel", 0), ("kernel_to_user", 300)])
        .real("copies_per_byte", 2.0)
        .real("switches_per_mib", 1.0 / 3.0)
        .missing("syscalls", HOSTILE)
}

fn asked(text: &str) -> Check {
    Question::expect(text).unwrap().answer(&fake())
}

/// One check of each verdict, a claim, and a baseline.
fn report() -> CheckReport {
    let mut blamed = asked("copies_per_byte <= 0.5");
    blamed.blame = Some(HOSTILE.into());
    let checks = vec![
        blamed,
        asked("copied == 2kB"),
        asked("syscalls < 1"),
        Question::claim("no-user-copy").unwrap().answer(&fake()),
    ];
    let before = r#"{"schema": "zc.check/1", "quantities": {"copies_per_byte": 1.5}}"#;
    let baseline = Baseline::parse(HOSTILE, before).unwrap();
    let compared = baseline.compare(&fake(), "5%".parse().unwrap());
    CheckReport::new(HOSTILE.into(), checks, Some(compared), &fake())
}

const HARMLESS: &str = "a\\u{1b}[31m\\u{a}::error::x\\u{d}%0A,:<&>\"'\\u{0}\u{fffe}\u{ffff}]]>";

#[test]
fn text_is_a_line_for_each_check() {
    let text = text(&report(), false);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            &*format!(
                "copies_per_byte <= 0.5: does not hold: copies_per_byte = 2; to blame: {HARMLESS}"
            ),
            "copied == 2kB: holds: copied = 2000",
            &format!("syscalls < 1: not observed: syscalls: {HARMLESS}"),
            "no-user-copy: does not hold: (user_to_kernel + kernel_to_user) / moved = 0.3, moved = 1000, user_to_kernel = 0, kernel_to_user = 300",
            "  of the bytes moved, fewer than one in a hundred was copied by the CPU between user and kernel memory: moved > 0 and (user_to_kernel + kernel_to_user) / moved < 1%",
            &format!("beside {HARMLESS}, at most +5.00% allowed"),
            "quantity          before  now     change   verdict",
            "─────────────────────────────────────────────────────────────────────────────────────────",
            "copies_per_byte      1.5       2  +33.33%  does not hold",
            "switches_per_mib       -  0.3333        -  not observed   the baseline does not have it",
            &format!("{HARMLESS}: does not hold"),
        ],
        "{text}"
    );
}

#[test]
fn only_verdicts_and_headings_are_coloured() {
    let plain = text(&report(), false);
    assert!(!plain.contains('\x1b'));
    let coloured = text(&report(), true);
    assert!(coloured.starts_with("copies_per_byte <= 0.5: \x1b["));
    assert_eq!(coloured.lines().count(), plain.lines().count());
}

#[test]
fn numbers_that_differ_look_different() {
    let check = |value: f64, text: &str| {
        let fake = Fake::default().real("copies_per_byte", value);
        numbers(&Question::expect(text).unwrap().answer(&fake)).join(", ")
    };
    assert_eq!(check(0.500_001, "copies_per_byte <= 0.5"), "copies_per_byte = 0.500001");
    assert_eq!(check(1.0 / 3.0, "copies_per_byte <= 0.1"), "copies_per_byte = 0.3333");
    assert_eq!(check(12_345.678, "copies_per_byte <= 0.1"), "copies_per_byte = 12346");
    assert_eq!(check(0.000_012_346, "copies_per_byte > 1"), "copies_per_byte = 0.00001235");
    assert_eq!(check(0.0, "copies_per_byte > 1"), "copies_per_byte = 0");
    assert_eq!(shown(Number::from(u64::MAX), 4), "18446744073709551615");
}

/// The XML that came out, read by the other half of the same library, which checks the nesting.
#[test]
fn junit_is_well_formed_whatever_the_names_are() {
    let xml = junit(&report()).unwrap();
    let legal =
        |c: char| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(legal), "{xml:?}");
    let read = Report::deserialize_from_str(&xml).unwrap();
    let suite = &read.test_suites[0];
    let tally = (suite.tests, suite.failures, suite.errors);
    assert_eq!(tally, (6, 3, 2), "{xml}");
    let seen = suite.test_cases.iter().map(|case| {
        assert!(case.classname.as_ref().unwrap().as_str().starts_with("a\\u{1b}[31m\\u{a}"));
        let (kind, message) = match &case.status {
            TestCaseStatus::NonSuccess { kind, message, .. } => (Some(*kind), message.clone()),
            _ => (None, None),
        };
        (case.name.to_string(), kind, message.map(String::from).unwrap_or_default())
    });
    let escaped = HARMLESS.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    let (failure, error) = (Some(NonSuccessKind::Failure), Some(NonSuccessKind::Error));
    let seen: Vec<_> = seen.collect();
    let row = |name: &str, kind, message: String| (name.to_owned(), kind, message);
    assert_eq!(
        seen,
        [
            row("copies_per_byte <= 0.5", failure, format!("copies_per_byte = 2; to blame: {escaped}")),
            row("copied == 2kB", None, String::new()),
            row("syscalls < 1", error, format!("syscalls: {escaped}")),
            row("no-user-copy", failure, "(user_to_kernel + kernel_to_user) / moved = 0.3, moved = 1000, user_to_kernel = 0, kernel_to_user = 300".into()),
            row("copies_per_byte beside baseline", failure, "1.5 before, 2 now, +33.33%".into()),
            row("switches_per_mib beside baseline", error, "- before, 0.3333 now: the baseline does not have it".into()),
        ]
    );
}

#[test]
fn github_gets_an_annotation_for_each_check_that_does_not_hold() {
    let all = github(&report());
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(lines.len(), 5, "{all}");
    assert!(lines.iter().all(|line| line.starts_with("::error title=zc check::")), "{all}");
    assert!(!all.contains(['\r', '\x1b']), "{all:?}");
    assert!(
        lines[0].starts_with(
            "::error title=zc check::copies_per_byte <= 0.5: does not hold: copies_per_byte = 2; \
             to blame: a\\u{1b}[31m\\u{a}::error::x\\u{d}%250A,:<"
        ),
        "{all}"
    );
    assert!(lines[3].starts_with(
        "::error title=zc check::copies_per_byte beside baseline: does not hold: \
         1.5 before, 2 now, +33.33%25 (a\\u{1b}"
    ));
    let holds = CheckReport::new("cp".into(), vec![asked("moved > 0")], None, &fake());
    assert_eq!(github(&holds), "");
}

#[test]
fn the_lists_name_everything() {
    let table = quantities(false);
    assert!(table.contains("syscalls.NAME.copied") && table.lines().count() == 32, "{table}");
    assert!(claims(false).contains("zero-copy-receive"));
}
