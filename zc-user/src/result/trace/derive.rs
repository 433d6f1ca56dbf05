//! From raw samples of a trace to its report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Completeness, Omitted, SCHEMA, Totals, TraceReport, flows,
    part::{self, Part, Sum, View},
    processes::processes,
};
use crate::{
    check::{Number, report::observed},
    measure::{Breakdown, Loss, Sample},
    probes::attach::{Status, probes_functions},
    result::{Origin, SiteReport, Tier, derive as statuses, meters},
};

/// What a trace was of.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// Whom, in words. A command's words are its user's: escape them before you show them.
    pub target: String,
    /// How long was counted, in seconds.
    pub elapsed_seconds: f64,
    /// Which interval of the run this is, from 1; absent for the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Why it ended; absent while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The command's exit status, 128 and the signal's number if one ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

/// Everything that a report comes from.
pub struct Input<'a> {
    /// Of what.
    pub run: Run,
    /// All traced processes: the counters that have room for everything.
    pub total: &'a Sample,
    /// Nobody in particular.
    pub machine: &'a Sample,
    /// By thread.
    pub breakdown: &'a Breakdown,
    /// Counts lost meanwhile.
    pub loss: &'a Loss,
    /// By [`zc_common::Site`].
    pub statuses: &'a [Status],
    /// By row of the meters' table.
    pub meters: &'a [Status],
    /// Whether the breakdown was read while counting went on: then it need not add up.
    pub live: bool,
    /// Report each thread.
    pub threads: bool,
}

/// Derives the report.
pub fn report(input: &Input<'_>) -> TraceReport {
    let view = View::new(input, input.loss);
    let part = Part::of(input.breakdown.cells.iter());
    let flows = flows::flows(&part, &view);
    let problems = problems(input, &part);
    let machine =
        meters::Input { counted: &input.machine.meters, statuses: input.meters, loss: input.loss };
    let processes = processes(input.breakdown, &view, input.threads);
    let (total, sites) = match input.loss.unlisted_counts {
        // Each process has pipes and files of its own.
        0 => {
            let moved = processes.iter().map(|process| process.totals.moved_bytes);
            let mut total = part.totals(&view, &flows);
            total.set_moved(moved.sum::<Option<u64>>(), &view, &flows);
            (total, part::reports(&part.sites(), &view))
        }
        _ => sums(input),
    };
    let mut report = TraceReport {
        origin: Origin::here(SCHEMA, tier(input.statuses)),
        run: input.run.clone(),
        complete: problems.is_empty(),
        completeness: Completeness {
            sites: statuses::site_statuses(input.statuses),
            meters: meters::statuses(input.meters),
            unmetered: meters::unmetered(input.meters),
            lost: input.loss.clone(),
            unseen: view.all_unseen(),
            uncovered: flows::uncovered(&flows),
            problems,
        },
        total,
        syscalls: part.calls(&view),
        sites,
        flows,
        processes,
        devices: meters::devices(&machine),
        omitted: Omitted::default(),
        stacks: None,
        quantities: BTreeMap::new(),
    };
    report.quantities = exact(&report);
    report
}

/// The totals and sites where the table by thread was full: of the counters that have room for
/// everything. What only the table tells is not known.
fn sums(input: &Input<'_>) -> (Totals, Vec<SiteReport>) {
    let loss = Loss { unlisted_counts: 0, ..input.loss.clone() };
    let view = View::new(input, &loss);
    let sites = part::reports(&input.total.sites, &view);
    (Sum::of(input.total).totals(&view), sites)
}

/// The quantities that are the same whether what was not seen was copied or not.
fn exact(report: &TraceReport) -> BTreeMap<String, Number> {
    let mut exact = observed(&report.at_least());
    let most = observed(&report.at_most());
    exact.retain(|name, number| most.get(name) == Some(number));
    exact
}

/// What was used to observe: no site but the tracepoint's leaves the boundary.
fn tier(statuses: &[Status]) -> Tier {
    if probes_functions(statuses) { Tier::Sites } else { Tier::Boundary }
}

/// What was lost, and what does not add up.
fn problems(input: &Input<'_>, part: &Part) -> Vec<String> {
    let mut problems = input.loss.reasons();
    if input.live || !input.loss.is_none() {
        return problems;
    }
    let (listed, all) = (part.returns(), input.total.syscall_count());
    if listed != all {
        problems.push(format!("{all} system calls were counted, {listed} of them by thread"));
    }
    let sites = part.sites();
    for (key, all) in &input.total.sites {
        let listed = sites.get(key).copied().unwrap_or_default();
        if listed != *all {
            problems.push(format!(
                "{} bytes passed {:?}, {} of them are listed by thread",
                all.bytes, key.0, listed.bytes
            ));
        }
    }
    problems
}
