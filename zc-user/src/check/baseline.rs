//! Whether a program costs more than it did when an earlier report was made.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::{
    eval::{Reading, Verdict, read},
    lex::{Token, words},
    number::Number,
    quantity::Quantities,
};
use crate::report::text::harmless;

/// What is compared: costs that do not grow with the amount of work.
pub const COMPARED: [&str; 2] = ["copies_per_byte", "switches_per_mib"];

/// Reports that have quantities.
const SCHEMAS: [&str; 2] = ["zc.trace/1", "zc.check/1"];

/// Largest report that is read, bytes; a device or the wrong file must not fill the memory.
const MAX_REPORT: u64 = 256 << 20;

/// The costs are quotients and as exact as an `f64`: what is beyond the limit by less than this is
/// not beyond it.
const ROUNDING: f64 = 1e-9;

/// The quantities of an earlier report.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    file: String,
    quantities: BTreeMap<String, Number>,
}

/// Why a file is no baseline. Its text is harmless.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// It cannot be read, or is no text.
    #[error("cannot read baseline {file}: {source}")]
    Read {
        /// Which file.
        file: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It can be read and is no baseline.
    #[error("{file} is no baseline: {why}; make one with `zc trace --json` or `zc check --json`")]
    Unfit {
        /// Which file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Baseline {
    /// Reads the report in `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is larger than 256 MiB, is not JSON, has another schema than
    /// `zc.trace/1` or `zc.check/1`, or its `quantities` are missing or no numbers.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let file = path.display().to_string();
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_REPORT + 1).read_to_string(&mut text))
            .map_err(|source| BaselineError::Read { file: harmless(&file), source })?;
        if text.len() as u64 > MAX_REPORT {
            let why = "it is larger than 256 MiB".into();
            return Err(BaselineError::Unfit { file: harmless(&file), why });
        }
        Self::parse(&file, &text)
    }

    /// The report in `text`, which came from `file`.
    ///
    /// # Errors
    /// As [`Self::read`], but for the file itself.
    pub fn parse(file: &str, text: &str) -> Result<Self, BaselineError> {
        let quantities = quantities(text)
            .map_err(|why| BaselineError::Unfit { file: harmless(file), why: harmless(&why) })?;
        Ok(Self { file: file.into(), quantities })
    }

    /// Compares the costs of [`COMPARED`]. More than `max` is a regression, exactly that is none.
    pub fn compare(&self, now: &dyn Quantities, max: MaxRegression) -> BaselineReport {
        let row = |name: &&str| {
            BaselineRow::new(self.quantities.get(*name).copied(), read(name, now), max)
        };
        let rows: Vec<_> = COMPARED.iter().map(row).collect();
        let verdict = rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::NotObserved);
        BaselineReport { file: self.file.clone(), max_regression: max.0, verdict, rows }
    }
}

fn quantities(text: &str) -> Result<BTreeMap<String, Number>, String> {
    let report: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    match report.get("schema") {
        Some(Value::String(schema)) if SCHEMAS.contains(&schema.as_str()) => {}
        Some(Value::String(schema)) => {
            let shown: String = schema.chars().take(60).collect();
            return Err(format!("its schema is '{shown}', not {}", SCHEMAS.join(" or ")));
        }
        _ => return Err("it has no schema, so zc did not write it".into()),
    }
    let Some(Value::Object(quantities)) = report.get("quantities") else {
        return Err("it has no quantities".into());
    };
    let number = |(name, value): (&String, &Value)| {
        let number = value.as_number().and_then(Number::from_json);
        match number.filter(|number| *number >= Number::Whole(0)) {
            Some(number) => Ok((name.clone(), number)),
            None => {
                let shown: String = name.chars().take(60).collect();
                Err(format!("its quantity '{shown}' is no number that can be counted"))
            }
        }
    };
    quantities.iter().map(number).collect()
}

/// How much more a cost may be than it was, as a fraction of what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxRegression(f64);

impl FromStr for MaxRegression {
    type Err = String;

    /// Parses a percentage such as `5%`. A bare number is none: 5 could be 5% or five times.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.trim().ends_with('%').then(|| words(text).ok()).flatten();
        match parsed.as_deref().map(|words| words.iter().map(|word| word.token).collect::<Vec<_>>())
        {
            Some(tokens) => match tokens[..] {
                [Token::Number(number), Token::End] => Ok(Self(number.as_f64())),
                _ => Err(FORM.into()),
            },
            None => Err(FORM.into()),
        }
    }
}

const FORM: &str = "write a percentage, as in 5% or 0.5%";

/// What became of a comparison with a baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineReport {
    /// The earlier report's file.
    pub file: String,
    /// How much more a cost may be than it was, as a fraction of what it was.
    pub max_regression: f64,
    /// The worst of the rows' verdicts.
    pub verdict: Verdict,
    /// A row for each cost.
    pub rows: Vec<BaselineRow>,
}

/// A cost, then and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineRow {
    /// Its name.
    pub quantity: String,
    /// In the earlier report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Number>,
    /// Now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Number>,
    /// The difference over what it was, less than 0 where it costs less now. Absent where it was
    /// 0 and is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// Whether it costs no more than it may.
    pub verdict: Verdict,
    /// Why there is no change to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl BaselineRow {
    fn new(before: Option<Number>, now: Reading, MaxRegression(max): MaxRegression) -> Self {
        let (change, verdict, reason) = match (before, now.value) {
            (Some(before), Some(now)) if before.is_zero() && !now.is_zero() => {
                (None, Verdict::Fails, Some("it was 0".into()))
            }
            (Some(before), Some(now)) => {
                let change = change(before, now);
                let held = change - max <= ROUNDING;
                (Some(change), if held { Verdict::Holds } else { Verdict::Fails }, None)
            }
            (None, _) => (None, Verdict::NotObserved, Some("the baseline does not have it".into())),
            (_, None) => (None, Verdict::NotObserved, now.reason),
        };
        Self { quantity: now.quantity, before, now: now.value, change, verdict, reason }
    }
}

/// The difference over what it was; nothing is no change from nothing.
fn change(before: Number, now: Number) -> f64 {
    if before.is_zero() { 0.0 } else { now.minus(before).over(before).as_f64() }
}

#[cfg(test)]
mod tests;
