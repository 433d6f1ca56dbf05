//! The views of `zc check`.

use crate::{
    check::{Compared, Number, Verdict, baseline::BaselineRow, report::Check},
    report::text::harmless,
};

mod github;
mod junit;
mod list;
mod text;

pub use github::github;
pub use junit::{JunitError, junit};
pub use list::{claims, quantities};
pub use text::text;

/// What a check is called: its claim, or how it was asked.
fn name(check: &Check) -> String {
    harmless(check.claim.unwrap_or(&check.expression))
}

/// The numbers behind a verdict, or why there are none, and the site to blame.
fn because(check: &Check) -> String {
    let mut said = match &check.reason {
        Some(reason) if check.verdict == Verdict::NotObserved => harmless(reason),
        _ => numbers(check).join(", "),
    };
    if let Some(blame) = &check.blame {
        said.push_str(if said.is_empty() { "to blame: " } else { "; to blame: " });
        said.push_str(&harmless(blame));
    }
    said
}

/// Both sides of the comparisons that decide, then the quantities that are a part of a side.
fn numbers(check: &Check) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |what: &str, value: String| {
        let line = format!("{} = {value}", harmless(what));
        if !said.contains(&line) {
            said.push(line);
        }
    };
    // A side without a quantity is a number, which the expression shows already.
    let varies = |side: &str| check.quantities.iter().any(|used| side.contains(&used.quantity));
    for compared in &check.decisive {
        let (left, right) = apart(compared);
        for (side, value) in [(&compared.left, left), (&compared.right, right)] {
            if varies(side) {
                say(side, value);
            }
        }
    }
    let sides: Vec<_> = check.decisive.iter().flat_map(|c| [&c.left, &c.right]).collect();
    for used in &check.quantities {
        let part =
            sides.iter().any(|side| **side != used.quantity && side.contains(&used.quantity));
        if let (true, Some(value)) = (part, used.value) {
            say(&used.quantity, shown(value, DIGITS));
        }
    }
    said
}

/// Digits of a fraction that people read.
const DIGITS: usize = 4;

/// Both sides, with as many digits as it takes to tell them apart.
fn apart(compared: &Compared) -> (String, String) {
    let Compared { left_value, right_value, .. } = *compared;
    let both = |digits| (shown(left_value, digits), shown(right_value, digits));
    let mut digits = DIGITS..17;
    let differ = |(left, right): &(String, String)| left != right;
    digits
        .find_map(|digits| Some(both(digits)).filter(differ))
        .unwrap_or_else(|| both(if left_value == right_value { DIGITS } else { 17 }))
}

/// A number for people: whole as it is, otherwise rounded to so many digits, but never a digit
/// before the point.
fn shown(number: Number, digits: usize) -> String {
    let real = match number {
        Number::Whole(whole) => return whole.to_string(),
        Number::Real(real) => real,
    };
    let text = if real.abs() < 1.0 {
        format!("{real:.*e}", digits.saturating_sub(1))
    } else {
        let whole = format!("{:.0}", real.abs()).len();
        format!("{real:.*}", digits.saturating_sub(whole))
    };
    text.parse::<f64>().map_or(text, |rounded| rounded.to_string())
}

/// What a line of the comparison with a baseline says beside its verdict.
fn change(row: &BaselineRow) -> String {
    let number = |number: Option<Number>| number.map_or("-".into(), |n| shown(n, DIGITS));
    let mut said = format!("{} before, {} now", number(row.before), number(row.now));
    if let Some(change) = row.change {
        said.push_str(&format!(", {}", percent(change)));
    }
    if let Some(reason) = &row.reason {
        said.push_str(&format!(": {}", harmless(reason)));
    }
    said
}

/// A change, with its sign.
fn percent(change: f64) -> String {
    format!("{:+.2}%", change * 100.0)
}

#[cfg(test)]
mod tests;
