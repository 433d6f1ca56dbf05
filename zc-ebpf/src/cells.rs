//! The breakdown: what each thread did in each system call, between which kinds of file.
//!
//! Beside the counters of the whole group, which have room for everything, in a table that may be
//! full: then the breakdown lacks something, is known to, and the group's sums do not.

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zc_common::{Cell, Event, Group, Site, Tally, TaskId, Thread};

use crate::{
    call::{self, Call},
    counters::{self, add_tally, count_loss},
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

/// A count before its first. A static, because zeros on the stack become a call of `memset`, a loop.
static NOTHING: Tally = Tally { calls: 0, bytes: 0 };

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
    if whose.task == Whose::ON_CPU {
        at_site(whose.group, site, class, bytes);
    } else {
        for_sender(whose, site, class, bytes);
    }
}

/// Bytes passed `site` in the task on the CPU, on its own behalf.
#[inline(always)]
fn at_site(group: Group, site: Site, class: Class, bytes: u64) {
    if wanted() && group != Group::MACHINE {
        let task = task::current();
        let Call { number, source, sink } = call::current(task);
        let (what, class) = (site as u8, (class.index() as u64 & 0xff) as u8);
        count(group, &Cell { task, call: number, source, sink, what, class, zero: 0 }, bytes);
    }
}

/// Bytes passed `site` in the network stack on behalf of a sender, whoever is on the CPU.
#[inline(always)]
fn for_sender(Whose { group, task }: Whose, site: Site, class: Class, bytes: u64) {
    if wanted() && group != Group::MACHINE {
        let (what, class) = (site as u8, (class.index() as u64 & 0xff) as u8);
        let call = Cell::NETWORK_STACK;
        count(group, &Cell { task, call, what, class, ..Cell::default() }, bytes);
    }
}

/// A system call of the task on the CPU returned `ret`.
#[inline(always)]
pub(crate) fn returned(group: Group, registers: impl FnOnce() -> Option<Registers>, ret: i64) {
    if wanted()
        && let Some(registers) = registers()
    {
        let task = task::current();
        let Call { number, source, sink } = call::returning(&registers, task);
        let class = u8::from(ret < 0);
        let cell = Cell { task, call: number, source, sink, what: Cell::RETURN, class, zero: 0 };
        count(group, &cell, u64::try_from(ret).unwrap_or(0));
    }
}

/// An event of the task on the CPU.
#[inline(always)]
pub(crate) fn happened(group: Group, event: usize, value: u64) {
    if wanted() && group != Group::MACHINE {
        event_of(group, task::current(), event, value);
    }
}

/// An event on behalf of `task`, whoever is on the CPU.
#[inline(always)]
pub(crate) fn event_of(group: Group, task: TaskId, event: usize, value: u64) {
    if wanted() && group != Group::MACHINE {
        let (what, class) = (Cell::EVENT, (event as u64 & 0xff) as u8);
        let call = Cell::NO_CALL;
        count(group, &Cell { task, call, what, class, ..Cell::default() }, value);
    }
}

/// A thread takes the name at an address.
#[inline(always)]
pub(crate) fn renamed(task: TaskId, name: *const u8) {
    if wanted()
        && let Some(thread) = THREADS.get_ptr_mut(task)
    {
        // SAFETY: the place of a field of a map value, which is never removed.
        task::read_name(unsafe { &raw mut (*thread).comm }, name);
    }
}

#[inline(never)]
fn count(group: Group, cell: &Cell, bytes: u64) {
    if let Some(tally) = CELLS.get_ptr_mut(cell) {
        add_tally(tally, bytes);
        return;
    }
    if cell.task.tid() == current_tid() && !known(cell.task) {
        let mut thread = task::describe();
        remember(group, cell.task, &thread);
        // A process is called like its leading thread, which may do nothing itself.
        if thread.leader != cell.task && !known(thread.leader) {
            task::describe_leader(&mut thread);
            remember(group, thread.leader, &thread);
        }
    }
    // By reference: by value it would be made on the stack.
    let nothing: &Tally = &NOTHING;
    // Another CPU may have been faster.
    let _there = CELLS.insert(cell, nothing, u64::from(BPF_NOEXIST));
    match CELLS.get_ptr_mut(cell) {
        Some(tally) => add_tally(tally, bytes),
        None => count_loss(group, Event::Unlisted),
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
