//! What a browser makes of the reports that tests in a guest left.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::programs::Programs;
use super::{TestRun, on_this_machine};
use crate::libtest::Skip;
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
    on_this_machine(NAME, &mut command)
}
