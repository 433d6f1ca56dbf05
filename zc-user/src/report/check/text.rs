//! The text view of `zc check`.

use std::fmt::Write;

use comfy_table::{Cell, Color};

use super::{DIGITS, because, name, percent, shown};
use crate::{
    check::{Number, Verdict, baseline::BaselineReport, report::CheckReport},
    report::text::{finished, harmless, head, inline, number, table, word},
};

/// The whole report: a line for each check, the comparison with a baseline, the verdict.
pub fn text(report: &CheckReport, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for check in &report.checks {
        let _ = write!(out, "{}: {}", name(check), inline(verdict(check.verdict), colour));
        let because = because(check);
        let separator = if because.is_empty() { "" } else { ": " };
        let _ = writeln!(out, "{separator}{because}");
        if let Some(meaning) = check.meaning {
            let _ = writeln!(out, "  {meaning}: {}", harmless(&check.expression));
        }
    }
    if let Some(baseline) = &report.baseline {
        rows(&mut out, baseline, colour);
    }
    let verdict = inline(verdict(report.verdict), colour);
    let _ = writeln!(out, "{}: {verdict}", harmless(&report.target));
    out
}

fn rows(out: &mut String, baseline: &BaselineReport, colour: bool) {
    let _ = writeln!(
        out,
        "beside {}, at most {} allowed",
        harmless(&baseline.file),
        percent(baseline.max_regression)
    );
    let value =
        |value: Option<Number>| number(value.map_or("-".into(), |value| shown(value, DIGITS)));
    let mut lines = table(colour);
    lines.set_header(["quantity", "before", "now", "change", "verdict", ""].map(head));
    for row in &baseline.rows {
        lines.add_row(vec![
            Cell::new(harmless(&row.quantity)),
            value(row.before),
            value(row.now),
            number(row.change.map_or("-".into(), percent)),
            verdict(row.verdict),
            Cell::new(harmless(row.reason.as_deref().unwrap_or_default())),
        ]);
    }
    out.push_str(&finished(&mut lines));
}

fn verdict(verdict: Verdict) -> Cell {
    word(
        verdict,
        match verdict {
            Verdict::Holds => Color::Green,
            Verdict::NotObserved => Color::Yellow,
            Verdict::Fails => Color::Red,
        },
    )
}
