//! What a report's numbers rest on.

use maud::{Markup, html};

use super::{
    Section, Words,
    tables::{Cell, Table, verdict},
};
use crate::{
    expect::Verdict,
    measure::Loss,
    probes::attach::Status,
    report::text::harmless,
    result::{
        self, Calibration, SiteStatus, Uncalibrated,
        meters::MeterStatus,
        trace::{self, Uncovered},
    },
};

/// What is known of it; what a report does not say is absent or empty.
#[derive(Clone, Copy, Default)]
pub struct Basis<'a> {
    /// Whether all that was relied on was seen.
    pub complete: bool,
    /// What it comes down to.
    pub verdict: Option<Verdict>,
    /// Why it is not complete.
    pub problems: &'a [String],
    /// What became of each site.
    pub sites: &'a [SiteStatus],
    /// What became of each meter.
    pub meters: &'a [MeterStatus],
    /// What no meter could count.
    pub unmetered: &'a [String],
    /// What was lost.
    pub lost: Option<&'a Loss>,
    /// Runs that were made again.
    pub discarded_runs: Option<u64>,
    /// Whether the probes were checked.
    pub calibration: Option<Calibration>,
    /// Sites that were not.
    pub uncalibrated: &'a [Uncalibrated],
    /// Copies that no probe could count.
    pub unseen: &'a [String],
    /// Flows whose bytes passed no known site.
    pub uncovered: &'a [Uncovered],
}

impl<'a> From<&'a result::Completeness> for Basis<'a> {
    fn from(of: &'a result::Completeness) -> Self {
        Self {
            problems: &of.problems,
            sites: &of.sites,
            meters: &of.meters,
            unmetered: &of.unmetered,
            lost: Some(&of.lost),
            discarded_runs: Some(of.discarded_runs),
            calibration: Some(of.calibration),
            uncalibrated: &of.uncalibrated,
            ..Self::default()
        }
    }
}

impl<'a> From<&'a trace::Completeness> for Basis<'a> {
    fn from(of: &'a trace::Completeness) -> Self {
        Self {
            problems: &of.problems,
            sites: &of.sites,
            meters: &of.meters,
            unmetered: &of.unmetered,
            lost: Some(&of.lost),
            unseen: &of.unseen,
            uncovered: &of.uncovered,
            ..Self::default()
        }
    }
}

/// The verdict, and whether it is complete, in a line.
pub fn conclusion(basis: &Basis<'_>) -> Markup {
    html! {
        p.conclusion {
            @if let Some(worst) = basis.verdict { (verdict(worst)) " " }
            @if basis.complete {
                span.verdict.yes { "complete, no count was lost" }
            } @else {
                span.verdict.unseen { "not complete" }
            }
        }
    }
}

/// The section that says all of it.
pub fn basis(basis: &Basis<'_>, words: &Words) -> Section {
    let body = html! {
        (conclusion(basis))
        (list("Why it is not complete", basis.problems))
        (list("Copies that no probe could count", basis.unseen))
        (list("Not observed, for want of a meter", basis.unmetered))
        @if !basis.uncovered.is_empty() { (uncovered(basis.uncovered).markup(words)) }
        dl.facts {
            @if let Some(calibration) = basis.calibration {
                dt { "calibration" } dd { (self::calibration(calibration)) }
            }
            @if let Some(runs) = basis.discarded_runs {
                dt { "runs made again" } dd { (runs) ", as the kernel had skipped a probe in them" }
            }
            @if let Some(lost) = basis.lost {
                dt { "lost counts" }
                dd {
                    @if lost.is_none() { "none" }
                    @else { ul { @for why in lost.reasons() { li { (harmless(&why)) } } } }
                }
            }
            @for Uncalibrated { site, reason } in basis.uncalibrated {
                dt { "not calibrated: " code { (site) } } dd { (harmless(reason)) }
            }
        }
        @if !basis.sites.is_empty() {
            details {
                summary { "Every site, and what became of it" }
                (sites(basis.sites).markup(words))
            }
        }
        @if !basis.meters.is_empty() {
            details {
                summary { "Every meter" }
                (meters(basis.meters).markup(words))
            }
        }
    };
    Section { id: "completeness", title: "What this rests on", body }
}

fn list(title: &str, lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() {
            h3 { (title) }
            ul.lines { @for line in lines { li { (harmless(line)) } } }
        }
    }
}

fn calibration(calibration: Calibration) -> &'static str {
    match calibration {
        Calibration::Passed => {
            "passed: a known transfer went through each site, and each counted it to the byte"
        }
        Calibration::Partly => "partly: not every site could be sent a known transfer",
        Calibration::Failed => {
            "failed: a site counted a known transfer wrong, and is not relied on"
        }
        Calibration::Skipped => "left out with --no-calibrate",
    }
}

/// The status of a probe in a word, and why or where.
fn status(status: &Status) -> [Cell; 2] {
    let (word, why) = match status {
        Status::Attached { function } => ("attached", (*function).to_owned()),
        Status::Absent => ("absent", "this kernel has no such function".to_owned()),
        Status::Refused { function, reason } => ("refused", format!("{function}: {reason}")),
        Status::Miscounts { function, moved, counted } => {
            ("miscounts", format!("{function}: {counted} of {moved} known bytes"))
        }
        Status::Disabled => ("disabled", "left out on request".to_owned()),
        Status::Unneeded => ("unneeded", "nothing here passes through it".to_owned()),
    };
    [Cell::text(word), Cell::text(why)]
}

/// What must be known first stands first.
fn order(status: &Status) -> u8 {
    match status {
        Status::Miscounts { .. } => 0,
        Status::Refused { .. } => 1,
        Status::Disabled => 2,
        Status::Absent => 3,
        Status::Attached { .. } => 4,
        Status::Unneeded => 5,
    }
}

fn sites(sites: &[SiteStatus]) -> Table {
    let mut sites: Vec<_> = sites.iter().collect();
    sites.sort_by_key(|site| order(&site.status));
    let row = |site: &&SiteStatus| {
        let [word, why] = status(&site.status);
        vec![Cell::text(site.site), word, why, Cell::text(site.meaning)]
    };
    Table {
        caption: "Sites, by what became of them".into(),
        head: vec!["site", "status", "function, or why", "what it sees"],
        rows: sites.iter().map(row).collect(),
    }
}

fn meters(meters: &[MeterStatus]) -> Table {
    let row = |meter: &MeterStatus| {
        let [word, why] = status(&meter.status);
        vec![Cell::text(meter.meter), Cell::text(&meter.number), word, why]
    };
    Table {
        caption: "Meters, by what they count".into(),
        head: vec!["meter", "counts for", "status", "function, or why"],
        rows: meters.iter().map(row).collect(),
    }
}

fn uncovered(flows: &[Uncovered]) -> Table {
    let row = |flow: &Uncovered| {
        vec![
            Cell::text(format!("{}: {} → {}", flow.call, flow.source, flow.sink)),
            Cell::number(flow.returned_bytes),
            Cell::number(flow.explained_bytes),
        ]
    };
    Table {
        caption: "Bytes that passed no known site".into(),
        head: vec!["flow", "bytes returned", "of these, seen"],
        rows: flows.iter().map(row).collect(),
    }
}
