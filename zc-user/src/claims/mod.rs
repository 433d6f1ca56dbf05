//! Public claims about copies, decided by what is measured on this machine.
//!
//! One table, a file for each field; CONTRIBUTING.md says how to add one. A claim is decided by its own
//! counters and nothing else: what theory predicts has no say.

use anyhow::Result;
use serde::Serialize;

pub(crate) mod evidence;
pub(crate) mod files;
pub(crate) mod gather;
pub(crate) mod kernel_entry;
mod lending;
mod pipes;
pub(crate) mod programs;
mod run;
mod sending;
pub(crate) mod sockets;
mod table;
pub(crate) mod textbook;

pub use evidence::{Circumstances, Evidence, Need};
pub use programs::copy_file;
pub use run::{Options, run, steps};
pub use table::CLAIMS;

/// Payload of each transfer, in bytes: enough for many calls, and soon done.
pub const SIZE: u64 = 1 << 20;

/// Bytes asked for in a call.
pub const CHUNK: u64 = 64 << 10;

/// A statement that somebody makes in public, and what decides it.
pub struct Claim {
    /// Its name: `T1` to `T10` are the textbook's, numbers are other people's.
    pub id: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Who says so.
    pub who: &'static str,
    /// What has to be measured.
    pub needs: &'static [Need],
    /// What it comes down to; it holds if all of these do.
    pub parts: &'static [Assertion],
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// One thing that a claim asserts.
pub struct Assertion {
    /// In words.
    pub says: &'static str,
    /// Whether it holds.
    pub decide: fn(&Evidence) -> Result<Decided, Unobservable>,
}

/// What decided an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Whether it holds.
    pub holds: bool,
    /// The numbers that say so.
    pub facts: Vec<Fact>,
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Of what, with its unit.
    pub what: String,
    /// How much.
    pub measured: u64,
}

/// Why a number is not known, so that what it would decide stays open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unobservable {
    /// This machine lacks what it takes, or does not let it be seen.
    #[error("{0}")]
    Lacking(String),
    /// It was watched, and counts were lost: another try may succeed.
    #[error("{0}")]
    Lost(String),
}

/// What became of a claim, or of one thing that it asserts. In order of weight: of several the last one
/// decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Confirmed,
    /// This machine does not show it.
    #[serde(rename = "not observable")]
    NotObservable,
    /// It does not hold.
    Refuted,
}

impl Verdict {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::NotObservable => "not observable",
            Self::Refuted => "refuted",
        }
    }
}

/// The claim called `id`, whatever the case of its letter.
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::transfer::known;

    #[test]
    fn every_claim_asserts_something_and_needs_styles_that_there_are() {
        let ids: BTreeSet<_> = CLAIMS.iter().map(|claim| claim.id).collect();
        assert_eq!(ids.len(), CLAIMS.len());
        for claim in CLAIMS {
            assert!(!claim.parts.is_empty(), "{}", claim.id);
            for need in claim.needs {
                assert!(known(need.style).is_some(), "{}: {}", claim.id, need.style);
            }
        }
        assert_eq!(claim("t8").map(|claim| claim.id), claim("T8").map(|claim| claim.id));
    }

    #[test]
    fn the_textbooks_claims_come_first_and_then_all_by_number() {
        let place = |claim: &Claim| {
            let number = claim.id.trim_start_matches('T').parse::<u32>().unwrap();
            (!claim.id.starts_with('T'), number)
        };
        assert!(CLAIMS.iter().is_sorted_by_key(place), "{CLAIMS:?}");
    }

    #[test]
    fn one_refuted_part_refutes_and_one_that_is_not_seen_leaves_open() {
        use Verdict::{Confirmed, NotObservable, Refuted};
        assert_eq!([Confirmed, NotObservable].into_iter().max(), Some(NotObservable));
        assert_eq!([Refuted, NotObservable, Confirmed].into_iter().max(), Some(Refuted));
    }
}
