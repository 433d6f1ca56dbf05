//! `zc trace`: counts what processes do and reports it.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    mem,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use clap::value_parser;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Exit, Failure, Outcome,
    html::HtmlArgs,
    lab::parse_bytes,
    output::OutputArgs,
    stacks::StackArgs,
    target::{TargetArgs, parse_duration},
};
use crate::{
    report,
    result::trace::{Selection, SortKey, TraceReport},
    trace::{self, Options, TraceError, Traced, exit_code},
};

/// Count what any process does: bytes by system call and kind of file, copies, mode switches
///
/// Each line says how often the CPU copied the bytes that went one way, as in "sendfile: regular
/// file → TCP, 1.2 GiB, 0 copies per byte". The trace ends with its target, after --duration, or
/// with Ctrl-C, and then prints its report.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Report each thread of a process
    #[arg(long)]
    threads: bool,
    #[command(flatten)]
    stacks: StackArgs,
    #[command(flatten)]
    html: HtmlArgs,
    /// Report what came in each interval: 1s, 500ms
    #[arg(long, short, value_name = "TIME", value_parser = parse_duration)]
    interval: Option<Duration>,
    /// End after so many intervals
    #[arg(long, value_name = "N", requires = "interval", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// What rows are sorted by
    #[arg(long, value_enum, default_value_t, value_name = "KEY")]
    sort: SortKey,
    /// Only the first N flows and processes
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Only flows and processes of so many bytes or more, as 64K, 1M (binary)
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = parse_bytes, hide_default_value = true)]
    min_bytes: u64,
    /// Print JSON, and nothing else, on stdout
    #[arg(long, conflicts_with_all = ["json_lines", "csv"])]
    json: bool,
    /// Print a line of JSON for each interval, and one for the whole
    #[arg(long, conflicts_with = "csv")]
    json_lines: bool,
    /// Print the flows of each process as comma-separated values
    #[arg(long)]
    csv: bool,
    /// End with the command's exit status
    #[arg(long, requires = "command")]
    exit_status: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  sudo zc trace -- cp big copy               a command, run as you
  sudo zc trace -p 4711                      a running process, until Ctrl-C
  sudo zc trace -p 4711 --interval 1s        and what it does each second
  sudo zc trace --html cp.html -- cp big copy
                                             a page with a picture as well
  sudo zc trace --comm nginx --duration 10s  all processes of a name
  sudo zc trace --all --top 10 -d 5s --json  the whole machine

Exit status:
    0  counted, nothing was lost
    2  not observed, or incomplete
   64  the command line is wrong, or there is no such target
With --exit-status the command's own, 128 and the signal's number if one ended it.";

impl Args {
    fn options(&self) -> Result<Options, Failure> {
        let options = self.target.options()?;
        Ok(Options {
            threads: self.threads,
            stacks: self.stacks.wanted(),
            interval: self.interval,
            count: self.count,
            ..options
        })
    }

    fn selection(&self) -> Selection {
        Selection { sort: self.sort, top: self.top, min_bytes: self.min_bytes }
    }

    /// One interval, in the form that was asked for; the `first` has the head of a table.
    fn interval(&self, report: &TraceReport, first: bool) -> Result<String> {
        if self.json_lines {
            return Ok(format!("{}\n", serde_json::to_string(report)?));
        }
        if self.csv {
            return report::trace::csv(report, first);
        }
        Ok(report::trace::interval(report))
    }

    /// The whole, likewise.
    fn whole(&self, report: &TraceReport, first: bool) -> Result<String> {
        if self.json {
            return Ok(format!("{}\n", serde_json::to_string_pretty(report)?));
        }
        if self.json_lines {
            return Ok(format!("{}\n", serde_json::to_string(report)?));
        }
        if self.csv {
            return report::trace::csv(report, first);
        }
        Ok(report::trace::text(report, self.output.coloured()))
    }
}

/// Counts and prints the report.
pub(super) fn main(args: &Args) -> Outcome {
    let output = args.output.open()?;
    let files = args.stacks.open()?;
    let html = args.html.open()?;
    let replaces_file = output.replaces_file() || files.replace_files() || html.replaces_file();
    let options = Options { replaces_file, ..args.options()? };
    let runtime = runtime()?;
    let selection = args.selection();
    let mut lines = Lines::new(args);
    let mut first = true;
    let traced = runtime.block_on(async {
        let notice = Notice::new(!args.target.runs_command() && args.interval.is_none());
        let traced = trace::run(
            &options,
            || notice.armed(),
            |mut report| {
                selection.apply(&mut report);
                lines.show(&args.interval(&report, mem::take(&mut first))?)
            },
        );
        traced.await
    });
    let Traced { mut report, status, engine: _attached } = traced.map_err(failure)?;
    selection.apply(&mut report);
    let whole = args.whole(&report, first).map_err(Failure::unobserved)?;
    let text = format!("{}{whole}", lines.kept());
    output.write(&text).map_err(Failure::unobserved)?;
    html.write(|command| report::html::trace(&report, command)).map_err(Failure::unobserved)?;
    match &report.stacks {
        Some(stacks) => {
            files
                .write(&stacks.tree, "zc trace", &report.origin.kernel)
                .map_err(Failure::unobserved)?;
        }
        None if files.is_any() => {
            return Err(Failure::unobserved(anyhow!(
                "no copies were observed (see the report), so there is nothing to write to --folded or --flamegraph"
            )));
        }
        None => {}
    }
    Ok(match (status, report.complete) {
        (Some(status), _) if args.exit_status => Exit::Command(exit_code(status)),
        (_, true) => Exit::Holds,
        (_, false) => Exit::Unobserved,
    })
}

/// The runtime that waits for signals and targets.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(Failure::unobserved)
}

/// Why there is no trace, and with which status.
pub(super) fn failure(error: TraceError) -> Failure {
    match error {
        TraceError::Target(error) => Failure::usage(error),
        TraceError::Unobserved(error) => Failure::unobserved(error),
    }
}

/// Says on stderr that counting has begun, and on a terminal for how long.
pub(super) struct Notice(Option<ProgressBar>);

impl Notice {
    /// Silent where a command has the terminal, or intervals show that it goes on.
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(ProgressBar::no_length))
    }

    /// Counting has begun.
    pub(super) fn armed(&self) {
        let Some(bar) = &self.0 else { return };
        if !stderr().is_terminal() {
            eprintln!("zc: tracing; Ctrl-C ends it");
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} tracing {elapsed}; {msg}") {
            bar.set_style(style);
        }
        bar.set_message("Ctrl-C ends it");
        bar.enable_steady_tick(Duration::from_millis(200));
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Where intervals go: to stdout as they come; on a terminal the text in the place of the one
/// before; with --output into the file, which is written at the end.
struct Lines {
    keep: Option<String>,
    redraw: bool,
    shown: usize,
}

impl Lines {
    fn new(args: &Args) -> Self {
        let text = !args.json && !args.json_lines && !args.csv;
        Self {
            keep: args.output.is_file().then(String::new),
            redraw: text && stdout().is_terminal() && !args.target.runs_command(),
            shown: 0,
        }
    }

    fn show(&mut self, text: &str) -> Result<()> {
        if let Some(kept) = &mut self.keep {
            kept.push_str(text);
            return Ok(());
        }
        let mut out = stdout().lock();
        if self.redraw && self.shown > 0 {
            // Up to the first line of the last one, and clear from there on.
            write!(out, "\x1b[{}F\x1b[J", self.shown)?;
        }
        self.shown = text.lines().count();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
    }

    /// What has to stand before the whole.
    fn kept(&self) -> &str {
        self.keep.as_deref().unwrap_or_default()
    }
}
