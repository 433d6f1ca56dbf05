//! `cargo xtask bench`: what being observed costs, counted in instructions.

mod report;
mod targets;
mod view;

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use zc_guest::RunSpec;
use zc_guest::bench::Record;

use self::report::Report;
use crate::progress::{self, Step};
use crate::setup::{self, Part};
use crate::vm::kernel::{self, KernelSpec};
use crate::vm::packages;
use crate::vm::payload::Transfer;
use crate::vm::{Guest, Run, Sinks, ZC_PATH};
use crate::{build, process};

/// bpftrace compiles with LLVM, which takes its time under emulation.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Where the benchmark lies in the guest.
const BENCH_PATH: &str = "/bin/zc-bench";

/// What `cargo xtask bench` is asked for.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Kernel: 5.10, 6.1, 6.12, 7.3 (from Debian), or the path of a vmlinuz
    #[arg(long, value_name = "VERSION|PATH", default_value = kernel::DEFAULT, value_parser = KernelSpec::parser())]
    kernel: KernelSpec,

    /// Leave bpftrace, perf and strace out, which take most of the time
    #[arg(long)]
    own: bool,

    /// Rows for a program to read, instead of tables
    #[arg(long)]
    json: bool,

    /// Write the rows to FILE.json and the tables to FILE.md too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit status 1 unless every target holds
    #[arg(long, conflicts_with = "own")]
    check: bool,
}

/// `cargo xtask bench`: zero unless it could not be measured, or a target does not hold and that
/// was asked for.
pub(crate) fn command(args: &BenchArgs) -> Result<u8> {
    setup::ensure(&[Part::Linking, Part::Bpf, Part::Guests])?;
    // Before it is built: the checkout may change while it is measured.
    let commit = commit();
    let zc = build::static_program("zc", "zc")?;
    let bench = build_bench()?;
    let guest = Guest::prepare_with(&args.kernel, &packages::BENCH)?.counted();
    progress::note(&guest.describe());
    let records = measure(&guest, &zc, &bench, args.own)?;
    let report = Report::new(&guest, &records, date(), commit)?;
    let json = serde_json::to_string_pretty(&report).context("cannot write the report")? + "\n";
    if let Some(path) = &args.output {
        for (extension, text) in [("json", &json), ("md", &view::markdown(&report))] {
            let path = path.with_added_extension(extension);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    let text = if args.json { json } else { view::text(&report) };
    progress::output(text.as_bytes()).context("cannot write the report")?;
    let missed = report.targets.iter().any(|target| target.holds != Some(true));
    Ok(u8::from(args.check && missed))
}

fn build_bench() -> Result<PathBuf> {
    let mut command = build::cargo()?;
    command.args(["build", "--release", "--package", "zc-tests", "--bench", "cost"]);
    let step = Step::new("building the benchmark for the guest");
    let mut found = build::executables(build::as_static(&mut command), &step)?;
    found.retain(|program| program.target.kind.iter().any(|kind| kind == "bench"));
    build::one(found, "the benchmark")
}

fn measure(guest: &Guest, zc: &Path, bench: &Path, own: bool) -> Result<Vec<Record>> {
    let to = |host: &Path, guest: &str| Transfer { host: host.to_owned(), guest: guest.into() };
    let mut argv: Vec<OsString> = [BENCH_PATH, "run"].map(OsString::from).into();
    argv.extend(own.then(|| "--own".into()));
    let run = Run {
        spec: RunSpec { argv, env: vec![format!("ZC={ZC_PATH}").into()], ..RunSpec::default() },
        add: vec![to(zc, ZC_PATH), to(bench, BENCH_PATH)],
        deadline: Some(DEADLINE),
        ..Run::default()
    };
    let [stdout, stderr] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
    let mut sinks = Sinks::collecting(&stdout, &stderr);
    sinks.stderr = Box::new(Shown::new(sinks.stderr));
    let status = guest.run(&run, &mut sinks)?;
    drop(sinks);
    let text = |output: &Mutex<Vec<u8>>| {
        let bytes = output.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if status != 0 {
        bail!("the benchmark failed in the guest:\n{}", process::tail(&text(&stderr)));
    }
    let read =
        |line: &str| serde_json::from_str(line).with_context(|| format!("the guest said {line:?}"));
    text(&stdout).lines().map(read).collect()
}

/// What the guest is at: `tool: step` lines. Without a terminal, only each tool's first.
struct Shown {
    step: Step,
    copy: Box<dyn Write>,
    line: Vec<u8>,
    tool: String,
}

impl Shown {
    fn new(copy: Box<dyn Write>) -> Self {
        let step = Step::new("measuring");
        Self { step, copy, line: Vec::new(), tool: String::new() }
    }

    fn show(&mut self, line: &str) {
        self.step.detail(line);
        let (tool, _) = line.split_once(": ").unwrap_or((line, ""));
        if tool != self.tool && !io::stderr().is_terminal() {
            progress::note(&format!("measuring: {tool}"));
        }
        self.tool = tool.to_owned();
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.show(&String::from_utf8_lossy(&line));
            } else {
                self.line.push(byte);
            }
        }
        self.copy.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.copy.flush()
    }
}

/// Today, as `YYYY-MM-DD` in UTC.
fn date() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// The commit that is measured, if this is a checkout; marked when there are changes to it.
fn commit() -> Option<String> {
    let mut command = Command::new("git");
    command.args(["describe", "--always", "--dirty", "--exclude=*"]);
    command.current_dir(build::workspace().ok()?);
    let finished = process::capture(&mut command, None).ok()?;
    let commit = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
    (finished.status.success() && !commit.is_empty()).then_some(commit)
}
