//! Threads and processes of a breakdown.

use std::collections::BTreeMap;

use zc_common::{Cell, Tally, TaskId, Thread};

use super::{
    ProcessReport, ThreadReport, flows,
    part::{Part, View},
};
use crate::measure::Breakdown;

/// The counts of one thread.
type Counts<'a> = Vec<(&'a Cell, &'a Tally)>;

/// A report of each process; of each of its threads too, if asked for.
pub(super) fn processes(
    breakdown: &Breakdown,
    view: &View<'_>,
    with_threads: bool,
) -> Vec<ProcessReport> {
    let mut by_leader = BTreeMap::<TaskId, BTreeMap<TaskId, Counts<'_>>>::new();
    for (cell, tally) in &breakdown.cells {
        // One that the table had no room for stands for itself.
        let leader = breakdown.threads.get(&cell.task).map_or(cell.task, |thread| thread.leader);
        let threads = by_leader.entry(leader).or_default();
        threads.entry(cell.task).or_default().push((cell, tally));
    }
    by_leader
        .iter()
        .map(|(leader, threads)| process(*leader, threads, breakdown, view, with_threads))
        .collect()
}

fn process(
    leader: TaskId,
    threads: &BTreeMap<TaskId, Counts<'_>>,
    breakdown: &Breakdown,
    view: &View<'_>,
    with_threads: bool,
) -> ProcessReport {
    let part = Part::of(threads.values().flatten().copied());
    let flows = flows::flows(&part, view);
    // The leading thread may never have been counted.
    let known = || threads.keys().find_map(|task| breakdown.threads.get(task));
    let named = breakdown.threads.get(&leader).or_else(known);
    ProcessReport {
        pid: named.map_or(Some(leader.tid()), |thread| seen(thread.pid)),
        name: named.map_or_else(|| "?".to_owned(), name),
        totals: part.totals(view, &flows),
        syscalls: part.calls(view),
        flows,
        threads: if with_threads {
            threads.iter().map(|(task, counts)| thread(*task, counts, breakdown, view)).collect()
        } else {
            Vec::new()
        },
    }
}

fn thread(
    task: TaskId,
    counts: &Counts<'_>,
    breakdown: &Breakdown,
    view: &View<'_>,
) -> ThreadReport {
    let part = Part::of(counts.iter().copied());
    let flows = flows::flows(&part, view);
    let known = breakdown.threads.get(&task);
    ThreadReport {
        tid: known.map_or(Some(task.tid()), |thread| seen(thread.tid)),
        name: known.map_or_else(|| "?".to_owned(), name),
        totals: part.totals(view, &flows),
        flows,
    }
}

/// An id of 0 is one in a PID namespace that zc does not see into.
fn seen(id: u32) -> Option<u32> {
    (id != 0).then_some(id)
}

/// The name as the thread chose it, which need not be UTF-8.
fn name(thread: &Thread) -> String {
    let (bytes, length) = thread.name();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
