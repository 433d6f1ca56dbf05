//! `zc claims`: decides public claims about copies on this machine.

use std::{path::PathBuf, time::Duration};

use super::{
    Exit, Failure, Outcome,
    html::HtmlArgs,
    interruptible,
    lab::payload,
    output::{OutputArgs, json},
    progress::Bar,
};
use crate::{
    claims::{self, CHUNK, CLAIMS, Claim, SIZE, Verdict, claim},
    lab,
    probes::attach::check_permission,
    report::{
        self,
        output::Output,
        text::{finished, head, table},
    },
    result::claims::ClaimsReport,
};

/// Decide public claims about copies by measuring them on this machine
///
/// Each claim is confirmed or refuted by the kernel's own counters, in transfers that zc makes, or told
/// to be not observable here and why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Claims to decide, by their names in --list; all by default
    #[arg(value_name = "CLAIM", value_parser = parse_claim)]
    claims: Vec<&'static Claim>,
    /// List the claims and exit
    #[arg(long)]
    list: bool,
    /// Make the payload in this folder, which must be on a disk
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// A folder on a file system that shares blocks between files (btrfs, xfs), for claims about that
    #[arg(long, value_name = "PATH")]
    sharing_dir: Option<PathBuf>,
    /// Print JSON, documented in docs/claims-json.md
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    html: HtmlArgs,
    /// End after so many seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

const EXAMPLES: &str = "\
Examples:
  sudo zc claims              every claim that this machine can decide
  sudo zc claims 6 9          is vmsplice without a copy, is tee?
  sudo zc claims T8 --json    what the textbook says of read and send
  sudo zc claims --html c.html  a page with a picture of each transfer
  zc claims --list            what is claimed, and by whom

Exit status:
    0  every claim that was named is confirmed; without names: the survey is done
    1  a claim that was named is refuted
    2  a claim that was named is not observable here, or counts were lost
   64  the command line is wrong
  130  interrupted";

fn parse_claim(id: &str) -> Result<&'static Claim, String> {
    claim(id).ok_or_else(|| {
        let known = CLAIMS.iter().map(|claim| claim.id).collect::<Vec<_>>().join(", ");
        format!("no such claim; there are {known} (see zc claims --list)")
    })
}

/// Decides and prints.
pub(super) fn main(args: &Args) -> Outcome {
    if args.list {
        return list(args.output.on_stdout());
    }
    let output = args.output.open()?;
    let html = args.html.open()?;
    let claims: Vec<_> =
        if args.claims.is_empty() { CLAIMS.iter().collect() } else { args.claims.clone() };
    let lab = lab::Options {
        size: Some(SIZE),
        chunk: CHUNK,
        dir: args.dir.clone(),
        ..lab::Options::default()
    };
    let options = claims::Options { claims, lab, sharing_dir: args.sharing_dir.clone() };
    let limit = Duration::from_secs(args.timeout);
    let (report, interrupted) = interruptible::run(limit, move |running| {
        check_permission().map_err(Failure::unobserved)?;
        let bar = Bar::new(claims::steps(&options));
        let payload = payload(&options.lab, &bar)?;
        claims::run(&options, &payload, running, &bar).map_err(Failure::unobserved)
    })?;
    let text = if args.json {
        json(&report)?
    } else {
        report::claims::text(&report, args.output.coloured())
    };
    output.write(&text).map_err(Failure::unobserved)?;
    let page = |command: &str| report::html::claims(&report, command);
    html.write(page).map_err(Failure::unobserved)?;
    Ok(if interrupted { Exit::Interrupted } else { exit(&report, !args.claims.is_empty()) })
}

/// Claims that were `named` have to hold; a survey has to be whole.
fn exit(report: &ClaimsReport, named: bool) -> Exit {
    let worst = report.claims.iter().map(|claim| claim.verdict).max();
    match worst {
        _ if !named && report.complete => Exit::Holds,
        _ if !named => Exit::Unobserved,
        Some(Verdict::Confirmed) => Exit::Holds,
        Some(Verdict::Refuted) => Exit::Refuted,
        Some(Verdict::NotObservable) | None => Exit::Unobserved,
    }
}

fn list(colour: bool) -> Outcome {
    let mut claims = table(colour);
    claims.set_header(["claim", "says", "who says so"].map(head));
    for claim in CLAIMS {
        claims.add_row([head(claim.id), claim.says.into(), claim.who.into()]);
    }
    Output::Stdout.write(&finished(&mut claims)).map_err(Failure::unobserved)?;
    Ok(Exit::Holds)
}
