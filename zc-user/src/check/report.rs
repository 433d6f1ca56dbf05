//! The result of `zc check`. docs/check.md documents it as JSON. Views print it and compute
//! nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    baseline::BaselineReport,
    claims::{Claim, ClaimError, claim},
    error::ParseError,
    eval::{Compared, Evaluation, Reading, Verdict},
    number::Number,
    parse::Expression,
    quantity::{QUANTITIES, Quantities},
};

/// The result of `zc check`.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Name and version of this format.
    pub schema: &'static str,
    /// zc's version.
    pub zc: &'static str,
    /// Whom it is about: a command, a process. It may have chosen its own name.
    pub target: String,
    /// The worst of all verdicts.
    pub verdict: Verdict,
    /// What was asked, in that order.
    pub checks: Vec<Check>,
    /// The comparison with an earlier report; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
    /// What was measured, by name; this makes the report a baseline for later ones.
    pub quantities: BTreeMap<String, Number>,
}

/// An expectation, and whether it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What was asked.
    pub expression: String,
    /// The claim that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<&'static str>,
    /// The claim in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Every quantity in the expression.
    pub quantities: Vec<Reading>,
    /// The comparisons that decide the verdict; empty where it is not observed.
    pub decisive: Vec<Compared>,
    /// The site that copied, in words; whoever measured fills it in where something does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<String>,
    /// Why it was not observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is asked: an expression of one's own, or a claim.
#[derive(Clone, Debug)]
pub struct Question {
    expression: Expression,
    claim: Option<&'static Claim>,
}

impl Question {
    /// Whether the expression `text` is true.
    ///
    /// # Errors
    /// When `text` is no expression.
    pub fn expect(text: &str) -> Result<Self, ParseError> {
        Ok(Self { expression: text.parse()?, claim: None })
    }

    /// Whether the claim `name` is true.
    ///
    /// # Errors
    /// When there is no such claim.
    pub fn claim(name: &str) -> Result<Self, ClaimError> {
        let claim = claim(name)?;
        Ok(Self { expression: claim.parse()?, claim: Some(claim) })
    }

    /// The quantities that the answer needs.
    pub fn quantities(&self) -> &[String] {
        self.expression.quantities()
    }

    /// The answer, without blame.
    pub fn answer(&self, quantities: &dyn Quantities) -> Check {
        let Evaluation { verdict, readings, decisive, reasons } =
            self.expression.evaluate(quantities);
        Check {
            expression: self.expression.text().into(),
            claim: self.claim.map(|claim| claim.name),
            meaning: self.claim.map(|claim| claim.meaning),
            verdict,
            quantities: readings,
            decisive,
            blame: None,
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        }
    }
}

impl CheckReport {
    /// A report on `target`. Where nothing at all was asked, nothing was observed.
    pub fn new(
        target: String,
        checks: Vec<Check>,
        baseline: Option<BaselineReport>,
        quantities: &dyn Quantities,
    ) -> Self {
        let verdicts = checks.iter().map(|check| check.verdict);
        let verdict = verdicts.chain(baseline.iter().map(|baseline| baseline.verdict)).max();
        let mut measured = observed(quantities);
        for reading in checks.iter().flat_map(|check| &check.quantities) {
            if let Some(value) = reading.value {
                measured.insert(reading.quantity.clone(), value);
            }
        }
        Self {
            schema: "zc.check/1",
            zc: env!("CARGO_PKG_VERSION"),
            target,
            verdict: verdict.unwrap_or(Verdict::NotObserved),
            checks,
            baseline,
            quantities: measured,
        }
    }
}

/// Every quantity that has a number and whose name has no part to choose, by name: the
/// `quantities` of a JSON report.
pub fn observed(quantities: &dyn Quantities) -> BTreeMap<String, Number> {
    let fixed = QUANTITIES.iter().filter(|row| !row.is_pattern());
    fixed
        .filter_map(|row| Some((row.name.to_owned(), quantities.get(row.name).ok()?)))
        .filter(|(_, value)| value.is_finite())
        .collect()
}

#[cfg(test)]
mod tests;
