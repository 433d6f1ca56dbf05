//! The audit's part of the text view of `zc lab`.

use std::fmt::Write;

use comfy_table::Cell;

use super::{
    lab::label,
    text::{finished, head, number, table, verdict},
};
use crate::{
    expect::Verdict,
    probes::leaves::Method,
    result::{
        LabReport,
        audit::{AuditLine, AuditReport, AuditSummary},
    },
};

const UNKNOWN: &str = "not observed";

/// How it was done: one line.
pub(super) fn method(out: &mut String, audit: &AuditSummary) {
    let rounds: Vec<_> = audit.rounds.iter().map(|names| names.join(" ")).collect();
    let how = match (audit.method, audit.registers) {
        (Some(Method::Breakpoint), Some(registers)) => {
            format!("execution breakpoints, {registers} debug registers")
        }
        (Some(_), _) => "kprobes".to_owned(),
        (None, _) => return,
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "audit by {how}: {} more run{} of each transfer,\n  watching {}",
        rounds.len(),
        if rounds.len() == 1 { "" } else { "s" },
        rounds.join(";\n  then ")
    );
}

/// The three numbers of each side and direction, and what passed each leaf.
pub(super) fn details(out: &mut String, audit: &AuditReport, colour: bool) {
    let mut lines = table(colour);
    lines.set_header(["side", "audit", "sites", "leaves", "user space", "verdict"].map(head));
    for line in &audit.lines {
        let bytes = |bytes: Option<u64>, without: &str| {
            number(bytes.map_or_else(|| without.to_owned(), |bytes| bytes.to_string()))
        };
        lines.add_row(vec![
            Cell::new(line.side.name()),
            Cell::new(label(line.quantity)),
            bytes(line.site_bytes, UNKNOWN),
            bytes(line.leaf_bytes, UNKNOWN),
            bytes(line.user_bytes, "-"),
            verdict(line.verdict),
        ]);
    }
    out.push_str(&finished(&mut lines));
    let leaves: Vec<_> = audit
        .leaves
        .iter()
        .filter(|leaf| leaf.hits.is_some_and(|hits| hits > 0) || leaf.runs > 0)
        .map(|leaf| {
            let hits = leaf.hits.map(|hits| format!("{hits} hits, ")).unwrap_or_default();
            format!("{} {} {hits}{} counted", leaf.side.name(), leaf.function, leaf.runs)
        })
        .collect();
    let control =
        [("sender", audit.control_bytes.sender), ("receiver", audit.control_bytes.receiver)].map(
            |(name, bytes)| {
                format!("{name} {}", bytes.map_or_else(|| UNKNOWN.to_owned(), |b| b.to_string()))
            },
        );
    let _ = writeln!(out, "  leaves: {}", leaves.join("; "));
    let _ = writeln!(out, "  bytes of arguments, no payload: {}", control.join(", "));
}

/// A line for each number that differs.
pub(super) fn differences(out: &mut String, report: &LabReport) {
    for style in &report.styles {
        let lines = style.audit.iter().flat_map(|audit| &audit.lines);
        for line in lines.filter(|line| line.verdict == Verdict::Refuted) {
            let _ = writeln!(out, "audit refuted: {}", difference(style.style, line));
        }
    }
}

fn difference(style: &str, line: &AuditLine) -> String {
    let said =
        [("sites", line.site_bytes), ("leaves", line.leaf_bytes), ("user space", line.user_bytes)];
    let said = said.map(|(name, bytes)| {
        bytes.map_or_else(|| format!("{name} {UNKNOWN}"), |bytes| format!("{name} {bytes}"))
    });
    format!("{style}, {}, {}: {} bytes", line.side.name(), label(line.quantity), said.join(", "))
}
