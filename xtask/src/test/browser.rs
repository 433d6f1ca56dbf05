//! What a browser makes of the reports that tests in a guest left.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::programs::Programs;
use super::{TestRun, show};
use crate::libtest::Skip;
use crate::process;
use crate::progress::Step;
use crate::setup::NO_BROWSER;

/// What a run of them is called.
const NAME: &str = "reports in a browser";

/// The test program.
const PROGRAM: &str = "browser";

/// Looks at the reports in `pages` with `browser`, if there is one.
pub(super) fn run(programs: &Programs, browser: Option<&Path>, pages: &Path) -> Result<TestRun> {
    let Some(browser) = browser else {
        let skips = vec![Skip { test: "pages".to_owned(), reason: NO_BROWSER.to_owned() }];
        return Ok(TestRun {
            name: NAME.to_owned(),
            skips,
            may_skip_all: true,
            ..TestRun::default()
        });
    };
    let mut command = Command::new(programs.tests(PROGRAM)?);
    command.env("ZC_BROWSER", browser).env("ZC_REPORTS", pages);
    let step = Step::new(NAME);
    let finished = process::capture(&mut command, Some(&step))?;
    drop(step);
    let [stdout, stderr] =
        [&finished.stdout[..], finished.stderr.as_bytes()].map(String::from_utf8_lossy);
    let mut run = show(NAME, &format!("{stdout}{stderr}"))?;
    let failed = run.reports.iter().any(|report| report.problem().is_some());
    if run.reports.is_empty() || !finished.status.success() && !failed {
        run.failure = Some(format!("the test runner ended with {}", finished.status));
    }
    Ok(run)
}
