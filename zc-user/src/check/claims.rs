//! Claims: expectations that have a name, and a sentence that says what they mean.

use thiserror::Error;

use super::{error::ParseError, parse::Expression, quantity::not_one_of};
use crate::nearest::nearest;

/// A row of the table of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name on the command line.
    pub name: &'static str,
    /// One sentence for people.
    pub meaning: &'static str,
    /// What it stands for.
    pub expression: &'static str,
}

const fn row(name: &'static str, meaning: &'static str, expression: &'static str) -> Claim {
    Claim { name, meaning, expression }
}

/// Every claim. Where nothing was moved, none of them holds: there was nothing to see.
#[rustfmt::skip]
pub const CLAIMS: [Claim; 6] = [
    row(
        "zero-copy-send",
        "of the bytes sent to sockets, fewer than one in a hundred was copied by the CPU, also not later in the network stack",
        "sent.bytes > 0 and sent.copies_per_byte < 1%",
    ),
    row(
        "zero-copy-receive",
        "of the bytes received from sockets, fewer than one in a hundred was copied by the CPU",
        "received.bytes > 0 and received.copies_per_byte < 1%",
    ),
    row(
        "no-user-copy",
        "of the bytes moved, fewer than one in a hundred was copied by the CPU between user and kernel memory",
        "moved > 0 and (user_to_kernel + kernel_to_user) / moved < 1%",
    ),
    row(
        "one-copy",
        "each byte moved was copied once by the CPU, give or take one in a hundred",
        "moved > 0 and copies_per_byte >= 99% and copies_per_byte <= 101%",
    ),
    row(
        "no-copy",
        "of the bytes moved, fewer than one in a hundred was copied by the CPU, in any direction",
        "moved > 0 and copies_per_byte < 1%",
    ),
    row(
        "few-switches",
        "fewer than 64 mode switches for each MiB moved",
        "moved > 0 and switches_per_mib < 64",
    ),
];

/// Why there is no such claim. Its text is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClaimError {
    /// The name is none.
    #[error("{0}; there are {known}", known = CLAIMS.map(|claim| claim.name).join(", "))]
    Unknown(String),
    /// The table's own expression means nothing, which a test rules out.
    #[error(transparent)]
    Expression(#[from] ParseError),
}

/// The claim `name`.
///
/// # Errors
/// [`ClaimError::Unknown`], with the nearest name and all names.
pub fn claim(name: &str) -> Result<&'static Claim, ClaimError> {
    CLAIMS.iter().find(|claim| claim.name == name).ok_or_else(|| {
        let near = nearest(name, CLAIMS.iter().map(|claim| claim.name));
        ClaimError::Unknown(not_one_of(name, "a claim", near))
    })
}

impl Claim {
    /// What it stands for, ready to be evaluated.
    ///
    /// # Errors
    /// None for a row of [`CLAIMS`]: a test parses them all.
    pub fn parse(&self) -> Result<Expression, ParseError> {
        self.expression.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_parses() {
        for claim in CLAIMS {
            let parsed = claim.parse();
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err().pointed());
        }
    }

    #[test]
    fn a_misspelt_claim_suggests_the_nearest_and_lists_all() {
        let error = claim("zero-copy-sent").unwrap_err().to_string();
        assert!(
            error.starts_with(
                "'zero-copy-sent' is not a claim: did you mean 'zero-copy-send'?; \
                 there are zero-copy-send, zero-copy-receive, no-user-copy"
            ),
            "{error}"
        );
        let error = claim("\x1b[31m").unwrap_err().to_string();
        assert!(error.starts_with("'\\u{1b}[31m' is not a claim; there are"), "{error}");
    }

    /// The table of docs/check.md, row by row.
    #[test]
    fn every_claim_is_documented_as_it_is() {
        let page = include_str!("../../../docs/check.md");
        let section = page.split("## Claims").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>();
        let table = CLAIMS.map(|Claim { name, meaning, expression }| {
            format!("| `{name}` | {meaning} | `{expression}` |")
        });
        assert_eq!(rows, table, "docs/check.md needs these lines:\n{}", table.join("\n"));
    }
}
