//! The result of `zc claims`. docs/claims-json.md documents it as JSON.

use serde::Serialize;

use super::{Origin, transfer::TransferReport};
use crate::claims::{Fact, Verdict};

/// What became of each claim.
#[derive(Debug, Serialize)]
pub struct ClaimsReport {
    /// What made it, and where.
    #[serde(flatten)]
    pub origin: Origin,
    /// Whether no count was lost.
    pub complete: bool,
    /// What was lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Payload of each transfer, bytes.
    pub size_bytes: u64,
    /// Asked for in a call, bytes.
    pub chunk_bytes: u64,
    /// In the order of the table.
    pub claims: Vec<ClaimReport>,
    /// The styles' runs that decided them, each once.
    pub transfers: Vec<TransferReport>,
}

/// One claim.
#[derive(Debug, Serialize)]
pub struct ClaimReport {
    /// Its name.
    pub id: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Who says so.
    pub who: &'static str,
    /// What became of it: refuted if a part of it is, confirmed if all are.
    pub verdict: Verdict,
    /// What it comes down to.
    pub parts: Vec<PartReport>,
}

/// One thing that a claim asserts.
#[derive(Debug, Serialize)]
pub struct PartReport {
    /// In words.
    pub says: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// The numbers that decided it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Why it could not be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
