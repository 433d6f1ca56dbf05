//! The textbook's three architectures of a server that sends a file, on real network cards.
//!
//! The same payload goes from a disk to another machine in three ways, from a cold page cache: what the
//! CPU copies in the sender is what the ways differ in, and what devices move by DMA is not.

use anyhow::{Context, Result};

use super::{Options, Progress, run};
use crate::{
    expect::Verdict,
    network::Path,
    result::{
        LabReport, Origin, Tier,
        architectures::{ArchitecturesReport, architecture},
    },
    transfer::{payload::Payload, session::Running, style},
};

/// Name and version of the JSON format. The number grows when a key changes its meaning or goes.
const SCHEMA: &str = "zc.architectures/1";

/// One of the three.
pub struct Architecture {
    /// What the textbook calls it.
    pub name: &'static str,
    /// What the textbook says of it.
    pub textbook: &'static str,
    /// The style that is it.
    pub style: &'static str,
    /// Whether the sender's card gathers.
    pub gather: bool,
}

/// The three, in the textbook's order.
pub const ARCHITECTURES: [Architecture; 3] = [
    Architecture {
        name: "ordinary copy",
        textbook: "4 copies, 4 switches, 4 of the copies by the CPU",
        style: "read-send",
        gather: true,
    },
    Architecture {
        name: "first zero copy",
        textbook: "3 copies, 2 switches, 1 of the copies by the CPU",
        style: "sendfile",
        gather: false,
    },
    Architecture {
        name: "full zero copy",
        textbook: "2 copies, 0 switches, none of the copies by the CPU",
        style: "sendfile",
        gather: true,
    },
];

/// How many steps [`architectures`] reports.
pub fn architectures_steps(options: &Options) -> u64 {
    // The payload is made once.
    let each = options_for(options, &ARCHITECTURES[0]).map_or(0, |options| super::steps(&options));
    each * ARCHITECTURES.len() as u64 - (ARCHITECTURES.len() as u64 - 1)
}

fn options_for(options: &Options, architecture: &Architecture) -> Result<Options> {
    let style = style(architecture.style).context("no such style")?;
    // Over other paths nothing gathers or does not: they show what is different there.
    let gather = (options.path != Path::Loopback).then_some(architecture.gather);
    Ok(Options { styles: vec![style], cold: true, gather, ..options.clone() })
}

/// Runs the three over `options`' path.
///
/// # Errors
/// Those of [`run`].
pub fn architectures(
    options: &Options,
    payload: &Payload,
    running: &Running,
    progress: &dyn Progress,
) -> Result<ArchitecturesReport> {
    let mut reports = Vec::new();
    for architecture in &ARCHITECTURES {
        reports.push(run(&options_for(options, architecture)?, payload, running, progress)?);
    }
    let complete = reports.iter().all(|report: &LabReport| report.complete);
    let worst = reports.iter().map(|report| report.verdict).max();
    let rows = ARCHITECTURES.iter().zip(reports).map(|(of, report)| architecture(of, report));
    Ok(ArchitecturesReport {
        origin: Origin::here(SCHEMA, Tier::Sites),
        complete,
        verdict: worst.unwrap_or(Verdict::NotObserved),
        size_bytes: payload.size,
        chunk_bytes: options.chunk,
        architectures: rows.collect::<Result<_>>()?,
    })
}
