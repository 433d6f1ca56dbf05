//! Whether an expression holds: with what was not observed as a third answer.

use std::{cmp::Ordering, fmt};

use serde::Serialize;

use super::{
    number::Number,
    parse::{Comparison, Expression, Operator, Term, Truth, Value},
    quantity::{Missing, Quantities},
};

/// The answer to a check.
///
/// In order of severity: the worst of several decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Verdict {
    /// It is so.
    #[serde(rename = "holds")]
    Holds,
    /// Something that the answer depends on was not observed.
    #[serde(rename = "not observed")]
    NotObserved,
    /// It is not so.
    #[serde(rename = "does not hold")]
    Fails,
}

impl Verdict {
    /// The name used in JSON and text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::NotObserved => "not observed",
            Self::Fails => "does not hold",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A quantity that an expression uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Its name.
    pub quantity: String,
    /// What was measured, in the unit of the table of quantities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
    /// Why nothing was. An observed process may have chosen its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A comparison, and the numbers on both sides of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// How it is written in the expression.
    pub comparison: String,
    /// How its left side is written.
    pub left: String,
    /// How its right side is written.
    pub right: String,
    /// The value of the left side.
    pub left_value: Number,
    /// The value of the right side.
    pub right_value: Number,
    /// Whether it is true. Under a `not`, a true one may be why an expression does not hold.
    pub holds: bool,
}

/// What became of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Whether it holds.
    pub verdict: Verdict,
    /// Every quantity in it, also those that did not matter.
    pub readings: Vec<Reading>,
    /// The comparisons that decide the verdict. None where it is [`Verdict::NotObserved`].
    pub decisive: Vec<Compared>,
    /// Why it could not be decided, each reason once. None where it was.
    pub reasons: Vec<String>,
}

/// What is known of a condition, and from where.
struct Judged {
    /// `None` where it was not observed.
    truth: Option<bool>,
    decisive: Vec<Compared>,
    reasons: Vec<String>,
}

/// A number, or why there is none.
type Known = Result<Number, String>;

impl Expression {
    /// Evaluates it. Conditions are three-valued, after Kleene: what was not observed decides
    /// nothing, and so `and` is false where one side is false, and `or` true where one side is
    /// true, whatever the other may be.
    pub fn evaluate(&self, quantities: &dyn Quantities) -> Evaluation {
        let readings = self.quantities().iter().map(|name| read(name, quantities)).collect();
        let judge = Judge { text: self.text(), readings };
        let Judged { truth, decisive, reasons } = judge.truth(&self.truth);
        let verdict = match truth {
            Some(true) => Verdict::Holds,
            Some(false) => Verdict::Fails,
            None => Verdict::NotObserved,
        };
        Evaluation { verdict, readings: judge.readings, decisive, reasons }
    }
}

/// Asks for a quantity.
pub(super) fn read(name: &str, quantities: &dyn Quantities) -> Reading {
    let known = match quantities.get(name) {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err("it has no finite value".into()),
        Err(Missing::NotObserved(reason)) => Err(reason),
        Err(Missing::Unknown) => Err("nothing here measures it".into()),
    };
    Reading { quantity: name.into(), value: known.as_ref().ok().copied(), reason: known.err() }
}

struct Judge<'a> {
    text: &'a str,
    readings: Vec<Reading>,
}

impl Judge<'_> {
    fn truth(&self, truth: &Truth) -> Judged {
        match truth {
            Truth::Compare { left, comparison, right } => self.compare(left, *comparison, right),
            Truth::All(truths) => self.join(truths, false),
            Truth::Any(truths) => self.join(truths, true),
            Truth::Not(truth) => {
                let judged = self.truth(truth);
                Judged { truth: judged.truth.map(|truth| !truth), ..judged }
            }
        }
    }

    /// `and` and `or`: one that is `decides` settles it, otherwise all must be known.
    fn join(&self, truths: &[Truth], decides: bool) -> Judged {
        let judged: Vec<_> = truths.iter().map(|truth| self.truth(truth)).collect();
        let has = |truth| judged.iter().any(|judged: &Judged| judged.truth == truth);
        let truth = if has(Some(decides)) {
            Some(decides)
        } else if has(None) {
            None
        } else {
            Some(!decides)
        };
        let mut joined = Judged { truth, decisive: Vec::new(), reasons: Vec::new() };
        for part in judged.into_iter().filter(|part| part.truth == truth) {
            joined.decisive.extend(part.decisive);
            for reason in part.reasons {
                once(&mut joined.reasons, reason);
            }
        }
        joined
    }

    fn compare(&self, left: &Term, comparison: Comparison, right: &Term) -> Judged {
        match (self.number(left), self.number(right)) {
            (Ok(left_value), Ok(right_value)) => {
                let holds = comparison.holds(left_value, right_value);
                let compared = Compared {
                    comparison: self.text[left.span.start..right.span.end].into(),
                    left: self.text[left.span.clone()].into(),
                    right: self.text[right.span.clone()].into(),
                    left_value,
                    right_value,
                    holds,
                };
                Judged { truth: Some(holds), decisive: vec![compared], reasons: Vec::new() }
            }
            (left, right) => {
                let mut reasons = Vec::new();
                for reason in [left.err(), right.err()].into_iter().flatten() {
                    once(&mut reasons, reason);
                }
                Judged { truth: None, decisive: Vec::new(), reasons }
            }
        }
    }

    fn number(&self, term: &Term) -> Known {
        match &term.value {
            Value::Literal(number) => Ok(*number),
            Value::Quantity(name) => self.quantity(name),
            Value::Negative(term) => Ok(Number::Whole(0).minus(self.number(term)?)),
            Value::Chain(first, rest) => {
                let mut value = self.number(first)?;
                for (operator, term) in rest {
                    value = self.apply(value, *operator, term)?;
                }
                Ok(value)
            }
        }
    }

    fn quantity(&self, name: &str) -> Known {
        let reading = self.readings.iter().find(|reading| reading.quantity == name);
        match reading.map(|reading| (reading.value, &reading.reason)) {
            Some((Some(value), _)) => Ok(value),
            Some((None, Some(reason))) => Err(format!("{name}: {reason}")),
            _ => Err(format!("{name}: not asked for")),
        }
    }

    fn apply(&self, left: Number, operator: Operator, term: &Term) -> Known {
        let right = self.number(term)?;
        let value = match operator {
            Operator::Plus => left.plus(right),
            Operator::Minus => left.minus(right),
            Operator::Times => left.times(right),
            Operator::Over if right.is_zero() => return Err(self.division_by_zero(term)),
            Operator::Over => left.over(right),
        };
        if value.is_finite() { Ok(value) } else { Err("a number is too large".into()) }
    }

    fn division_by_zero(&self, divisor: &Term) -> String {
        let Value::Quantity(name) = &divisor.value else {
            return format!("division by zero: {} is 0", &self.text[divisor.span.clone()]);
        };
        match name.as_str() {
            "moved" => "nothing was moved".into(),
            "sent.bytes" => "nothing was sent".into(),
            "received.bytes" => "nothing was received".into(),
            name => format!("division by zero: {name} is 0"),
        }
    }
}

fn once(reasons: &mut Vec<String>, reason: String) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

impl Comparison {
    fn holds(self, left: Number, right: Number) -> bool {
        let Some(order) = left.partial_cmp(&right) else { return false };
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Equal => order == Ordering::Equal,
            Self::Unequal => order != Ordering::Equal,
        }
    }
}

#[cfg(test)]
mod tests;
