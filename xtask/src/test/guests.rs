//! The integration tests in guests, as many side by side as the machine carries.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use zc_guest::RunSpec;

use super::boots::{Boot, Suite};
use super::programs::Programs;
use super::{TestRun, show};
use crate::libtest;
use crate::progress::Step;
use crate::vm::payload::Transfer;
use crate::vm::{GATHERING_CARDS, Guest, Run, Sinks, ZC_PATH};

/// For all tests on one kernel.
const DEADLINE: Duration = Duration::from_secs(1500);

/// The guest's memory, and QEMU's own on top of it.
const MEMORY_MIB: u32 = 1024;
const OVERHEAD_MIB: u64 = 512;

/// Where the test program lies in the guest.
const TESTS_PATH: &str = "/bin/zc-tests";

/// Where random tests find the seed that makes them repeat themselves; `proptest`'s name for it.
const SEED: &str = "PROPTEST_RNG_SEED";

/// A guest that is ready to start.
pub(super) struct Prepared {
    guest: Guest,
    /// As in [`Boot`].
    arguments: String,
    /// As in [`Boot`].
    only: Option<&'static str>,
    suite: Suite,
}

impl Prepared {
    /// Makes what `boot` needs ready.
    pub(super) fn new(boot: &Boot) -> Result<Self> {
        let guest = match boot.suite.packages() {
            Some(packages) => Guest::prepare_with(&boot.kernel, packages)?,
            None => Guest::prepare(&boot.kernel, None, false)?,
        };
        let Boot { arguments, only, suite, .. } = boot.clone();
        Ok(Self { guest, arguments, only, suite })
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
    let processors = guests.iter().map(|prepared| prepared.guest.processors()).max().unwrap_or(1);
    let lanes = lanes(
        thread::available_parallelism().map_or(1, NonZero::get),
        processors as usize,
        available_mib()?,
    );
    let queue = Mutex::new(guests.iter().enumerate());
    // In a statement of its own: the queue is free again while a guest runs.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let lane = || {
        let mut runs = Vec::new();
        while let Some((index, prepared)) = next() {
            runs.push((index, run_tests(prepared, programs, runner)?));
        }
        Ok(runs)
    };
    let mut runs = thread::scope(|scope| {
        let running: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let join = |lane: thread::ScopedJoinHandle<'_, Result<Vec<_>>>| {
            lane.join().map_err(|_| anyhow!("a guest's thread panicked"))?
        };
        running.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let mut runs: Vec<_> = runs.drain(..).flatten().collect();
    runs.sort_by_key(|(index, _)| *index);
    Ok(runs.into_iter().map(|(_, run)| run).collect())
}

/// How many guests run at once: five to two of our cores, if they have a processor each. Two thirds
/// of the time a guest waits, for the kernel to detach probes: it takes a grace period for each
/// (`ftrace_shutdown`, kernel/trace/ftrace.c).
fn lanes(cores: usize, processors: usize, available_mib: u64) -> usize {
    let by_memory = available_mib / (u64::from(MEMORY_MIB) + OVERHEAD_MIB);
    (cores * 5 / 2 / processors).min(usize::try_from(by_memory).unwrap_or(usize::MAX)).max(1)
}

fn run_tests(prepared: &Prepared, programs: &Programs, runner: &[OsString]) -> Result<TestRun> {
    let to = |host: &Path, guest: &str| Transfer { host: host.to_owned(), guest: guest.into() };
    let mut argv = vec![OsString::from(TESTS_PATH), "--test-threads=1".into()];
    argv.extend(prepared.only.map(OsString::from));
    argv.extend_from_slice(runner);
    let mut setting = vec![OsString::from(format!("ZC={ZC_PATH}"))];
    setting.extend(env::var(SEED).ok().map(|seed| format!("{SEED}={seed}").into()));
    let spec = RunSpec { argv, env: setting, ..RunSpec::default() };
    let run = Run {
        spec,
        add: vec![
            to(programs.zc(), ZC_PATH),
            to(programs.tests(prepared.suite.program())?, TESTS_PATH),
        ],
        memory_mib: MEMORY_MIB,
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
    let (claims, stderr) = libtest::claims(&stderr);
    let stdout = libtest::mark_skipped(&stdout, &skips);
    let mut tests = show(&prepared.name(), &format!("{stdout}{stderr}"))?;
    (tests.skips, tests.claims) = (skips, claims);
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

fn text(output: &Mutex<Vec<u8>>) -> String {
    let bytes = output.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn available_mib() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    match parse_available(&text) {
        Some(kib) => Ok(kib / 1024),
        None => bail!("/proc/meminfo does not say how much memory is available"),
    }
}

fn parse_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        let text = "MemTotal:  100 kB\nMemAvailable:   23421952 kB\n";
        assert_eq!(parse_available(text), Some(23_421_952));
        assert_eq!(parse_available(""), None);
    }

    #[test]
    fn guests_share_cores_and_memory() {
        assert_eq!(lanes(2, 1, 23_000), 5);
        assert_eq!(lanes(8, 2, 23_000), 10);
        assert_eq!(lanes(8, 1, 5_000), 3);
        assert_eq!(lanes(1, 2, 500), 1);
    }
}
