//! The tests that need no guest: what zc says on the kernel that this machine runs. Where that lets
//! nothing be counted, or not by who runs the tests, they skip themselves.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use super::programs::Programs;
use super::{TestRun, show};
use crate::libtest;
use crate::process;
use crate::progress::Step;

/// What a run of them is called.
const NAME: &str = "tests on this machine's own kernel";

/// The test program.
const PROGRAM: &str = "here";

/// Runs the tests.
pub(super) fn run(programs: &Programs, runner: &[OsString]) -> Result<TestRun> {
    let mut command = Command::new(programs.tests(PROGRAM)?);
    // One after the other: a test forks, and its child has whatever the others have open.
    command.arg("--test-threads=1").args(runner).env("ZC", programs.zc());
    let step = Step::new(NAME);
    let finished = process::capture(&mut command, Some(&step))?;
    drop(step);
    let (skips, stderr) = libtest::skips(&finished.stderr);
    let stdout = String::from_utf8_lossy(&finished.stdout);
    let stdout = libtest::mark_skipped(&stdout, &skips);
    let mut run = show(NAME, &format!("{stdout}{stderr}"))?;
    (run.skips, run.may_skip_all) = (skips, true);
    let failed = run.reports.iter().any(|report| report.problem().is_some());
    if run.reports.is_empty() || !finished.status.success() && !failed {
        run.failure = Some(format!("the test runner ended with {}", finished.status));
    }
    Ok(run)
}
