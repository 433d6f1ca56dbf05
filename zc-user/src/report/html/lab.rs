//! The page of `zc lab`.

use maud::{Markup, html};

use super::{
    Basis, ENGLISH, Section, Words, bars, basis,
    completeness::conclusion,
    legend, page, picture, repeat,
    tables::{Cell, Table, verdict},
    ways_through,
};
use crate::{
    network::Path,
    report::{
        lab::{copies, label, network},
        stacks,
        text::{bytes, ratio},
    },
    result::{
        LabReport, Line, NotSupported, Outcome, SideReport, StyleReport,
        audit::{AuditLine, AuditReport},
        picture::{bars as compared, lab as way},
    },
};

/// The whole page; `command` is the command line that made the report.
pub fn lab(report: &LabReport, command: &str) -> String {
    let words = &ENGLISH;
    let verdict = Some(report.verdict);
    let rests = Basis { verdict, complete: report.complete, ..(&report.completeness).into() };
    let place = |at| format!("/styles/{at}");
    let styles: Vec<_> = report.styles.iter().enumerate().map(|(at, s)| (s, place(at))).collect();
    let unmetered = &report.completeness.unmetered;
    let each = html! {
        (legend(words))
        @for (style, base) in &styles {
            (one(style, base, report.plan.network.path, unmetered, words))
        }
    };
    let sections = [
        Section { id: "summary", title: "Summary", body: summary(&report.styles).markup(words) },
        Section { id: "styles", title: "The way of the bytes", body: each },
        comparison(&compared::placed(&styles), words),
        basis(&rests, words),
        repeat(command, &report.origin, words),
    ];
    page("zc lab: how often the CPU copies each byte", words, &lead(report, &rests), &sections)
}

fn lead(report: &LabReport, rests: &Basis<'_>) -> Markup {
    let plan = &report.plan;
    html! {
        p.lead {
            (bytes(plan.size_bytes)) " in " (bytes(plan.chunk_bytes)) " chunks over "
            (network(&plan.network)) ", " (if plan.cold { "cold" } else { "warm" }) " page cache, "
            (plan.repeat) (if plan.repeat == 1 { " run" } else { " runs" }) " each. Kernel "
            (report.origin.kernel) " (" (report.origin.architecture) "), tier "
            (report.origin.tier.name()) "."
        }
        (conclusion(rests))
    }
}

/// Bars of all runs.
pub(super) fn comparison(runs: &[compared::Placed<'_>], words: &Words) -> Section {
    let body = html! {
        p { (words.directions) }
        (bars(words.copies_of_each_byte, &compared::copies(runs), words))
        (bars(words.switches_for_each_mib, &compared::switches(runs), words))
    };
    Section { id: "comparison", title: words.side_by_side, body }
}

/// A style: its picture, and its lines.
pub(super) fn one(
    style: &StyleReport,
    base: &str,
    path: Path,
    unmetered: &[String],
    words: &Words,
) -> Markup {
    let name = style.style;
    // The architectures have a style twice.
    let id = base.trim_start_matches('/').replace('/', "-");
    html! {
        article id=(id) {
            h3 { (name) @if let Some(run) = style.run() { " " (verdict(run.verdict)) } }
            p { (style.how) }
            p.textbook { "The textbook (" (style.textbook_name) "): " (style.textbook) }
            @match &style.outcome {
                Outcome::NotSupported { not_supported: NotSupported { side, errno, reason } } => {
                    p.no { "Not supported here: " (errno) " in the " (side.name()) ": " (reason) }
                }
                Outcome::Measured(run) => {
                    @if let Some(way) = way::style(style, base, path, unmetered) {
                        (picture(&way, &format!("{id}-picture"), &format!("The way of the bytes: {name}"), words))
                    }
                    (lines(name, run.sides().flat_map(|(_, side)| side.lines.iter().map(move |line| (side, line)))).markup(words))
                    @if let Some(audit) = &style.audit { (audited(name, audit).markup(words)) }
                    @if !run.stacks.is_empty() { (ways_through(|out| run.stacks.iter().for_each(|side| stacks::side(out, side)))) }
                }
            }
        }
    }
}

/// What was counted in three ways.
fn audited(style: &str, audit: &AuditReport) -> Table {
    let row = |line: &AuditLine| {
        let why = || Cell::NotObserved(line.reason.clone().unwrap_or_default());
        let count = |bytes: Option<u64>| bytes.map_or_else(why, Cell::number);
        vec![
            Cell::text(format!("{}: {}", line.side.name(), label(line.quantity))),
            count(line.site_bytes),
            count(line.leaf_bytes),
            line.user_bytes.map_or_else(|| Cell::text("–"), Cell::number),
            Cell::verdict(line.verdict),
        ]
    };
    Table {
        caption: format!(
            "{style}: counted by the sites, by the copy primitives, and by user space"
        ),
        head: vec!["what", "sites", "leaves", "user space", "verdict"],
        rows: audit.lines.iter().map(row).collect(),
    }
}

/// Predicted, measured, verdict.
fn lines<'a>(style: &str, lines: impl Iterator<Item = (&'a SideReport, &'a Line)>) -> Table {
    let row = |(side, line): (&SideReport, &Line)| {
        let per_byte = line.quantity.direction().and_then(|way| side.copies_per_byte.get(way));
        vec![
            Cell::text(format!("{}: {}", line.side.name(), label(line.quantity))),
            Cell::number(line.predicted),
            match line.measured {
                Some(measured) => Cell::number(measured),
                None => Cell::NotObserved(line.reason.clone().unwrap_or_default()),
            },
            Cell::number(per_byte.map_or_else(String::new, ratio)),
            Cell::verdict(line.verdict),
            Cell::text(&line.formula),
        ]
    };
    Table {
        caption: format!("{style}: theory beside measurement"),
        head: vec!["what", "predicted", "measured", "a byte", "verdict", "prediction's formula"],
        rows: lines.map(row).collect(),
    }
}

/// The table of all.
fn summary(styles: &[StyleReport]) -> Table {
    Table {
        caption: "CPU copies of each byte, and mode switches (two a system call)".into(),
        head: vec![
            "style",
            "sender's copies",
            "receiver's copies",
            "sender's switches",
            "receiver's switches",
            "verdict",
            "the textbook calls it",
        ],
        rows: styles.iter().map(row).collect(),
    }
}

fn row(style: &StyleReport) -> Vec<Cell> {
    let nothing = || Cell::text("–");
    let (name, textbook) = (Cell::text(style.style), Cell::text(style.textbook_name));
    let Some(run) = style.run() else {
        let said = Cell::text("not supported here");
        return vec![name, nothing(), nothing(), nothing(), nothing(), said, textbook];
    };
    let receiver = |cell: fn(&SideReport) -> Cell| run.receiver.as_ref().map_or_else(nothing, cell);
    let copied = |side: &SideReport| Cell::text(copies(&side.copies_per_byte));
    let switches = |side: &SideReport| Cell::count(side.mode_switches);
    vec![
        name,
        copied(&run.sender),
        receiver(copied),
        switches(&run.sender),
        receiver(switches),
        Cell::verdict(run.verdict),
        textbook,
    ]
}
