//! Which rows of a report are shown, and in which order.

use clap::ValueEnum;

use super::{Flow, Omitted, ProcessReport, TraceReport, part};

/// What rows are sorted by; the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SortKey {
    /// Bytes moved.
    #[default]
    Bytes,
    /// Bytes that the CPU copied.
    Copied,
    /// System calls.
    Calls,
    /// Mode switches; of flows, system calls.
    Switches,
    /// The name, from A to Z.
    Name,
}

/// Rows to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    /// In which order.
    pub sort: SortKey,
    /// So many flows, and so many processes.
    pub top: Option<usize>,
    /// Only those that moved or copied at least so many bytes.
    pub min_bytes: u64,
}

impl Selection {
    /// Sorts the rows of `report` and drops those that are not wanted.
    pub fn apply(&self, report: &mut TraceReport) {
        let flows = self.flows(&mut report.flows);
        for process in &mut report.processes {
            self.flows(&mut process.flows);
            for thread in &mut process.threads {
                self.flows(&mut thread.flows);
            }
        }
        let before = report.processes.len();
        report.processes.retain(|process| self.min_bytes == 0 || size(process) >= self.min_bytes);
        match self.sort {
            SortKey::Name => report.processes.sort_by(|a, b| a.name.cmp(&b.name)),
            key => report.processes.sort_by_key(|process| {
                std::cmp::Reverse((of_process(process, key), size(process)))
            }),
        }
        report.processes.truncate(self.top.unwrap_or(usize::MAX));
        report.omitted = Omitted { flows, processes: before - report.processes.len() };
    }

    /// How many it dropped.
    fn flows(&self, flows: &mut Vec<Flow>) -> usize {
        let before = flows.len();
        flows.retain(|flow| self.min_bytes == 0 || of_flow(flow, SortKey::Bytes) >= self.min_bytes);
        match self.sort {
            SortKey::Name => flows.sort_by(|a, b| a.call.cmp(&b.call)),
            key => flows.sort_by_key(|flow| {
                std::cmp::Reverse((of_flow(flow, key), of_flow(flow, SortKey::Bytes)))
            }),
        }
        flows.truncate(self.top.unwrap_or(usize::MAX));
        before - flows.len()
    }
}

fn of_flow(flow: &Flow, key: SortKey) -> u64 {
    let copied = part::all(flow.copied).unwrap_or(0);
    match key {
        SortKey::Bytes => flow.bytes.unwrap_or(copied),
        SortKey::Copied => copied,
        SortKey::Calls | SortKey::Switches | SortKey::Name => flow.calls,
    }
}

fn of_process(process: &ProcessReport, key: SortKey) -> u64 {
    let totals = &process.totals;
    let number = match key {
        SortKey::Bytes => totals.moved_bytes,
        SortKey::Copied => part::all(totals.copied),
        SortKey::Calls | SortKey::Name => totals.syscalls,
        SortKey::Switches => totals.mode_switches,
    };
    number.unwrap_or(0)
}

/// What a process moved or copied.
fn size(process: &ProcessReport) -> u64 {
    of_process(process, SortKey::Bytes).max(of_process(process, SortKey::Copied))
}
