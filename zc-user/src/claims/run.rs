//! Measures what claims need, and decides them.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;

use super::{Assertion, Circumstances, Claim, Evidence, Need, Verdict, programs::Programs};
use crate::{
    lab::{self, Progress},
    network::NetworkError,
    report::text::one_line,
    result::{
        Origin, Tier,
        claims::{ClaimReport, ClaimsReport, PartReport},
    },
    transfer::{Style, known, payload::Payload, session::Running},
};

/// Name and version of the JSON format. The number grows when a key changes its meaning or goes.
const SCHEMA: &str = "zc.claims/1";

/// What to decide, and with what.
pub struct Options {
    /// In this order.
    pub claims: Vec<&'static Claim>,
    /// What the lab is asked for, but for the styles and the circumstances.
    pub lab: lab::Options,
    /// A folder on a file system that shares blocks between files, should the payload's not.
    pub sharing_dir: Option<PathBuf>,
}

/// Which styles to run in which circumstances, each once.
fn needed(claims: &[&'static Claim]) -> BTreeMap<Circumstances, Vec<&'static Style>> {
    let mut needed: BTreeMap<Circumstances, Vec<&'static Style>> = BTreeMap::new();
    for need in claims.iter().flat_map(|claim| claim.needs) {
        let Some(style) = known(need.style) else { continue };
        let styles = needed.entry(need.how).or_default();
        if !styles.iter().any(|known| known.name == style.name) {
            styles.push(style);
        }
    }
    needed
}

/// How many steps [`run`] reports.
pub fn steps(options: &Options) -> u64 {
    let parts: usize = options.claims.iter().map(|claim| claim.parts.len()).sum();
    let labs = needed(&options.claims)
        .into_iter()
        .map(|(how, styles)| lab::steps(&lab_options(options, how, styles)));
    labs.sum::<u64>() + parts as u64
}

fn lab_options(options: &Options, how: Circumstances, styles: Vec<&'static Style>) -> lab::Options {
    lab::Options { styles, ..how.options(&options.lab) }
}

/// Measures and decides.
///
/// # Errors
/// Those of [`lab::run`].
pub fn run(
    options: &Options,
    payload: &Payload,
    running: &Running,
    progress: &dyn Progress,
) -> Result<ClaimsReport> {
    let programs = Programs::new(payload.folder.clone(), running.clone());
    let mut evidence = Evidence::new(programs);
    let mut problems = Vec::new();
    for (how, styles) in needed(&options.claims) {
        let asked = lab_options(options, how, styles);
        let mut lacks = |why: &str| {
            let needs = asked.styles.iter().map(|style| Need { style: style.name, how });
            needs.for_each(|need| evidence.lacks(need, why));
        };
        let other =
            if how == Circumstances::Sharing { sharing(options, payload) } else { Ok(None) };
        let payload = match &other {
            Ok(other) => other.as_ref().unwrap_or(payload),
            Err(why) => {
                lacks(why);
                continue;
            }
        };
        let report = match lab::run(&asked, payload, running, progress) {
            Ok(report) => report,
            // A machine need not have what packets are to go over.
            Err(error) if error.is::<NetworkError>() => {
                lacks(&one_line(error.as_ref()));
                continue;
            }
            Err(error) => return Err(error),
        };
        problems.extend(report.completeness.problems.iter().cloned());
        evidence.add(how, report);
    }
    let decide = |claim: &&Claim| decide(claim, &evidence, progress);
    let claims = options.claims.iter().map(decide).collect();
    problems.extend(evidence.programs.problems());
    Ok(ClaimsReport {
        origin: Origin::here(SCHEMA, Tier::Sites),
        complete: problems.is_empty(),
        problems,
        size_bytes: payload.size,
        chunk_bytes: options.lab.chunk,
        claims,
    })
}

/// A payload on a file system that shares blocks, where this one's does not; or why there is none.
fn sharing(options: &Options, payload: &Payload) -> Result<Option<Payload>, String> {
    if payload.sharing().is_some() {
        return Ok(None);
    }
    let shares_none = |payload: &Payload, next: &str| {
        let folder = payload.folder.display();
        format!("the file system of {folder} shares no blocks between files{next}")
    };
    let Some(dir) = &options.sharing_dir else {
        return Err(shares_none(payload, ": give a folder on one that does to --sharing-dir"));
    };
    let other = lab::payload(&lab::Options { dir: Some(dir.clone()), ..options.lab.clone() })
        .map_err(|error| one_line(&error))?;
    if other.sharing().is_some() { Ok(Some(other)) } else { Err(shares_none(&other, "")) }
}

fn decide(claim: &Claim, evidence: &Evidence, progress: &dyn Progress) -> ClaimReport {
    let decided = |part: &Assertion| {
        progress.doing(&format!("claim {}", claim.id));
        let decided = decide_part(part, evidence);
        progress.step();
        decided
    };
    let parts: Vec<_> = claim.parts.iter().map(decided).collect();
    let verdict = parts.iter().map(|part| part.verdict).max();
    ClaimReport {
        id: claim.id,
        says: claim.says,
        who: claim.who,
        verdict: verdict.unwrap_or(Verdict::NotObservable),
        parts,
    }
}

fn decide_part(part: &Assertion, evidence: &Evidence) -> PartReport {
    let (verdict, facts, reason) = match (part.decide)(evidence) {
        Ok(decided) if decided.holds => (Verdict::Confirmed, decided.facts, None),
        Ok(decided) => (Verdict::Refuted, decided.facts, None),
        Err(why) => (Verdict::NotObservable, Vec::new(), Some(why.0)),
    };
    PartReport { says: part.says, verdict, facts, reason }
}
