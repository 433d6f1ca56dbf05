//! The text view of `zc claims`.

use std::fmt::Write;

use comfy_table::{Cell, Color};

use super::text::{bytes, finished, harmless, head, table, word};
use crate::{
    claims::Verdict,
    result::claims::{ClaimReport, ClaimsReport, PartReport},
};

/// What decided each claim, then the table of all.
pub fn text(report: &ClaimsReport, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "kernel {} ({}), transfers of {} in {} chunks",
        report.origin.kernel,
        report.origin.architecture,
        bytes(report.size_bytes),
        bytes(report.chunk_bytes),
    );
    for claim in &report.claims {
        out.push('\n');
        details(&mut out, claim);
    }
    out.push('\n');
    let mut all = table(colour);
    all.set_header(["claim", "says", "who says so", "verdict"].map(head));
    for claim in &report.claims {
        all.add_row(vec![
            head(claim.id),
            Cell::new(claim.says),
            Cell::new(claim.who),
            verdict(claim.verdict),
        ]);
    }
    out.push_str(&finished(&mut all));
    for problem in &report.problems {
        let _ = writeln!(out, "incomplete: {problem}");
    }
    out
}

fn verdict(verdict: Verdict) -> Cell {
    let colour = match verdict {
        Verdict::Confirmed => Color::Green,
        Verdict::NotObservable => Color::Yellow,
        Verdict::Refuted => Color::Red,
    };
    word(verdict.name(), colour)
}

fn details(out: &mut String, claim: &ClaimReport) {
    let _ = writeln!(out, "{}: {} ({}): {}", claim.id, claim.says, claim.who, claim.verdict.name());
    for part in &claim.parts {
        let PartReport { says, verdict, facts, reason } = part;
        let _ = writeln!(out, "  {says}: {}", verdict.name());
        for fact in facts {
            let _ = writeln!(out, "    {}  {}", fact.measured, harmless(&fact.what));
        }
        if let Some(reason) = reason {
            let _ = writeln!(out, "    {}", harmless(reason));
        }
    }
}
