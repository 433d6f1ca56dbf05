//! `zc lab`: runs the styles and reports.

use std::{path::PathBuf, time::Duration};

use anyhow::anyhow;
use clap::{ValueEnum, builder::PossibleValuesParser, value_parser};
use zc_common::Site;

use super::{
    Exit, Failure, Outcome,
    html::{HtmlArgs, HtmlFile},
    interruptible,
    output::{OutputArgs, json},
    progress::Bar,
    stacks::StackArgs,
};
use crate::{
    expect::{Guess, Verdict},
    lab::{self, Options, Progress},
    network::{self, NicOptions},
    probes::{attach::check_permission, catalogue::SITES},
    report::{
        self,
        output::Output,
        text::{finished, head, table},
    },
    result,
    transfer::{
        STYLES, Style, nearest,
        payload::{Payload, PayloadError},
        style,
        styles::in_textbooks,
    },
};

/// Run transfer styles and compare measured copies and switches with theory
///
/// Each style moves a file to a receiver in a process of its own, or to another file. The kernel counts
/// both sides apart; what an empty payload costs is taken off; the rest must equal the prediction
/// exactly.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Styles to run; by default the four that textbooks compare. `architectures`, alone, runs the
    /// textbook's three architectures from a cold page cache, which --path nic shows best
    #[arg(value_name = "STYLE", value_parser = parse_what)]
    what: Vec<What>,
    /// Run every style
    #[arg(long, conflicts_with = "what")]
    all: bool,
    /// List the styles and exit
    #[arg(long)]
    list: bool,
    /// Payload, in bytes or as 64K, 64M, 1G (binary) [default: 64M, or all of --file]
    #[arg(long, value_parser = parse_bytes, allow_negative_numbers = true)]
    size: Option<u64>,
    /// Bytes asked for in a system call
    #[arg(long, default_value = "64K", value_parser = parse_bytes, allow_negative_numbers = true)]
    chunk: u64,
    /// Measured runs of each style
    #[arg(long, default_value = "1", value_name = "TIMES", value_parser = value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Drop the payload, and nothing else, from the page cache before each run
    #[arg(long)]
    cold: bool,
    /// Send this file instead of one made for the purpose
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Make the payload in this folder, which must be on a disk
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    dir: Option<PathBuf>,
    /// What TCP and UDP go over: loopback, a pair of virtual devices, or two network cards joined by a
    /// cable; but for loopback each end is in a network namespace of its own
    #[arg(long, value_enum, default_value = "loopback")]
    path: network::Path,
    /// The two cards, if there are more that nobody uses
    #[arg(long, value_name = "SENDER,RECEIVER")]
    nics: Option<NicOptions>,
    /// Have the sender's device gather a packet from several places of memory (scatter-gather), or not
    #[arg(long, value_enum, value_name = "STATE")]
    gather: Option<Switch>,
    /// TCP port of the receiver [default: any free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Predict a number yourself, as in sendfile.sender.mode_switches=0; may be repeated
    #[arg(long, value_name = "STYLE.SIDE.QUANTITY=NUMBER")]
    predict: Vec<Guess>,
    /// Leave a site out, to see what cannot be told without it; may be repeated
    #[arg(long, value_name = "SITE", value_parser = PossibleValuesParser::new(SITES.iter().map(|row| row.program)))]
    disable_site: Vec<String>,
    /// Believe the probes without checking them with known transfers first
    #[arg(long)]
    no_calibrate: bool,
    /// Count again at the kernel's copy primitives, with hardware breakpoints, and compare; needs root
    #[arg(long)]
    audit: bool,
    #[command(flatten)]
    stacks: StackArgs,
    #[command(flatten)]
    html: HtmlArgs,
    /// Give up after so many seconds
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    timeout: u64,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A feature's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// Let it.
    On,
    /// Do not.
    Off,
}

const EXAMPLES: &str = "\
Examples:
  sudo zc lab                              the textbook's styles, 64 MiB in 64 KiB chunks
  sudo zc lab --all --size 1M              every style
  sudo zc lab sendfile splice --size 1G    two of them, more bytes
  sudo zc lab read-send --chunk 4K --cold  small reads from the disk
  sudo zc lab --file video.mp4 --json      your own file, for a program to read
  sudo zc lab --path nic --gather off      over two network cards, joined by a cable
  sudo zc lab architectures --path nic     the textbook's three ways to serve a file
  sudo zc lab --audit                      counted twice, by two methods
  sudo zc lab --flamegraph copies.svg      by which ways through the kernel
  sudo zc lab --all --html lab.html        a page with a picture of each style
  sudo zc lab sendfile --predict sendfile.sender.mode_switches=0
                                           is \"0 switches\" true?

Quantities to predict: user_to_kernel, kernel_to_user, kernel_to_kernel (bytes copied),
syscalls, mode_switches, page_faults.

Exit status:
    0  every line verified
    1  a line refuted
    2  a line not observed, or the result is incomplete
   64  the command line is wrong
  130  interrupted";

/// The largest chunk: system calls move at most 2 GiB less a page (`MAX_RW_COUNT`, linux/fs.h),
/// and both workers hold a chunk in memory.
const MAX_CHUNK: u64 = 1 << 30;

/// What can be run.
#[derive(Clone, Copy, Debug)]
enum What {
    /// A style.
    Style(&'static Style),
    /// The three architectures.
    Architectures,
}

fn parse_what(name: &str) -> Result<What, String> {
    if name == "architectures" {
        return Ok(What::Architectures);
    }
    style(name).map(What::Style).ok_or_else(|| {
        let known = STYLES.iter().map(|style| style.name).collect::<Vec<_>>().join(", ");
        match nearest(name) {
            Some(near) => format!("no such style; did you mean {near}? There are {known}"),
            None => format!("no such style; there are {known}"),
        }
    })
}

pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    parse_size::Config::new()
        .with_binary()
        .parse_size(text)
        .map_err(|error| format!("{error}; write a number of bytes, or 64K, 64M, 1G"))
}

impl What {
    fn style(&self) -> Option<&'static Style> {
        match self {
            Self::Style(style) => Some(style),
            Self::Architectures => None,
        }
    }
}

impl Args {
    fn architectures(&self) -> bool {
        self.what.iter().any(|what| matches!(what, What::Architectures))
    }

    fn options(&self) -> Result<Options, Failure> {
        if self.size == Some(0) {
            return Err(Failure::usage(anyhow!("--size 0 moves nothing: give at least 1 byte")));
        }
        if self.chunk == 0 || self.chunk > MAX_CHUNK {
            return Err(Failure::usage(anyhow!(
                "--chunk {} is not possible: give 1 byte to 1G",
                self.chunk
            )));
        }
        let chosen: Vec<_> = self.what.iter().filter_map(|what| what.style()).collect();
        if self.architectures() && self.what.len() > 1 {
            return Err(Failure::usage(anyhow!(
                "architectures runs alone: name it without any style"
            )));
        }
        if self.architectures() && (self.audit || self.stacks.wanted() || self.gather.is_some()) {
            return Err(Failure::usage(anyhow!(
                "architectures sets --gather itself, and has no --audit and no stacks: leave them out"
            )));
        }
        Ok(Options {
            styles: match (chosen.is_empty(), self.all) {
                (false, _) => chosen,
                (true, true) => STYLES.iter().collect(),
                (true, false) => in_textbooks().iter().collect(),
            },
            size: self.size,
            chunk: self.chunk,
            repeat: self.repeat,
            cold: self.cold,
            file: self.file.clone(),
            dir: self.dir.clone(),
            path: self.path,
            nics: self.nics.clone().unwrap_or_default(),
            gather: self.gather.map(|state| state == Switch::On),
            port: self.port,
            disabled: disabled(&self.disable_site),
            guesses: self.predict.clone(),
            calibrate: !self.no_calibrate,
            audit: self.audit,
            stacks: self.stacks.wanted(),
        })
    }
}

fn disabled(names: &[String]) -> Vec<Site> {
    SITES
        .iter()
        .filter(|row| names.iter().any(|name| name == row.program))
        .map(|row| row.site)
        .collect()
}

/// Runs the lab and prints its report.
pub(super) fn main(args: &Args) -> Outcome {
    if args.list {
        return list(args.output.on_stdout());
    }
    let options = args.options()?;
    let output = args.output.open()?;
    let stacks = args.stacks.open()?;
    let html = args.html.open()?;
    let limit = Duration::from_secs(args.timeout);
    if args.architectures() {
        return architectures(args, options, (output, html), limit);
    }
    let (report, interrupted) = interruptible::run(limit, move |running| {
        // Before the payload, which takes the longer.
        check_permission().map_err(Failure::unobserved)?;
        let bar = Bar::new(lab::steps(&options));
        let payload = payload(&options, &bar)?;
        lab::run(&options, &payload, running, &bar).map_err(Failure::unobserved)
    })?;
    let text =
        if args.json { json(&report)? } else { report::lab::text(&report, args.output.coloured()) };
    output.write(&text).map_err(Failure::unobserved)?;
    html.write(|command| report::html::lab(&report, command)).map_err(Failure::unobserved)?;
    let ways = result::stacks::all(&report.styles);
    stacks.write(&ways, "zc lab", &report.origin.kernel).map_err(Failure::unobserved)?;
    Ok(exit(report.verdict, report.complete, interrupted))
}

/// What a report amounts to.
fn exit(verdict: Verdict, complete: bool, interrupted: bool) -> Exit {
    match verdict {
        _ if interrupted => Exit::Interrupted,
        Verdict::Refuted => Exit::Refuted,
        Verdict::Verified if complete => Exit::Holds,
        _ => Exit::Unobserved,
    }
}

/// Runs the three architectures and prints them side by side.
fn architectures(
    args: &Args,
    options: Options,
    (output, html): (Output, HtmlFile),
    limit: Duration,
) -> Outcome {
    let (report, interrupted) = interruptible::run(limit, move |running| {
        check_permission().map_err(Failure::unobserved)?;
        let bar = Bar::new(lab::architectures_steps(&options));
        let payload = payload(&options, &bar)?;
        lab::architectures(&options, &payload, running, &bar).map_err(Failure::unobserved)
    })?;
    let text = if args.json {
        json(&report)?
    } else {
        report::architectures::text(&report, args.output.coloured())
    };
    output.write(&text).map_err(Failure::unobserved)?;
    let page = |command: &str| report::html::architectures(&report, command);
    html.write(page).map_err(Failure::unobserved)?;
    Ok(exit(report.verdict, report.complete, interrupted))
}

/// Makes or opens the payload, as a step of its own.
pub(super) fn payload(options: &Options, progress: &dyn Progress) -> Result<Payload, Failure> {
    progress.doing("making the payload");
    let payload = lab::payload(options).map_err(bad_payload)?;
    progress.step();
    Ok(payload)
}

/// A file that the user named is the command line's fault, a full disk is not.
fn bad_payload(error: PayloadError) -> Failure {
    match error {
        PayloadError::Make { .. } | PayloadError::Read(_) => Failure::unobserved(error),
        _ => Failure::usage(error),
    }
}

fn list(colour: bool) -> Outcome {
    let mut styles = table(colour);
    styles.set_header(["style", "from", "to", "how", "textbook", "which says"].map(head));
    for style in STYLES.iter() {
        styles.add_row([
            head(style.name),
            style.source.name().into(),
            style.link.name().into(),
            style.how.into(),
            style.textbook_name.into(),
            style.textbook.into(),
        ]);
    }
    Output::Stdout.write(&finished(&mut styles)).map_err(Failure::unobserved)?;
    Ok(Exit::Holds)
}
