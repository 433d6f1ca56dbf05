//! Derived results: what the raw samples mean. Views print these and compute nothing.
//!
//! A field that is `None` was not observed; it is absent from JSON, never 0.

use serde::Serialize;

use crate::{
    expect::{Quantity, Side, Verdict},
    kernel::facts::Kernel,
    measure::Loss,
    network::Facts,
    probes::{
        attach::Status,
        catalogue::{Direction, Effect, Job},
    },
    transfer::work::Lent,
};

pub mod architectures;
pub mod audit;
pub mod claims;
pub mod derive;
pub mod learn;
pub mod meters;
pub mod picture;
pub mod stacks;
pub mod trace;
pub mod transfer;

use meters::{Devices, MeterStatus, Switches};

/// How much of a kernel can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Raw tracepoints only: mode switches and what system calls return.
    Boundary,
    /// fentry/fexit: every catalogued site.
    Sites,
    /// Breakpoints on the copy primitives themselves.
    Audit,
}

impl Tier {
    /// The name used in JSON and text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boundary => "boundary",
            Self::Sites => "sites",
            Self::Audit => "audit",
        }
    }
}

/// What made a report, and where.
#[derive(Debug, Serialize)]
pub struct Origin {
    /// Name and version of this format.
    pub schema: &'static str,
    /// zc's version.
    pub zc: &'static str,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub architecture: String,
    /// What was used to observe.
    pub tier: Tier,
}

impl Origin {
    /// This program, in the running kernel.
    pub fn here(schema: &'static str, tier: Tier) -> Self {
        let Kernel { release: kernel, architecture, .. } = Kernel::running();
        Self { schema, zc: env!("CARGO_PKG_VERSION"), kernel, architecture, tier }
    }
}

/// The result of `zc lab`. docs/lab-json.md documents it as JSON.
#[derive(Debug, Serialize)]
pub struct LabReport {
    /// What made it, and where.
    #[serde(flatten)]
    pub origin: Origin,
    /// Whether everything that was relied on was seen and nothing was lost.
    pub complete: bool,
    /// The worst of the styles' verdicts.
    pub verdict: Verdict,
    /// What was asked for.
    pub plan: PlanReport,
    /// What `complete` rests on.
    pub completeness: Completeness,
    /// How the leaves were watched; absent without --audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<audit::AuditSummary>,
    /// A row for each style that ran.
    pub styles: Vec<StyleReport>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// Payload, bytes.
    pub size_bytes: u64,
    /// Asked for in a call, bytes.
    pub chunk_bytes: u64,
    /// Measured runs of each style.
    pub repeat: u32,
    /// Whether the payload was dropped from the page cache before each run.
    pub cold: bool,
    /// What TCP and UDP went over.
    pub network: Facts,
    /// BLAKE3 of the payload.
    pub hash: String,
}

/// What `complete` rests on.
#[derive(Debug, Serialize)]
pub struct Completeness {
    /// Every site of the catalogue.
    pub sites: Vec<SiteStatus>,
    /// Every meter of the table.
    pub meters: Vec<MeterStatus>,
    /// What no meter could count, and why. It makes nothing that is predicted less complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmetered: Vec<String>,
    /// Counts that were lost in the runs that are reported.
    pub lost: Loss,
    /// Runs that were made again because the kernel skipped a probe in them.
    pub discarded_runs: u64,
    /// Whether each site that is relied on counted a known transfer exactly before the first run.
    pub calibration: Calibration,
    /// Sites that no known transfer could be sent through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncalibrated: Vec<Uncalibrated>,
    /// Why the result is not complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What became of a site.
#[derive(Clone, Debug, Serialize)]
pub struct SiteStatus {
    /// Its name in zc.
    pub site: &'static str,
    /// What it does.
    pub job: Job,
    /// One line for people.
    pub meaning: &'static str,
    /// The kernel file that its meaning was read from.
    pub source: &'static str,
    /// Attached, absent, refused or disabled.
    #[serde(flatten)]
    pub status: Status,
}

/// One style.
#[derive(Debug, Serialize)]
pub struct StyleReport {
    /// Its name.
    pub style: &'static str,
    /// The system calls, for people.
    pub how: &'static str,
    /// What textbooks call it.
    pub textbook_name: &'static str,
    /// What textbooks say of it.
    pub textbook: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Sites, leaves and user space side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<audit::AuditReport>,
    /// Every measured run.
    pub runs: Vec<RunReport>,
}

impl StyleReport {
    /// The run whose numbers are the style's, where it could be measured.
    pub fn run(&self) -> Option<&RunReport> {
        match &self.outcome {
            Outcome::Measured(run) => Some(run),
            Outcome::NotSupported { .. } => None,
        }
    }
}

/// What came of a style.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// The worst run; the first of several equal ones.
    Measured(Box<RunReport>),
    /// This machine cannot do it: nothing was measured.
    NotSupported {
        /// Why.
        not_supported: NotSupported,
    },
}

/// Why a style could not run, in the kernel's words.
#[derive(Clone, Debug, Serialize)]
pub struct NotSupported {
    /// Which side met the error.
    pub side: Side,
    /// Its name, as in errno(3).
    pub errno: String,
    /// What it means.
    pub reason: &'static str,
}

/// One measured run of a style.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The worst of its lines' verdicts.
    pub verdict: Verdict,
    /// Bytes that the receiver got.
    pub moved_bytes: u64,
    /// Whether they hash to what the file hashes to; absent where they were thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_ok: Option<bool>,
    /// The sending process.
    pub sender: SideReport,
    /// The receiving process; absent where the sender does all by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<SideReport>,
    /// Copies inside the network stack that may run in a softirq, for the whole machine while
    /// this run was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineReport>,
    /// What devices moved on nobody's account, for the whole machine while this run was counted.
    pub devices: Devices,
    /// The kernel's ways on which each side's bytes were copied; empty without --stacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<stacks::SideStacks>,
}

/// What one process did in a run, beyond what it does for an empty payload.
#[derive(Clone, Debug, Serialize)]
pub struct SideReport {
    /// CPU-copied bytes.
    pub copied: Copied<u64>,
    /// Bytes copied in the kernel that are no payload: packet headers, pages made private.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<u64>,
    /// How much of what system calls moved the sites saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What the kernel said of the pages that the process lent to its socket, where it lent some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lent: Option<Lent>,
    /// The same for each payload byte.
    pub copies_per_byte: Copied<f64>,
    /// Crossings between user and kernel mode caused by system calls and page faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_switches: Option<u64>,
    /// The same for each MiB of payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_switches_per_mib: Option<f64>,
    /// What the process left user mode for, with what no formula predicts.
    #[serde(flatten)]
    pub switches: Switches,
    /// System calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscalls: Option<u64>,
    /// Page faults, by the mode that they were taken in.
    pub page_faults: PageFaults,
    /// The calls that the empty run makes too, taken off everywhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_syscalls: Option<u64>,
    /// By system call, most bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_syscall: Option<Vec<SyscallReport>>,
    /// By site, in catalogue order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<SiteReport>>,
    /// Theory beside measurement.
    pub lines: Vec<Line>,
}

/// What system calls returned beside what the sites explain of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Bytes that system calls say they moved; twice where a call has both ends in the kernel.
    pub returned_bytes: u64,
    /// Bytes that passed a site at one of those ends.
    pub explained_bytes: u64,
    /// Explained over returned; absent where nothing was returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

impl RunReport {
    /// Both sides, or the only one.
    pub fn sides(&self) -> impl Iterator<Item = (Side, &SideReport)> {
        let receiver = self.receiver.iter().map(|report| (Side::Receiver, report));
        [(Side::Sender, &self.sender)].into_iter().chain(receiver)
    }
}

impl Coverage {
    /// From the two sums.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people; the bytes are exact")]
    pub fn new(returned_bytes: u64, explained_bytes: u64) -> Self {
        let ratio = (returned_bytes > 0).then(|| explained_bytes as f64 / returned_bytes as f64);
        Self { returned_bytes, explained_bytes, ratio }
    }

    /// Every byte was seen, and none twice.
    pub fn is_complete(self) -> bool {
        self.returned_bytes == self.explained_bytes
    }
}

/// Whether the probes were checked before they were believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Every site that is relied on counted exactly.
    Passed,
    /// Every site did that a known transfer could be sent through; not all could.
    Partly,
    /// A site did not: it is not relied on, and its status says what it counted.
    Failed,
    /// Left out with `--no-calibrate`.
    Skipped,
}

/// A site that is believed unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncalibrated {
    /// Its name in zc.
    pub site: &'static str,
    /// Why it could not be checked.
    pub reason: String,
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Copied<T> {
    /// From the process into the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_to_kernel: Option<T>,
    /// From the kernel into the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_to_user: Option<T>,
    /// Inside the kernel, on the process's behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_to_kernel: Option<T>,
}

impl<T: Copy> Copied<T> {
    /// What `of` gives for each direction.
    pub fn from_fn(of: impl Fn(Direction) -> Option<T>) -> Self {
        Self {
            user_to_kernel: of(Direction::UserToKernel),
            kernel_to_user: of(Direction::KernelToUser),
            kernel_to_kernel: of(Direction::KernelToKernel),
        }
    }

    /// The value for `direction`.
    pub fn get(&self, direction: Direction) -> Option<T> {
        match direction {
            Direction::UserToKernel => self.user_to_kernel,
            Direction::KernelToUser => self.kernel_to_user,
            Direction::KernelToKernel => self.kernel_to_kernel,
        }
    }
}

/// Page faults.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PageFaults {
    /// Taken in user mode: two mode switches each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u64>,
    /// Taken in kernel mode, inside a copy: no mode switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<u64>,
}

/// One system call.
#[derive(Clone, Debug, Serialize)]
pub struct SyscallReport {
    /// Its number on this architecture.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Returns.
    pub calls: u64,
    /// Sum of its positive return values, for a call that returns bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// One site and kind of iterator.
#[derive(Clone, Debug, Serialize)]
pub struct SiteReport {
    /// Its name in zc.
    pub site: &'static str,
    /// The kernel function that it was attached to.
    pub function: &'static str,
    /// What the iterator pointed at: `user`, `kernel`, `pipe`; `none` without one.
    pub iterator: &'static str,
    /// What the bytes mean.
    pub effect: Effect,
    /// Passes.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A prediction beside its measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Whose.
    pub side: Side,
    /// Of what.
    pub quantity: Quantity,
    /// What theory says.
    pub predicted: u64,
    /// Why: `N` payload bytes, `c` bytes a call.
    pub formula: String,
    /// What was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<u64>,
    /// Whether they are equal.
    pub verdict: Verdict,
    /// Why nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Copies that belong to no process for certain.
#[derive(Clone, Debug, Serialize)]
pub struct MachineReport {
    /// Payload bytes copied inside the kernel.
    pub kernel_to_kernel: u64,
    /// Bytes copied inside the kernel that are no payload.
    pub aside: u64,
    /// By site.
    pub sites: Vec<SiteReport>,
}
