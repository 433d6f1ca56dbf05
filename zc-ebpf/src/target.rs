//! Whom we trace: a process in `GROUPS`, and from then on its children.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use zc_common::{Event, Group, PID_SLOTS};

use crate::{
    counters::count_event,
    layout::{layout, task_tgid},
    memory::{Slot, Tracked, current_tgid},
};

/// The group of each process id, a byte each; 0 means not traced.
///
/// A static and no map: a program reaches it by its address, without the lookup that every system
/// call of every bystander would pay for. It fills the object's `.bss`, the largest value that an
/// array map may have up to 5.12 (`KMALLOC_MAX_SIZE`, 4 MiB).
static mut GROUPS: [u8; PID_SLOTS as usize] = [0; PID_SLOTS as usize];

/// 1 while counting. In a section of its own, which user space writes to as a map.
#[unsafe(link_section = ".data.armed")]
static mut ARMED: u32 = 0;

/// Whether a run is being counted.
#[inline(always)]
pub(crate) fn armed() -> bool {
    let switch = &raw const ARMED;
    // SAFETY: a valid static; volatile, because user space writes it.
    unsafe { switch.read_volatile() != 0 }
}

#[inline(always)]
fn group_byte(tgid: u32) -> Option<Slot<u8>> {
    Slot::byte_of(&raw mut GROUPS, tgid)
}

/// Puts process `args[0]` into group `args[1]`. Never attached: user space runs it with
/// `BPF_PROG_TEST_RUN`, because writing a byte of a 4 MiB map value from there would overwrite its
/// neighbours as well, which processes that fork are writing.
#[raw_tracepoint]
fn set_group(ctx: RawTracePointContext) -> Option<()> {
    let (tgid, group): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    group_byte((tgid & 0xffff_ffff) as u32)?.set((group & 0xff) as u8);
    Some(())
}

/// The group of the task on the CPU, when it is traced and counting is on.
///
/// Valid in process context only: in a softirq the task on the CPU is whoever was interrupted.
#[inline(always)]
pub(crate) fn counted_group() -> Option<Group> {
    let group = Group::from_table(group_byte(current_tgid())?.get())?;
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
        let followed = child < layout!(pid_slots);
        match followed.then(|| group_byte(child)).flatten() {
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
