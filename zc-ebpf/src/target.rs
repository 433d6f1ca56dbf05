//! Whom we trace: a process in `GROUPS`, and from then on its children.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::Array,
    programs::BtfTracePointContext,
};
use zc_common::{Event, Group, PID_SLOTS};

use crate::{
    counters::count_event,
    layout::task_tgid,
    memory::{Slot, Tracked, current_tgid},
};

/// The group of each process id, a byte each, eight to a value; 0 means not traced.
///
/// A plain array, because its lookup is inlined by the kernel's JIT where a hash lookup is a call
/// of several hundred instructions on every system call of every bystander.
#[map]
static GROUPS: Array<[u8; 8]> = Array::with_max_entries(PID_SLOTS / 8, 0);

/// 1 while counting.
#[map]
static ARMED: Array<u32> = Array::with_max_entries(1, 0);

/// Whether a run is being counted.
#[inline(always)]
pub(crate) fn armed() -> bool {
    ARMED.get(0).is_some_and(|armed| *armed != 0)
}

#[inline(always)]
fn group_byte(tgid: u32) -> Option<Slot<u8>> {
    Slot::byte(&GROUPS, tgid)
}

/// The group of the task on the CPU, when it is traced and counting is on.
///
/// Valid in process context only: in a softirq the task on the CPU is whoever was interrupted.
#[inline(always)]
pub(crate) fn counted_group() -> Option<Group> {
    let group = Group::traced(group_byte(current_tgid())?.get())?;
    armed().then_some(group)
}

/// The same, and [`Group::MACHINE`] for every task that is not traced.
#[inline(always)]
pub(crate) fn counted_group_or_machine() -> Option<Group> {
    let group = Group::traced(group_byte(current_tgid())?.get()).unwrap_or(Group::MACHINE);
    armed().then_some(group)
}

/// A child belongs to its parent's group. Also when that is none: a process id may be one that a
/// traced process had before.
#[btf_tracepoint(function = "sched_process_fork")]
fn process_fork(ctx: BtfTracePointContext) -> Option<()> {
    // `TP_PROTO(struct task_struct *parent, struct task_struct *child)`,
    // include/trace/events/sched.h.
    let child = task_tgid(Tracked(ctx.arg(1)));
    let parent = current_tgid();
    let group = group_byte(parent)?.get();
    if child != parent {
        match group_byte(child) {
            Some(byte) => byte.set(group),
            None => count_event(counted_group()?, Event::Unfollowed),
        }
    }
    if let Some(group) = counted_group() {
        count_event(group, Event::Fork);
        #[cfg(feature = "log")]
        aya_log_ebpf::debug!(&ctx, "fork: {} -> {}", parent, child);
    }
    Some(())
}

/// An `execve` keeps its process id and so its group; it is only counted.
#[btf_tracepoint(function = "sched_process_exec")]
fn process_exec(_ctx: BtfTracePointContext) -> Option<()> {
    count_event(counted_group()?, Event::Exec);
    Some(())
}

/// The end of a task. Its group byte stays until the process id is given out again, which
/// `process_fork` sees: an ended task makes no more calls.
#[btf_tracepoint(function = "sched_process_exit")]
fn process_exit(_ctx: BtfTracePointContext) -> Option<()> {
    count_event(counted_group()?, Event::Exit);
    Some(())
}
