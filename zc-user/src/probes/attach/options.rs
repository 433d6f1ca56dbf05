//! What to attach, for whom, and how far the tables reach.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt};

use zc_common::{Layout, OWNER_SLOTS, PID_SLOTS, Site};

use super::StackRoom;
use crate::probes::catalogue::Job;

/// What to attach, and how far the tables reach.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Sites to leave out.
    pub disabled: &'a [Site],
    /// The jobs whose sites are attached; all where there is no such list. The kernel takes a
    /// tenth of a second to let go of each.
    pub only: Option<&'a BTreeSet<Job>>,
    /// Do without probes on functions: the boundary tier.
    pub boundary: bool,
    /// Use typed arguments of tracepoints, where the kernel takes them. Without only to show what is
    /// done where it does not.
    pub typed: bool,
    /// Children with process ids below this are followed. Less than all only to show what is lost.
    pub pid_slots: u32,
    /// Sockets whose owner is remembered; a power of two.
    pub owner_slots: u32,
    /// Whether the children of traced processes are counted.
    pub follow: bool,
    /// Who is counted.
    pub whom: Whom,
    /// The room for a breakdown by thread, if one is kept.
    pub breakdown: Option<Breakdown>,
    /// Take the kernel stack of each pass, with room for so many; without it nothing is spent on them.
    pub stacks: Option<StackRoom>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            disabled: &[],
            only: None,
            boundary: false,
            typed: true,
            pid_slots: PID_SLOTS,
            owner_slots: OWNER_SLOTS,
            follow: true,
            whom: Whom::Watched,
            breakdown: None,
            stacks: None,
        }
    }
}

/// Whose work is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Processes that are named to the engine.
    Watched,
    /// These, and those that take this name, zero bytes behind it.
    Named([u8; 16]),
    /// Whoever is in a cgroup at that moment.
    Cgroup {
        /// How deep below the root it lies.
        level: u32,
        /// Its number: the inode of its folder.
        id: u64,
    },
    /// Every process but zc.
    Everyone,
}

/// How much a breakdown can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakdown {
    /// Counts: one for each thread, system call, pair of kinds, and site.
    pub cells: u32,
    /// Threads.
    pub threads: u32,
}

impl Breakdown {
    /// Counts for each thread, which share the room: one that waits has a few, a program such as dd that
    /// starts, copies and ends has 34.
    pub const CELLS_A_THREAD: u32 = 16;

    /// For so many threads.
    pub const fn of(threads: u32) -> Self {
        Self { cells: threads.saturating_mul(Self::CELLS_A_THREAD), threads }
    }
}

impl Default for Breakdown {
    /// For 16 384 threads.
    fn default() -> Self {
        Self::of(1 << 14)
    }
}

impl Options<'_> {
    /// Tells the kernel half.
    pub(super) fn write(&self, layout: &mut Layout) {
        layout.owner_slots = self.owner_slots;
        layout.pid_slots = self.pid_slots;
        layout.follow = self.follow.into();
        layout.breakdown = self.breakdown.is_some().into();
        layout.stacks = self.stacks.is_some().into();
        layout.pid_namespace = pid_namespace();
        layout.extras = self.has_extras().into();
        match self.whom {
            Whom::Watched => {}
            Whom::Named(name) => layout.comm = name,
            Whom::Cgroup { level, id } => {
                layout.cgroup_level = level;
                layout.cgroup_id = halves(id);
            }
            Whom::Everyone => layout.everyone = 1,
        }
    }

    /// Whether programs have more to ask than whether a process is in the table.
    fn has_extras(&self) -> bool {
        let plain = matches!(self.whom, Whom::Watched | Whom::Named(_));
        self.breakdown.is_some() || self.stacks.is_some() || !plain
    }

    /// The program for returns of system calls, with typed arguments.
    pub(super) fn return_program(&self) -> &'static str {
        if self.has_extras() { "traced_sys_exit" } else { "sys_exit" }
    }

    /// The tracepoints that only these options need.
    pub(super) fn tracepoints(&self) -> &'static [&'static str] {
        let named = matches!(self.whom, Whom::Named(_)) || self.breakdown.is_some();
        if named { &["task_rename"] } else { &[] }
    }
}

/// The lower half first.
#[expect(clippy::cast_possible_truncation, reason = "each half is what is left")]
fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// zc's own PID namespace as the kernel half is told it, inode and device (namespaces(7)); zeros for the
/// initial one, whose numbers need no translation.
fn pid_namespace() -> [u32; 4] {
    /// `PROC_PID_INIT_INO`, include/linux/proc_ns.h.
    const INITIAL: u64 = 0xeffffffc;
    match fs::metadata("/proc/self/ns/pid") {
        Ok(file) if file.ino() != INITIAL => {
            let ([a, b], [c, d]) = (halves(file.ino()), halves(file.dev()));
            [a, b, c, d]
        }
        _ => [0; 4],
    }
}

/// How many thread ids there can be (`kernel.pid_max`).
pub(super) fn thread_ids() -> u32 {
    let limit = fs::read_to_string("/proc/sys/kernel/pid_max");
    let limit = limit.ok().and_then(|text| text.trim().parse().ok());
    limit.unwrap_or(PID_SLOTS).min(PID_SLOTS)
}
