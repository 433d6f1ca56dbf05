//! The breakdown: what each thread did in each system call, between which kinds of file.
//!
//! Beside the counters of the whole group, which have room for everything, in a table that may be
//! full: then the breakdown lacks something, is known to, and the group's sums do not.

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zc_common::{Cell, Event, Group, Site, Tally, TaskId, Thread};

use crate::{
    call,
    counters::{self, add_tally, count_loss, make_tally},
    layout::{Class, layout},
    memory::current_tid,
    owner::Owner,
    task::{self, Registers},
};

/// Counts by thread, so that no two CPUs want one at the same time. User space sets the size.
#[map]
static CELLS: HashMap<Cell, Tally> = HashMap::with_max_entries(1, 0);

/// Who the threads are. User space sets the size.
#[map]
static THREADS: HashMap<TaskId, Thread> = HashMap::with_max_entries(1, 0);

/// Whether there is a breakdown. Known before the programs are verified, so that they have none of
/// the code below where there is not.
#[inline(always)]
fn wanted() -> bool {
    layout!(breakdown) != 0
}

/// On whose account something is.
#[derive(Clone, Copy)]
pub(crate) struct Whose {
    /// The group.
    pub(crate) group: Group,
    /// The thread; [`Whose::ON_CPU`] for the one that runs.
    pub(crate) task: TaskId,
}

impl Whose {
    /// The thread on the CPU, whose id is found out only where there is a breakdown.
    pub(crate) const ON_CPU: TaskId = TaskId(u64::MAX);

    /// That of the task on the CPU.
    #[inline(always)]
    pub(crate) const fn current(group: Group) -> Self {
        Self { group, task: Self::ON_CPU }
    }

    /// That of whoever sent on a socket.
    #[inline(always)]
    pub(crate) const fn sent(Owner { group, task }: Owner) -> Self {
        Self { group, task }
    }
}

/// Counts one pass through `site`.
#[inline(always)]
pub(crate) fn count_site(whose: Whose, site: Site, class: Class, bytes: u64) {
    counters::count_site(whose.group, site, class, bytes);
    if wanted() && whose.group != Group::MACHINE {
        let class = (class.index() as u64 & 0xff) as u8;
        let which = packed(whose.group, Cell::NETWORK_STACK, site as u8, class);
        if whose.task == Whose::ON_CPU {
            count_in_call(which, bytes);
        } else {
            count_cell(whose.task.0, which, bytes);
        }
    }
}

/// A system call of the task on the CPU returned `ret`.
#[inline(always)]
pub(crate) fn returned(group: Group, registers: impl FnOnce() -> Option<Registers>, ret: i64) {
    if wanted()
        && let Some(registers) = registers()
    {
        let task = task::current();
        let call = call::returning(&registers, task);
        let which = packed(group, 0, Cell::RETURN, u8::from(ret < 0)) | call.packed();
        count_cell(task.0, which, u64::try_from(ret).unwrap_or(0));
    }
}

/// An event of the task on the CPU.
#[inline(always)]
pub(crate) fn happened(group: Group, event: usize, value: u64) {
    event_of(group, Whose::ON_CPU, event, value);
}

/// An event on behalf of `task`, whoever is on the CPU.
#[inline(always)]
pub(crate) fn event_of(group: Group, task: TaskId, event: usize, value: u64) {
    if wanted() && group != Group::MACHINE {
        let which = packed(group, Cell::NO_CALL, Cell::EVENT, (event as u64 & 0xff) as u8);
        count_cell(task.0, which, value);
    }
}

/// A thread takes the name at an address; `counted` is the group of the task on the CPU from now on.
#[inline(always)]
pub(crate) fn renamed(counted: Option<Group>, task: TaskId, name: *const u8) {
    if !wanted() {
        return;
    }
    // The kernel tells before it writes the name (`__set_task_comm`, fs/exec.c). Something that
    // interrupts the task in between may be the first that is counted for it, and would keep the name
    // that it had.
    if let Some(group) = counted {
        introduce(group, task);
    }
    if let Some(thread) = THREADS.get_ptr_mut(task) {
        // SAFETY: the place of a field of a map value, which is never removed.
        task::read_name(unsafe { &raw mut (*thread).comm }, name);
    }
}

/// What is counted, but for the thread, in one number; its lower half is [`Call::packed`].
#[inline(always)]
fn packed(group: Group, call: u16, what: u8, class: u8) -> u64 {
    u64::from(group.index()) << 48
        | u64::from(class) << 40
        | u64::from(what) << 32
        | u64::from(call) << 16
}

/// Adds to a cell. Global, so that the verifier walks it once for a program and not once for every state
/// that a program may call it in; then it takes nothing but numbers (`btf_prepare_func_args`,
/// kernel/bpf/btf.c) and must return one.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn count_cell(task: u64, which: u64, bytes: u64) -> u64 {
    // Verified without its callers, and so told again that there may be nothing to do.
    if !wanted() {
        return 0;
    }
    let cell = Cell {
        task: if task == Whose::ON_CPU.0 { task::current() } else { TaskId(task) },
        call: (which >> 16 & 0xffff) as u16,
        source: (which & 0xff) as u8,
        sink: (which >> 8 & 0xff) as u8,
        what: (which >> 32 & 0xff) as u8,
        class: (which >> 40 & 0xff) as u8,
        zero: 0,
    };
    if let Some(group) = Group::from_table((which >> 48 & 0xff) as u8) {
        count(group, &cell, bytes);
    }
    0
}

/// Adds to a cell of the call that the task on the CPU is in, whatever call `which` names. Global as
/// well.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn count_in_call(which: u64, bytes: u64) -> u64 {
    if !wanted() {
        return 0;
    }
    let task = task::current();
    count_cell(task.0, which & !0xffff_ffff | call::current(task).packed(), bytes)
}

#[inline(always)]
fn count(group: Group, cell: &Cell, bytes: u64) {
    if let Some(tally) = CELLS.get_ptr_mut(cell) {
        add_tally(tally, bytes);
        return;
    }
    introduce(group, cell.task);
    match make_tally(&CELLS, cell) {
        Some(tally) => add_tally(tally, bytes),
        None => count_loss(group, Event::Unlisted),
    }
}

/// Remembers who `task` is, if it is the task on the CPU; of another one nothing can be read.
#[inline(always)]
fn introduce(group: Group, task: TaskId) {
    if task.tid() != current_tid() || known(task) {
        return;
    }
    let mut thread = task::describe();
    remember(group, task, &thread);
    // A process is called like its leading thread, which may do nothing itself.
    if thread.leader != task && !known(thread.leader) {
        task::describe_leader(&mut thread);
        remember(group, thread.leader, &thread);
    }
}

/// Where there is no room, what the thread does still has some, under its id; but nobody knows whose it
/// is.
#[inline(always)]
fn remember(group: Group, task: TaskId, thread: &Thread) {
    /// Not that another CPU was faster (include/uapi/asm-generic/errno-base.h).
    const E2BIG: i32 = -7;
    if THREADS.insert(task, thread, u64::from(BPF_NOEXIST)) == Err(E2BIG) {
        count_loss(group, Event::Unlisted);
    }
}

#[inline(always)]
fn known(task: TaskId) -> bool {
    THREADS.get_ptr(task).is_some()
}
