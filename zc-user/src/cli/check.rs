//! `zc check`: whether what is expected of a process holds.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

use super::{
    Exit, Failure, Outcome,
    output::{OutputArgs, json},
    target::TargetArgs,
    trace::{Notice, failure, runtime},
};
use crate::{
    check::{
        Baseline, MaxRegression, Verdict,
        report::{Check, CheckReport, Question},
    },
    report::{self, output::Output},
    result::trace::{TraceReport, blame},
    trace,
};

/// Prove or refute what is expected of a process, with an exit status
///
/// Counts as `zc trace` does, and compares with expressions over documented quantities
/// (--list-quantities) or with named claims (--list-claims). docs/check.md says how to write them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What has to be true, as in 'copies_per_byte <= 1'; may be repeated
    #[arg(long, short, value_name = "EXPR", allow_hyphen_values = true)]
    expect: Vec<String>,
    /// A named claim that has to be true; may be repeated
    #[arg(long, value_name = "CLAIM")]
    claim: Vec<String>,
    /// Compare what a byte costs with an earlier report (zc trace --json, zc check --json)
    #[arg(long, value_name = "FILE", requires = "max_regression")]
    baseline: Option<PathBuf>,
    /// How much dearer than the baseline it may be, as in 5%
    #[arg(long, value_name = "PERCENT", requires = "baseline")]
    max_regression: Option<MaxRegression>,
    /// List the quantities and exit
    #[arg(long, exclusive = true)]
    list_quantities: bool,
    /// List the claims and exit
    #[arg(long, exclusive = true)]
    list_claims: bool,
    #[command(flatten)]
    target: TargetArgs,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    json: bool,
    /// Write JUnit's XML to this file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print annotations for GitHub's workflows, after the report
    #[arg(long, conflicts_with = "json")]
    github: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  sudo zc check --expect 'copies_per_byte <= 1' -- cp big copy
  sudo zc check --claim zero-copy-send -p 4711 --duration 10s
  sudo zc check --expect 'syscalls.sendfile.bytes / moved > 99%' -d 10s -p 4711
  sudo zc check --baseline before.json --max-regression 5% -- ./copy-it
  zc check --list-quantities

Exit status:
    0  everything holds
    1  something does not
    2  it could not be observed
   64  the command line is wrong, or there is no such target";

/// Counts and answers.
pub(super) fn main(args: &Args) -> Outcome {
    let list = match (args.list_quantities, args.list_claims) {
        (true, _) => Some(report::check::quantities(args.output.on_stdout())),
        (_, true) => Some(report::check::claims(args.output.on_stdout())),
        _ => None,
    };
    if let Some(list) = list {
        Output::Stdout.write(&list).map_err(Failure::unobserved)?;
        return Ok(Exit::Holds);
    }
    let questions = match questions(args)? {
        Ok(questions) => questions,
        Err(pointed) => {
            eprintln!("{pointed}");
            return Ok(Exit::Usage);
        }
    };
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose();
    let baseline = baseline.map_err(Failure::usage)?;
    let options = args.target.options()?;
    if !args.target.ends() {
        return Err(Failure::usage(anyhow!(
            "nothing would end this check: give a --duration, such as 10s"
        )));
    }
    let output = args.output.open()?;
    let junit = args.junit.as_ref().map(|path| Output::open(Some(path))).transpose();
    let junit = junit.map_err(Failure::usage)?;
    let outputs = [Some(&output), junit.as_ref()];
    let replaces_file = outputs.into_iter().flatten().any(Output::replaces_file);
    let options = trace::Options { replaces_file, ..options };
    let traced = runtime()?.block_on(async {
        let notice = Notice::new(!args.target.runs_command());
        trace::run(&options, || notice.armed(), |_| Ok(())).await
    });
    let traced = traced.map_err(failure)?;
    let report = answer(args, &questions, baseline.as_ref(), &traced.report);
    write(args, &report, output, junit)?;
    Ok(match report.verdict {
        Verdict::Holds => Exit::Holds,
        Verdict::Fails => Exit::Refuted,
        Verdict::NotObserved => Exit::Unobserved,
    })
}

/// What is asked; or what is wrong with an expression, with a caret below it.
fn questions(args: &Args) -> Result<Result<Vec<Question>, String>, Failure> {
    let mut questions = Vec::new();
    for text in &args.expect {
        match Question::expect(text) {
            Ok(question) => questions.push(question),
            Err(error) => return Ok(Err(error.pointed())),
        }
    }
    for name in &args.claim {
        questions.push(Question::claim(name).map_err(Failure::usage)?);
    }
    if questions.is_empty() && args.baseline.is_none() {
        return Err(Failure::usage(anyhow!(
            "nothing is asked: give --expect, --claim or --baseline (see zc check --help)"
        )));
    }
    Ok(Ok(questions))
}

fn answer(
    args: &Args,
    questions: &[Question],
    baseline: Option<&Baseline>,
    report: &TraceReport,
) -> CheckReport {
    let checks = questions.iter().map(|question| check(question, report)).collect();
    let least = report.at_least();
    let compared =
        baseline.zip(args.max_regression).map(|(baseline, limit)| baseline.compare(&least, limit));
    CheckReport::new(report.run.target.clone(), checks, compared, &least)
}

/// The answer that is the same whether bytes that passed no known site were copied or not; else there
/// is none.
fn check(question: &Question, report: &TraceReport) -> Check {
    let mut least = question.answer(&report.at_least());
    let most = question.answer(&report.at_most());
    if least.verdict != most.verdict {
        let unseen = &report.completeness.uncovered;
        let unseen: u64 =
            unseen.iter().map(|flow| flow.returned_bytes.abs_diff(flow.explained_bytes)).sum();
        least.verdict = Verdict::NotObserved;
        least.decisive.clear();
        least.reason = Some(format!(
            "{unseen} bytes passed no known site, and whether they were copied decides it"
        ));
    } else if least.verdict == Verdict::Fails {
        least.blame = blame(report);
    }
    least
}

fn write(
    args: &Args,
    report: &CheckReport,
    output: Output,
    junit: Option<Output>,
) -> Result<(), Failure> {
    let mut text =
        if args.json { json(report)? } else { report::check::text(report, args.output.coloured()) };
    if args.github {
        text.push_str(&report::check::github(report));
    }
    if let Some(junit) = junit {
        let xml = report::check::junit(report).map_err(Failure::unobserved)?;
        junit.write(&xml).context("cannot write --junit").map_err(Failure::unobserved)?;
    }
    output.write(&text).map_err(Failure::unobserved)
}
