//! `cargo xtask test`: checks, unit tests, and the integration tests on this machine's kernel and in guests.

mod boots;
mod browser;
mod guests;
mod here;
mod programs;

use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use tempfile::TempDir;

use self::boots::{ALL, Choice};
use self::guests::Prepared;
use self::programs::Programs;
use crate::libtest::{self, Report, Skip};
use crate::progress::{self, Step};
use crate::setup::{self, Part};
use crate::{build, check, process};

/// What `cargo xtask test` is asked for.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Kernels to run the integration tests on: versions or paths, each with arguments for its
    /// command line if need be (6.12+preempt=full); all: every one that zc is made for, that one,
    /// and without a filter one boot more for a test that needs a machine of its own. 6.12 is three
    /// boots, one more for what is the same on every kernel and one for real programs (programs::)
    #[arg(long, value_delimiter = ',', default_value = ALL, value_name = "KERNEL[+ARGUMENT],…", value_parser = Choice::parser())]
    kernels: Vec<Choice>,

    /// Do without guests: checks, unit tests, and the tests on this machine's own kernel
    #[arg(long)]
    no_guest: bool,

    /// A filter, and options for the test runner
    #[arg(last = true, value_name = "FILTER|OPTIONS")]
    runner: Vec<OsString>,
}

/// `cargo xtask test`: zero if everything passed.
pub(crate) fn command(args: &TestArgs) -> Result<u8> {
    let mut stages = Stages::default();
    let browser = stages.run("set-up", || {
        let guests = if args.no_guest { &[][..] } else { &[Part::Guests] };
        setup::ensure(&[&[Part::Linking, Part::Bpf, Part::Lints], guests].concat())?;
        if args.no_guest { Ok(None) } else { setup::browser::ensure() }
    })?;
    stages.run("format and lints", check::command)?;
    let mut runs = vec![stages.run("unit tests", || unit_tests(&args.runner))?];
    let programs = stages.run("building zc and its integration tests", Programs::build)?;
    let here = || here::run(&programs, &args.runner);
    runs.push(stages.run("tests on this machine's own kernel", here)?);
    if !args.no_guest {
        let guests: Vec<Prepared> = stages.run("preparing guests", || {
            let boots = args.kernels.iter().flat_map(|Choice(boots)| boots);
            boots::wanted(boots, &args.runner).into_iter().map(Prepared::new).collect()
        })?;
        runs.extend(stages.run("integration tests in guests", || {
            guests::run_all(&guests, &programs, &args.runner)
        })?);
        let pages: Vec<TempDir> = runs.iter_mut().filter_map(|run| run.pages.take()).collect();
        let look =
            || pages.iter().map(|pages| browser::run(&programs, browser.as_deref(), pages.path()));
        runs.extend(stages.run("reports in a browser", || look().collect::<Result<Vec<_>>>())?);
    }
    stages.print();
    close(&runs, args.runner.is_empty())
}

/// One run of tests: the reports in its output, the tests that skipped themselves, and what went wrong
/// apart from tests.
#[derive(Default)]
struct TestRun {
    name: String,
    reports: Vec<Report>,
    skips: Vec<Skip>,
    failure: Option<String>,
    /// Reports that its tests left for a browser.
    pages: Option<TempDir>,
    /// Whether each of its tests may skip itself, as where the machine's owner does not let it trace.
    may_skip_all: bool,
}

/// What is wrong with these runs, where `all` tests were asked for or some.
fn problems(runs: &[TestRun], all: bool) -> Vec<String> {
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
        let all_skipped = run.may_skip_all && !run.skips.is_empty();
        if all && here == 0 && !all_skipped {
            problems.push(format!("{}: no test ran", run.name));
        }
    }
    if ran == 0 {
        problems.push("no test ran at all".to_owned());
    }
    problems
}

/// Ends with the tests that skipped themselves and the test runners' own closing lines.
fn close(runs: &[TestRun], all: bool) -> Result<u8> {
    let problems = problems(runs, all);
    for problem in &problems {
        progress::note(problem);
    }
    let skips = runs.iter().flat_map(|run| {
        let skip =
            |Skip { test, reason }: &Skip| format!("skipped: {}, {test}: {reason}\n", run.name);
        run.skips.iter().map(skip)
    });
    let results = runs
        .iter()
        .flat_map(|run| &run.reports)
        .filter(|report| !report.is_empty())
        .map(|report| format!("{}\n", report.line));
    let lines: String = skips.chain(results).collect();
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

/// Runs a test program on this machine.
fn on_this_machine(name: &str, command: &mut Command) -> Result<TestRun> {
    let step = Step::new(name);
    let finished = process::capture(command, Some(&step))?;
    drop(step);
    let (skips, stderr) = libtest::skips(&finished.stderr);
    let stdout = String::from_utf8_lossy(&finished.stdout);
    let stdout = libtest::mark_skipped(&stdout, &skips);
    let mut run = show(name, &format!("{stdout}{stderr}"))?;
    run.skips = skips;
    let failed = run.reports.iter().any(|report| report.problem().is_some());
    if run.reports.is_empty() || !finished.status.success() && !failed {
        run.failure = Some(format!("the test runner ended with {}", finished.status));
    }
    Ok(run)
}

/// Shows a run's output in one piece, without its closing lines.
fn show(name: &str, output: &str) -> Result<TestRun> {
    let (reports, shown) = libtest::split(output);
    let block = format!("\n{name}\n{}\n", shown.trim_end());
    progress::output(block.as_bytes()).context("cannot write the tests' output")?;
    Ok(TestRun { name: name.to_owned(), reports, ..TestRun::default() })
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
    fn a_run_without_tests_fails() {
        let run = TestRun { name: "x".into(), ..TestRun::default() };
        let none = ["x: no test ran", "no test ran at all"];
        assert_eq!(problems(std::slice::from_ref(&run), true), none);
        assert_eq!(problems(&[run], false), none[1..]);
    }

    #[test]
    fn only_a_run_on_this_machine_may_skip_all_its_tests() {
        let run = |passed: u64, may_skip_all| {
            let output = format!(
                "running 1 test\ntest result: ok. {passed} passed; 0 failed; {} ignored;\n",
                1 - passed
            );
            let (reports, _) = libtest::split(&output);
            let skip = Skip { test: "a".into(), reason: "b".into() };
            let skips = if passed == 0 { vec![skip] } else { Vec::new() };
            TestRun { name: "x".into(), reports, skips, may_skip_all, ..TestRun::default() }
        };
        assert_eq!(problems(&[run(1, false), run(0, true)], true), [""; 0]);
        assert_eq!(problems(&[run(1, false), run(0, false)], true), ["x: no test ran"]);
        let silent = TestRun { skips: Vec::new(), ..run(0, true) };
        assert_eq!(problems(&[run(1, false), silent], true), ["x: no test ran"]);
    }
}
