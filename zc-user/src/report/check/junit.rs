//! `zc check` for CI systems that read JUnit's XML.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use thiserror::Error;

use super::{because, change, name};
use crate::{
    check::{Verdict, report::CheckReport},
    report::text::harmless,
};

/// The report could not be written as XML.
#[derive(Debug, Error)]
#[error("cannot write the report as JUnit XML: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The report as one test suite, each check a test case of it: a failure where it does not hold, an
/// error where it was not observed.
///
/// # Errors
/// When the XML writer fails, which it does for no text that is known.
pub fn junit(report: &CheckReport) -> Result<String, JunitError> {
    let target = legal(&report.target);
    let case = |name: String, verdict, said: String, about: String| {
        let mut case = TestCase::new(legal(&name), status(verdict, &said, &about));
        case.set_classname(target.as_str());
        case
    };
    let mut suite = TestSuite::new("zc check");
    for check in &report.checks {
        let about = check.meaning.map(|meaning| format!("{meaning}: ")).unwrap_or_default();
        let about = about + &check.expression;
        suite.add_test_case(case(name(check), check.verdict, because(check), about));
    }
    if let Some(baseline) = &report.baseline {
        for row in &baseline.rows {
            let name = format!("{} beside baseline", row.quantity);
            suite.add_test_case(case(name, row.verdict, change(row), baseline.file.clone()));
        }
    }
    let mut document = Report::new("zc check");
    document.add_test_suite(suite);
    Ok(document.to_string()?)
}

fn status(verdict: Verdict, said: &str, about: &str) -> TestCaseStatus {
    let kind = match verdict {
        Verdict::Holds => return TestCaseStatus::success(),
        Verdict::Fails => NonSuccessKind::Failure,
        Verdict::NotObserved => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(verdict.name())
        .set_message(legal(said))
        .set_description(legal(&format!("{about}: {verdict}: {said}")));
    status
}

/// Harmless text without the two characters that XML has no way to write and that the XML writer
/// lets through.
fn legal(text: &str) -> String {
    harmless(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
