//! Whom we trace: a process in `GROUPS`, and from then on its children; or whoever is in a cgroup, has
//! a name, or everyone.

use aya_ebpf::{
    helpers::generated::bpf_get_current_ancestor_cgroup_id, macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use zc_common::{Event, Group, PID_SLOTS, TaskId};

use crate::{
    cells,
    counters::{count_event, count_loss},
    layout::layout,
    memory::{Slot, current_tgid, peek},
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
fn group_byte(tgid: u32) -> Slot<u8> {
    // Every process id is in the table (`PID_MAX_LIMIT`, include/linux/threads.h).
    Slot::byte_of::<{ PID_SLOTS - 1 }, _>(&raw mut GROUPS, tgid)
}

/// Puts process `args[0]` into group `args[1]`. Never attached: user space runs it with
/// `BPF_PROG_TEST_RUN`, because writing a byte of a 4 MiB map value from there would overwrite its
/// neighbours as well, which processes that fork are writing.
#[raw_tracepoint]
fn set_group(ctx: RawTracePointContext) -> Option<()> {
    let (tgid, group): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    group_byte((tgid & 0xffff_ffff) as u32).set((group & 0xff) as u8);
    Some(())
}

/// The process that is counted from its next `execve` on; 0 for none. In a section of its own, which
/// user space writes to as a map. A command that zc starts is counted from its first instruction on,
/// and nothing that was done to start it is.
#[unsafe(link_section = ".data.pending")]
static mut PENDING: u32 = 0;

/// The group of the task on the CPU. Which way it is told is decided before the programs are verified,
/// which then have only one of the three.
#[inline(always)]
pub(crate) fn group() -> Option<Group> {
    if layout!(extras) == 0 {
        return table_group();
    }
    if layout!(everyone) != 0 {
        let byte = group_byte(current_tgid()).get();
        return (byte != Group::NOBODY.index()).then_some(Group::FIRST);
    }
    if layout!(cgroup_level) != 0 {
        let level = layout!(cgroup_level).cast_signed();
        // SAFETY: it only gives a number.
        let id = unsafe { bpf_get_current_ancestor_cgroup_id(level) };
        let [low, high] = [0, 1].map(|half| u64::from(layout!(cgroup_id[half])));
        return (id == low | high << 32).then_some(Group::FIRST);
    }
    table_group()
}

#[inline(always)]
fn table_group() -> Option<Group> {
    Group::from_table(group_byte(current_tgid()).get())
}

/// The group of the task on the CPU, when it is one of those in the table and counting is on: for
/// programs that know that nobody else is traced.
#[inline(always)]
pub(crate) fn watched_group() -> Option<Group> {
    let group = table_group()?;
    armed().then_some(group)
}

/// The group of the task on the CPU, when it is traced and counting is on.
///
/// Valid in process context only: in a softirq the task on the CPU is whoever was interrupted.
#[inline(always)]
pub(crate) fn counted_group() -> Option<Group> {
    let group = group()?;
    armed().then_some(group)
}

/// The same, and [`Group::MACHINE`] for every task that is not traced.
#[inline(always)]
pub(crate) fn counted_group_or_machine() -> Option<Group> {
    armed().then(|| group().unwrap_or(Group::MACHINE))
}

/// A child belongs to its parent's group. Also when that is none: a process id may be one that a
/// traced process had before.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
fn process_fork(ctx: RawTracePointContext) -> Option<()> {
    // `TP_PROTO(struct task_struct *parent, struct task_struct *child)`,
    // include/trace/events/sched.h.
    let child = tgid_of(ctx.arg(1))?;
    let parent = current_tgid();
    let group = if layout!(follow) == 0 { 0 } else { group_byte(parent).get() };
    if child != parent {
        let followed = child < layout!(pid_slots);
        match followed.then(|| group_byte(child)) {
            Some(byte) => byte.set(group),
            None => count_loss(counted_group()?, Event::Unfollowed),
        }
    }
    if let Some(group) = counted_group() {
        count_event(group, Event::Fork);
        #[cfg(feature = "log")]
        aya_log_ebpf::debug!(&ctx, "fork: {} -> {}", parent, child);
    }
    Some(())
}

/// The process id of the `struct task_struct` at an address.
#[inline(always)]
fn tgid_of(task: *const u8) -> Option<u32> {
    peek(task.wrapping_add(layout!(task_tgid) as usize))
}

/// An `execve` keeps its process id and so its group; it is only counted, unless it is what was waited
/// for.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn process_exec(_ctx: RawTracePointContext) -> Option<()> {
    let pending = &raw mut PENDING;
    // SAFETY: a valid static; volatile, because user space writes it.
    if current_tgid() == unsafe { pending.read_volatile() } {
        // SAFETY: as above.
        unsafe { pending.write_volatile(0) };
        group_byte(current_tgid()).set(Group::FIRST.index());
    }
    let group = counted_group()?;
    count_event(group, Event::Exec);
    Some(())
}

/// `TP_PROTO(struct task_struct *task, const char *comm)`, include/trace/events/task.h: a thread takes
/// another name, by an `execve` or by asking for it (prctl(2), `/proc/PID/comm`). Attached where the
/// names of threads matter.
#[raw_tracepoint(tracepoint = "task_rename")]
fn task_rename(ctx: RawTracePointContext) -> Option<()> {
    let (task, name): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    let tgid = tgid_of(task)?;
    let tid: u32 = peek(task.wrapping_add(layout!(task_pid) as usize))?;
    let start = peek(task.wrapping_add(layout!(task_start_time) as usize))?;
    // A process is traced by the name of its leading thread.
    if layout!(comm[0]) != 0 && tid == tgid {
        if is_wanted(name) {
            group_byte(tgid).set(Group::FIRST.index());
        } else if layout!(follow) == 0 {
            group_byte(tgid).set(0);
        }
    }
    cells::renamed(counted_group(), TaskId::new(tid, start), name);
    Some(())
}

/// Whether the text at an address is the name that processes are traced by.
#[inline(always)]
fn is_wanted(name: *const u8) -> bool {
    for n in 0..16 {
        let wanted = layout!(comm[n]);
        if peek::<u8>(name.wrapping_add(n)) != Some(wanted) {
            return false;
        }
        if wanted == 0 {
            break;
        }
    }
    true
}

/// The id of the process that runs this, which `BPF_PROG_TEST_RUN` lets zc do: its own in the initial
/// PID namespace.
#[raw_tracepoint]
fn own_pid(_ctx: RawTracePointContext) {
    answer(current_tgid());
}

/// What a program that user space runs found out. In a section of its own, which user space reads as
/// a map: aya's macro lets a program return nothing.
#[unsafe(link_section = ".data.answer")]
static mut ANSWER: u32 = 0;

/// Tells user space.
#[inline(always)]
pub(crate) fn answer(number: u32) {
    let place = &raw mut ANSWER;
    // SAFETY: a valid static.
    unsafe { place.write_volatile(number) };
}

/// The end of a task. Its group byte stays until the process id is given out again, which
/// `process_fork` sees: an ended task makes no more calls.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn process_exit(_ctx: RawTracePointContext) -> Option<()> {
    count_event(counted_group()?, Event::Exit);
    Some(())
}
