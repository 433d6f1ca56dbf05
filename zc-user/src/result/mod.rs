//! Derived results: what the raw samples mean. Views print these and compute nothing.
//!
//! A field that is `None` was not observed; it is absent from JSON, never 0.

use serde::Serialize;

use crate::{
    expect::{Quantity, Side, Verdict},
    probes::{
        attach::Status,
        catalogue::{Effect, Job},
    },
};

pub(crate) mod derive;

/// How much of a kernel can be seen (docs/tiers in the README).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tier {
    /// Raw tracepoints only: mode switches and what system calls return.
    Boundary,
    /// fentry/fexit: every catalogued site.
    Sites,
    /// Breakpoints on the copy primitives themselves.
    Audit,
}

impl Tier {
    /// The name used in JSON and text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boundary => "boundary",
            Self::Sites => "sites",
            Self::Audit => "audit",
        }
    }
}

/// The result of `zc lab`. docs/lab-json.md documents it as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct LabReport {
    /// Name and version of this format.
    pub(crate) schema: &'static str,
    /// zc's version.
    pub(crate) zc: &'static str,
    /// `uname -r`.
    pub(crate) kernel: String,
    /// `uname -m`.
    pub(crate) architecture: String,
    /// What was used to observe.
    pub(crate) tier: Tier,
    /// Whether everything that was relied on was seen and nothing was lost.
    pub(crate) complete: bool,
    /// The worst of the styles' verdicts.
    pub(crate) verdict: Verdict,
    /// What was asked for.
    pub(crate) plan: PlanReport,
    /// What `complete` rests on.
    pub(crate) completeness: Completeness,
    /// A row for each style that ran.
    pub(crate) styles: Vec<StyleReport>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct PlanReport {
    /// Payload, bytes.
    pub(crate) size_bytes: u64,
    /// Asked for in a call, bytes.
    pub(crate) chunk_bytes: u64,
    /// Measured runs of each style.
    pub(crate) repeat: u32,
    /// Whether the payload was dropped from the page cache before each run.
    pub(crate) cold: bool,
    /// BLAKE3 of the payload.
    pub(crate) hash: String,
}

/// What `complete` rests on.
#[derive(Debug, Serialize)]
pub(crate) struct Completeness {
    /// Every site of the catalogue.
    pub(crate) sites: Vec<SiteStatus>,
    /// Counts lost because a program was already running on the CPU; absent where the kernel does
    /// not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recursion_misses: Option<u64>,
    /// Why the result is not complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
}

/// What became of a site.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SiteStatus {
    /// Its name in zc.
    pub(crate) site: &'static str,
    /// What it does.
    pub(crate) job: Job,
    /// One line for people.
    pub(crate) meaning: &'static str,
    /// The kernel file that its meaning was read from.
    pub(crate) source: &'static str,
    /// Attached, absent, refused or disabled.
    #[serde(flatten)]
    pub(crate) status: Status,
}

/// One style.
#[derive(Debug, Serialize)]
pub(crate) struct StyleReport {
    /// Its name.
    pub(crate) style: &'static str,
    /// The system calls, for people.
    pub(crate) how: &'static str,
    /// What textbooks say.
    pub(crate) textbook: &'static str,
    /// The worst run, whose numbers these are; the first of several equal ones.
    #[serde(flatten)]
    pub(crate) run: RunReport,
    /// Every measured run.
    pub(crate) runs: Vec<RunReport>,
}

/// One measured run of a style.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunReport {
    /// The worst of its lines' verdicts.
    pub(crate) verdict: Verdict,
    /// Bytes that the receiver got.
    pub(crate) moved_bytes: u64,
    /// Whether they hash to what the file hashes to.
    pub(crate) hash_ok: bool,
    /// The sending process.
    pub(crate) sender: SideReport,
    /// The receiving process.
    pub(crate) receiver: SideReport,
    /// Copies inside the network stack that may run in a softirq, for the whole machine while
    /// this run was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<MachineReport>,
}

/// What one process did in a run, beyond what it does for an empty payload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SideReport {
    /// CPU-copied bytes.
    pub(crate) copied: Copied<u64>,
    /// The same for each payload byte.
    pub(crate) copies_per_byte: Copied<f64>,
    /// Crossings between user and kernel mode caused by system calls and page faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode_switches: Option<u64>,
    /// System calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) syscalls: Option<u64>,
    /// Page faults, by the mode that they were taken in.
    pub(crate) page_faults: PageFaults,
    /// The calls that the empty run makes too, taken off everywhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fixed_syscalls: Option<u64>,
    /// By system call, most bytes first.
    pub(crate) by_syscall: Vec<SyscallReport>,
    /// By site, in catalogue order.
    pub(crate) sites: Vec<SiteReport>,
    /// Theory beside measurement.
    pub(crate) lines: Vec<Line>,
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Copied<T> {
    /// From the process into the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_to_kernel: Option<T>,
    /// From the kernel into the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel_to_user: Option<T>,
    /// Inside the kernel, on the process's behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel_to_kernel: Option<T>,
}

/// Page faults.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PageFaults {
    /// Taken in user mode: two mode switches each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<u64>,
    /// Taken in kernel mode, inside a copy: no mode switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<u64>,
}

/// One system call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SyscallReport {
    /// Its number on this architecture.
    pub(crate) number: usize,
    /// Its name.
    pub(crate) name: String,
    /// Returns.
    pub(crate) calls: u64,
    /// Sum of its positive return values, for a call that returns bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
}

/// One site and kind of iterator.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SiteReport {
    /// Its name in zc.
    pub(crate) site: &'static str,
    /// The kernel function that it was attached to.
    pub(crate) function: &'static str,
    /// What the iterator pointed at: `user`, `kernel`, `pipe`; `none` without one.
    pub(crate) iterator: &'static str,
    /// What the bytes mean.
    pub(crate) effect: Effect,
    /// Passes.
    pub(crate) calls: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

/// A prediction beside its measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// Whose.
    pub(crate) side: Side,
    /// Of what.
    pub(crate) quantity: Quantity,
    /// What theory says.
    pub(crate) predicted: u64,
    /// Why: `N` payload bytes, `c` bytes a call.
    pub(crate) formula: String,
    /// What was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) measured: Option<u64>,
    /// Whether they are equal.
    pub(crate) verdict: Verdict,
    /// Why nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Copies that belong to no process for certain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MachineReport {
    /// Bytes copied inside the kernel.
    pub(crate) kernel_to_kernel: u64,
    /// By site.
    pub(crate) sites: Vec<SiteReport>,
}
