//! The integration tests in guests, as many side by side as the machine carries.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use zc_guest::{PAGES_DIR, RunSpec};

use super::boots::{Boot, Suite};
use super::programs::Programs;
use super::{TestRun, show};
use crate::libtest;
use crate::progress::Step;
use crate::vm::lanes::{CROWDED, side_by_side};
use crate::vm::output::text;
use crate::vm::payload::Transfer;
use crate::vm::{GATHERING_CARDS, Guest, Run, Sinks, ZC_PATH};

/// For all tests on one kernel.
const DEADLINE: Duration = Duration::from_secs(1500);

/// Where the test program lies in the guest.
const TESTS_PATH: &str = "/bin/zc-tests";

/// Where random tests find the seed that makes them repeat themselves; `proptest`'s name for it.
const SEED: &str = "PROPTEST_RNG_SEED";

/// The tests that leave reports for a browser.
const PAGES: &str = "pages::";

/// A guest that is ready to start.
pub(super) struct Prepared {
    guest: Guest,
    /// As in [`Boot`].
    arguments: String,
    /// As [`Boot::selection`] has it.
    selection: Vec<&'static str>,
    suite: Suite,
}

impl Prepared {
    /// Makes what `boot` needs ready.
    pub(super) fn new(boot: &Boot) -> Result<Self> {
        let guest = match boot.suite.packages() {
            Some(packages) => Guest::prepare_with(&boot.kernel, packages)?,
            None => Guest::prepare(&boot.kernel, None, false)?,
        };
        let Boot { arguments, suite, .. } = boot.clone();
        Ok(Self { guest, arguments, selection: boot.selection(), suite })
    }

    fn name(&self) -> String {
        let title = self.suite.title();
        let name = format!("{title} on {} {}", self.guest.release(), self.arguments);
        name.trim_end().to_owned()
    }
}

/// Runs the tests in each guest; the runs are in the guests' order.
pub(super) fn run_all(
    guests: &[Prepared],
    programs: &Programs,
    runner: &[OsString],
) -> Result<Vec<TestRun>> {
    let processors = guests.iter().map(|prepared| prepared.guest.processors()).max();
    let run = |prepared: &Prepared| run_tests(prepared, programs, runner);
    side_by_side(guests, processors.unwrap_or(1), CROWDED, run)
}

fn run_tests(prepared: &Prepared, programs: &Programs, runner: &[OsString]) -> Result<TestRun> {
    let to = |host: &Path, guest: &str| Transfer { host: host.to_owned(), guest: guest.into() };
    let mut argv = vec![OsString::from(TESTS_PATH), "--test-threads=1".into()];
    if runner.is_empty() {
        argv.extend(prepared.selection.iter().map(OsString::from));
    }
    argv.extend_from_slice(runner);
    let mut setting = vec![OsString::from(format!("ZC={ZC_PATH}"))];
    setting.extend(env::var(SEED).ok().map(|seed| format!("{SEED}={seed}").into()));
    // Whatever else was asked for: a filter that has those tests has the browser too.
    let leaves_pages = argv.iter().zip(&argv[1..]).any(|(before, word)| {
        word.as_encoded_bytes().starts_with(PAGES.as_bytes()) && before != "--skip"
    });
    let pages = leaves_pages.then(TempDir::new).transpose().context("no temporary folder")?;
    let from_guest = |pages: &TempDir| to(pages.path(), PAGES_DIR);
    let spec = RunSpec { argv, env: setting, ..RunSpec::default() };
    let run = Run {
        spec,
        get: pages.iter().map(from_guest).collect(),
        add: vec![
            to(programs.zc(), ZC_PATH),
            to(programs.tests(prepared.suite.program())?, TESTS_PATH),
        ],
        nics: Some(GATHERING_CARDS.to_owned()),
        append: prepared.arguments.clone(),
        deadline: Some(DEADLINE),
        ..Run::default()
    };
    let step = Step::new(prepared.name());
    let [stdout, stderr] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
    let result = prepared.guest.run(&run, &mut Sinks::collecting(&stdout, &stderr));
    drop(step);
    let [stdout, stderr] = [stdout, stderr].map(|output| text(&output));
    let (skips, stderr) = libtest::skips(&stderr);
    let stdout = libtest::mark_skipped(&stdout, &skips);
    let mut tests = show(&prepared.name(), &format!("{stdout}{stderr}"))?;
    tests.skips = skips;
    tests.pages = pages.filter(|_| result.is_ok());
    tests.failure = match result {
        Err(error) => Some(format!("{error:#}")),
        Ok(_) if tests.reports.is_empty() => Some("the test runner did not finish".to_owned()),
        Ok(0) => None,
        Ok(status) if tests.reports.iter().all(|report| report.problem().is_none()) => {
            Some(format!("the test runner exited with {status}"))
        }
        Ok(_) => None,
    };
    Ok(tests)
}
