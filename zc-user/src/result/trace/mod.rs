//! The result of `zc trace`: who moved which bytes between what, and how often the CPU copied them.
//!
//! docs/trace-json.md documents it as JSON. A field that is `None` was not observed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Copied, Coverage, Origin, PageFaults, SiteReport, SiteStatus,
    meters::{Devices, MeterStatus, Switches},
    stacks::TraceStacks,
};
use crate::{
    check::Number,
    measure::{Loss, Tasks},
};

mod derive;
mod flows;
mod part;
mod processes;
mod quantities;
mod select;

pub use derive::{Input, Run, report};
pub use quantities::{Bound, blame};
pub use select::{Selection, SortKey};

/// Name and version of the JSON format. The number grows when a key changes its meaning or goes.
pub const SCHEMA: &str = "zc.trace/1";

/// What was counted of the traced processes, over a run or an interval of it.
#[derive(Debug, Serialize)]
pub struct TraceReport {
    /// What made it, and where.
    #[serde(flatten)]
    pub origin: Origin,
    /// Whom, when, how it ended.
    pub run: Run,
    /// Whether nothing was lost, and all that was counted adds up.
    pub complete: bool,
    /// What `complete` rests on.
    pub completeness: Completeness,
    /// All traced processes together.
    pub total: Totals,
    /// By system call.
    pub syscalls: Vec<CallReport>,
    /// By site and kind of iterator, in catalogue order.
    pub sites: Vec<SiteReport>,
    /// By system call and what is at its two ends.
    pub flows: Vec<Flow>,
    /// By process.
    pub processes: Vec<ProcessReport>,
    /// What devices moved on nobody's account, for the whole machine.
    pub devices: Devices,
    /// By which ways through the kernel the bytes were copied, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacks: Option<TraceStacks>,
    /// Every number that `zc check` knows by one name; a baseline for later runs.
    pub quantities: BTreeMap<String, Number>,
    /// Rows that were asked to be left out.
    #[serde(skip_serializing_if = "Omitted::is_none")]
    pub omitted: Omitted,
}

/// How many rows `--top` and `--min-bytes` left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Of the flows.
    pub flows: usize,
    /// Of the processes.
    pub processes: usize,
}

impl Omitted {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a report's numbers rest on.
#[derive(Debug, Serialize)]
pub struct Completeness {
    /// Every site of the catalogue.
    pub sites: Vec<SiteStatus>,
    /// Every meter of the table.
    pub meters: Vec<MeterStatus>,
    /// What no meter could count, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmetered: Vec<String>,
    /// Counts that were lost.
    pub lost: Loss,
    /// Why the result is not complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Copies that no probe could count here, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
    /// Calls whose bytes passed no known site, or not all of them: whether they were copied is not
    /// known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<Uncovered>,
}

/// Bytes that passed no known site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// The system call.
    pub call: String,
    /// What its bytes come from.
    pub source: &'static str,
    /// What they go to.
    pub sink: &'static str,
    /// Bytes that it returned, for each end that it has in the kernel.
    pub returned_bytes: u64,
    /// Bytes that passed a site there.
    pub explained_bytes: u64,
}

/// What some processes did together.
#[derive(Clone, Debug, Serialize)]
pub struct Totals {
    /// Bytes that came in or went out, whichever is more, of each process: what it read, received or
    /// took from a file, and what it wrote, sent or gave to one. What it only passes through a pipe
    /// of its own by splicing counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_bytes: Option<u64>,
    /// CPU-copied payload bytes.
    pub copied: Copied<u64>,
    /// All directions, for each byte moved; absent where not every byte was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_per_byte: Option<f64>,
    /// The same at least and at most: a byte that was not seen was copied once at each end, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_per_byte_bounds: Option<[f64; 2]>,
    /// Bytes copied in the kernel that are no payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<u64>,
    /// How much of what system calls moved the sites saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// System calls that returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscalls: Option<u64>,
    /// Crossings between user and kernel mode caused by system calls and page faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_switches: Option<u64>,
    /// By cause, with interrupts, and with what else switched.
    #[serde(flatten)]
    pub switches: Switches,
    /// Page faults.
    pub page_faults: PageFaults,
    /// Processes and threads started, programs run, threads ended.
    pub tasks: Tasks,
}

/// One system call of some processes.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    /// Its name.
    pub name: String,
    /// Returns, failed ones among them.
    pub calls: u64,
    /// Returns of an error.
    pub failed: u64,
    /// Sum of its positive return values, for a call that returns bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// CPU-copied bytes inside these calls.
    pub copied: Copied<u64>,
}

/// A system call between two kinds of file.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// The call's name, or what else moved bytes.
    pub call: String,
    /// What its bytes come from.
    pub source: &'static str,
    /// What they go to.
    pub sink: &'static str,
    /// Returns, failed ones among them.
    pub calls: u64,
    /// Returns of an error.
    pub failed: u64,
    /// Bytes that it moved, as it says itself; absent for what does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// CPU-copied bytes.
    pub copied: Copied<u64>,
    /// All directions, for each byte moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_per_byte: Option<f64>,
    /// How much of the bytes the sites saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// In words.
    pub verdict: FlowVerdict,
    /// Why a number is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The kernel functions that copied, most bytes first.
    pub copied_by: Vec<&'static str>,
    /// Every site that was passed.
    pub sites: Vec<SiteReport>,
}

/// How often the CPU copied each byte of a flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FlowVerdict {
    /// Not once.
    ZeroCopy,
    /// Each byte so often.
    Copies(u64),
    /// Some bytes more often than others; on average.
    Mixed(f64),
    /// Nothing was moved, so there is nothing to say.
    Nothing,
    /// It was copied by the network stack, after the call that sent it.
    Later,
    /// It does not say how many bytes it moved.
    Unsaid,
    /// Not all was seen.
    NotObserved,
}

impl std::fmt::Display for FlowVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ZeroCopy => f.pad("zero-copy"),
            Self::Copies(1) => f.pad("one copy"),
            Self::Copies(n) => f.pad(&format!("{n} copies")),
            Self::Mixed(_) => f.pad("partly copied"),
            Self::Nothing => f.pad("nothing moved"),
            Self::Later => f.pad("copied later"),
            Self::Unsaid => f.pad("bytes unknown"),
            Self::NotObserved => f.pad("not observed"),
        }
    }
}

impl Serialize for FlowVerdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessReport {
    /// Its id, in zc's PID namespace; absent where it is not in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name. The process chose it: escape it before you show it.
    pub name: String,
    /// What it did.
    #[serde(rename = "total")]
    pub totals: Totals,
    /// By system call.
    pub syscalls: Vec<CallReport>,
    /// By system call and what is at its two ends.
    pub flows: Vec<Flow>,
    /// By thread, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ThreadReport>,
}

/// One thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadReport {
    /// Its id, as the process's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tid: Option<u32>,
    /// Its name, which it chose.
    pub name: String,
    /// What it did.
    #[serde(rename = "total")]
    pub totals: Totals,
    /// By system call and what is at its two ends.
    pub flows: Vec<Flow>,
}

#[cfg(test)]
mod documented;
#[cfg(test)]
pub(crate) mod tests;
