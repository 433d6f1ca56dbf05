//! Measures what claims need, and decides them.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::Result;

use super::{
    Assertion, Claim, Evidence, Need, Verdict,
    gather::{self, Gather},
    programs::Programs,
};
use crate::{
    lab::{self, Progress},
    result::{
        Origin, Tier,
        claims::{ClaimReport, ClaimsReport, PartReport},
    },
    transfer::{payload::Payload, session::Running},
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

/// How many steps [`run`] reports.
pub fn steps(options: &Options) -> u64 {
    let parts: usize = options.claims.iter().map(|claim| claim.parts.len()).sum();
    gather::steps(needs(options), &options.lab) + parts as u64
}

fn needs(options: &Options) -> impl Iterator<Item = Need> {
    options.claims.iter().flat_map(|claim| claim.needs).copied()
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
    let sharing_dir = options.sharing_dir.as_deref();
    let with = Gather { lab: &options.lab, sharing_dir, payload, running, progress };
    let mut problems = evidence.gather(needs(options), &with)?;
    let decide = |claim: &&Claim| decide(claim, &evidence, progress);
    let claims = options.claims.iter().map(decide).collect();
    let transfers = evidence.transfers(needs(options).collect::<BTreeSet<_>>().into_iter());
    problems.extend(evidence.programs.problems());
    Ok(ClaimsReport {
        origin: Origin::here(SCHEMA, Tier::Sites),
        complete: problems.is_empty(),
        problems,
        size_bytes: payload.size,
        chunk_bytes: options.lab.chunk,
        claims,
        transfers,
    })
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
        Err(why) => (Verdict::NotObservable, Vec::new(), Some(why.to_string())),
    };
    PartReport { says: part.says, verdict, facts, reason }
}
