//! `cargo xtask test`: checks, unit tests, and the integration tests in guests.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use zc_guest::RunSpec;

use crate::libtest::{self, Report};
use crate::progress::{self, Step};
use crate::setup::{self, Part};
use crate::vm::kernel::KernelSpec;
use crate::vm::payload::Transfer;
use crate::vm::{Guest, Run, Sinks, ZC_PATH};
use crate::{build, check, process};

/// For all tests on one kernel.
const DEADLINE: Duration = Duration::from_secs(1200);

/// The guest's memory, and QEMU's own on top of it.
const MEMORY_MIB: u32 = 1024;
const OVERHEAD_MIB: u64 = 512;

/// Where the test program lies in the guest.
const TESTS_PATH: &str = "/bin/zc-tests";

/// What `cargo xtask test` is asked for.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Kernels to run the integration tests on
    #[arg(long, value_delimiter = ',', default_values = setup::KERNELS, value_name = "VERSION,…", value_parser = KernelSpec::parser())]
    kernels: Vec<KernelSpec>,

    /// Do without guests: checks and unit tests only
    #[arg(long)]
    no_guest: bool,

    /// A filter, and options for the test runner
    #[arg(last = true, value_name = "FILTER|OPTIONS")]
    runner: Vec<OsString>,
}

/// `cargo xtask test`: zero if everything passed.
pub(crate) fn command(args: &TestArgs) -> Result<u8> {
    let mut stages = Stages::default();
    stages.run("set-up", || {
        let guests = if args.no_guest { &[][..] } else { &[Part::Guests] };
        setup::ensure(&[&[Part::Linking, Part::Bpf, Part::Lints], guests].concat())
    })?;
    stages.run("format and lints", check::command)?;
    let mut runs = vec![stages.run("unit tests", || unit_tests(&args.runner))?];
    if !args.no_guest {
        let tests = stages.run("building zc and its integration tests", build_tests)?;
        let guests: Vec<Guest> = stages.run("preparing guests", || {
            args.kernels.iter().map(|kernel| Guest::prepare(kernel, None, false)).collect()
        })?;
        runs.extend(
            stages
                .run("integration tests in guests", || run_guests(&guests, &tests, &args.runner))?,
        );
    }
    stages.print();
    close(&runs, args.runner.is_empty())
}

/// One run of tests: the reports in its output, and what went wrong apart from tests.
struct TestRun {
    name: String,
    reports: Vec<Report>,
    failure: Option<String>,
}

/// Ends with the test runners' own closing lines.
fn close(runs: &[TestRun], all: bool) -> Result<u8> {
    let mut problems = Vec::new();
    let mut ran = 0;
    for run in runs {
        let here: u64 = run.reports.iter().map(Report::ran).sum();
        ran += here;
        problems.extend(run.failure.iter().map(|why| format!("{}: {why}", run.name)));
        problems.extend(
            run.reports
                .iter()
                .filter_map(Report::problem)
                .map(|why| format!("{}: {why}", run.name)),
        );
        if all && here == 0 {
            problems.push(format!("{}: no test ran", run.name));
        }
    }
    if ran == 0 {
        problems.push("no test ran at all".to_owned());
    }
    for problem in &problems {
        progress::note(problem);
    }
    let lines: String = runs
        .iter()
        .flat_map(|run| &run.reports)
        .filter(|report| !report.is_empty())
        .map(|report| format!("{}\n", report.line))
        .collect();
    progress::output(lines.as_bytes()).context("cannot write the results")?;
    Ok(u8::from(!problems.is_empty()))
}

fn unit_tests(runner: &[OsString]) -> Result<TestRun> {
    let mut command = build::cargo()?;
    command.args(["test", "--workspace", "--exclude", "zc-ebpf", "--exclude", "zc-tests"]);
    command.arg("--no-fail-fast").arg("--").args(runner);
    let step = Step::new("running the unit tests");
    let finished = process::capture(&mut command, Some(&step))?;
    drop(step);
    let output = String::from_utf8_lossy(&finished.stdout).into_owned();
    let mut run = show("unit tests", &output)?;
    let failed = run.reports.iter().any(|report| report.problem().is_some());
    if !finished.status.success() && !failed {
        run.failure = Some(format!("cargo test failed:\n{}", process::tail(&finished.stderr)));
    }
    Ok(run)
}

/// Shows a run's output in one piece, without its closing lines.
fn show(name: &str, output: &str) -> Result<TestRun> {
    let (reports, shown) = libtest::split(output);
    let block = format!("\n{name}\n{}\n", shown.trim_end());
    progress::output(block.as_bytes()).context("cannot write the tests' output")?;
    Ok(TestRun { name: name.to_owned(), reports, failure: None })
}

/// The programs that run in the guests.
struct Programs {
    zc: PathBuf,
    tests: PathBuf,
}

fn build_tests() -> Result<Programs> {
    let zc = build::guest_program("zc", "zc")?;
    let mut command = build::cargo()?;
    command.args(["test", "--package", "zc-tests", "--no-run", "--release"]);
    let step = Step::new("building the integration tests");
    let mut found = build::executables(build::static_for_guest(&mut command), &step)?;
    found.retain(|program| program.target.kind.iter().any(|kind| kind == "test"));
    Ok(Programs { zc, tests: build::one(found, "the integration tests")? })
}

/// Side by side if memory allows, else one after another.
fn run_guests(guests: &[Guest], programs: &Programs, runner: &[OsString]) -> Result<Vec<TestRun>> {
    let count = u64::try_from(guests.len()).unwrap_or(u64::MAX);
    let needed = count.saturating_mul(u64::from(MEMORY_MIB) + OVERHEAD_MIB);
    let run_one = |guest: &Guest| run_tests(guest, programs, runner);
    if available_mib()? < needed {
        return guests.iter().map(run_one).collect();
    }
    thread::scope(|scope| {
        let running: Vec<_> =
            guests.iter().map(|guest| scope.spawn(move || run_one(guest))).collect();
        running
            .into_iter()
            .map(|run| run.join().map_err(|_| anyhow!("a guest's thread panicked"))?)
            .collect()
    })
}

fn run_tests(guest: &Guest, programs: &Programs, runner: &[OsString]) -> Result<TestRun> {
    let to = |host: &Path, guest: &str| Transfer { host: host.to_owned(), guest: guest.into() };
    let mut argv = vec![OsString::from(TESTS_PATH), "--test-threads=1".into()];
    argv.extend_from_slice(runner);
    let spec = RunSpec { argv, env: vec![format!("ZC={ZC_PATH}").into()], ..RunSpec::default() };
    let run = Run {
        spec,
        add: vec![to(&programs.zc, ZC_PATH), to(&programs.tests, TESTS_PATH)],
        memory_mib: MEMORY_MIB,
        deadline: Some(DEADLINE),
        ..Run::default()
    };
    let name = format!("integration tests on {}", guest.release());
    let step = Step::new(name.clone());
    let output = Arc::new(Mutex::new(Vec::new()));
    let result = guest.run(&run, &mut Sinks::into_one(&output));
    drop(step);
    let output = output.lock().map_err(|_| anyhow!("a guest's output is lost"))?;
    let mut tests = show(&name, &String::from_utf8_lossy(&output))?;
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

/// How long each stage took.
#[derive(Default)]
struct Stages(Vec<(&'static str, Duration)>);

impl Stages {
    fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = stage().with_context(|| format!("{name} failed"));
        self.0.push((name, start.elapsed()));
        if result.is_err() {
            self.print();
        }
        result
    }

    fn print(&self) {
        for (name, took) in &self.0 {
            progress::note(&format!("{:6.1} s  {name}", took.as_secs_f64()));
        }
    }
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
    fn a_run_without_tests_fails() {
        let run = TestRun { name: "x".into(), reports: Vec::new(), failure: None };
        assert_eq!(close(&[run], true).unwrap(), 1);
        let run = TestRun { name: "x".into(), reports: Vec::new(), failure: None };
        assert_eq!(close(&[run], false).unwrap(), 1);
    }
}
