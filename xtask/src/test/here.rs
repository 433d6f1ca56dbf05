//! The tests that need no guest: what zc says on the kernel that this machine runs. Where that lets
//! nothing be counted, or not by who runs the tests, they skip themselves.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use super::programs::Programs;
use super::{TestRun, on_this_machine};

/// What a run of them is called.
const NAME: &str = "tests on this machine's own kernel";

/// The test program.
const PROGRAM: &str = "here";

/// Runs the tests.
pub(super) fn run(programs: &Programs, runner: &[OsString]) -> Result<TestRun> {
    let mut command = Command::new(programs.tests(PROGRAM)?);
    // One after the other: a test forks, and its child has whatever the others have open.
    command.arg("--test-threads=1").args(runner).env("ZC", programs.zc());
    let run = on_this_machine(NAME, &mut command)?;
    Ok(TestRun { may_skip_all: true, ..run })
}
