//! `zc check`: whether what somebody expects of a program holds, by numbers that others measured.
//!
//! Nothing here measures: numbers come through [`Quantities`].

mod claims;
mod error;
mod eval;
#[cfg(test)]
pub(crate) mod fake;
mod lex;
mod number;
mod parse;
mod quantity;

pub mod baseline;
pub mod report;

pub use baseline::{Baseline, BaselineError, MaxRegression};
pub use claims::{CLAIMS, Claim, ClaimError, claim};
pub use error::ParseError;
pub use eval::{Compared, Evaluation, Reading, Verdict};
pub use number::Number;
pub use parse::Expression;
pub use quantity::{Missing, QUANTITIES, Quantities, Quantity};
