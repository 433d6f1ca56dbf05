//! Adding to the counters.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    macros::map,
    maps::{HashMap, PerCpuArray},
};
use zc_common::{Counters, Event, GROUP_COUNT, Group, Interrupt, Mode, SYSCALL_SLOTS, Site, Tally};

use crate::{cells, layout::Class, owner::Owner};

/// By group. Per CPU, so that CPUs do not share cache lines.
#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(GROUP_COUNT, 0);

/// Adds atomically.
///
/// A per-CPU slot is not enough: tracing programs run with preemption on (only migration is off),
/// so another traced task on this CPU can come between a plain load and its store. From 5.12 on
/// the kernel does not let a program interrupt itself on a CPU, but some counters have several
/// programs, and older kernels have no such rule.
#[inline(always)]
fn add(counter: *mut u64, value: u64) {
    // SAFETY: callers pass a field of a map value, which is valid and aligned.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, value) };
}

/// Adds one pass and its bytes to a tally of a map value.
#[inline(always)]
pub(crate) fn add_tally(tally: *mut Tally, bytes: u64) {
    // SAFETY: callers pass a field of a map value.
    add(unsafe { &raw mut (*tally).calls }, 1);
    // SAFETY: the same.
    add(unsafe { &raw mut (*tally).bytes }, bytes);
}

/// A tally before its first pass. A static, because zeros on the stack become a call of `memset`, a loop.
static NOTHING: Tally = Tally { calls: 0, bytes: 0 };

/// Makes a tally in a table that has none for `key`; `None` when there is no room for it.
#[inline(always)]
pub(crate) fn make_tally<K>(table: &HashMap<K, Tally>, key: &K) -> Option<*mut Tally> {
    // By reference: by value it would be made on the stack.
    let nothing: &Tally = &NOTHING;
    // Another CPU may have been faster.
    let _there = table.insert(key, nothing, u64::from(BPF_NOEXIST));
    table.get_ptr_mut(key)
}

/// Counts one return of a system call that moved `bytes`.
#[inline(always)]
pub(crate) fn count_syscall(group: Group, slot: usize, bytes: u64) {
    if let Some(counters) = COUNTERS.get_ptr_mut(u32::from(group.index())) {
        // SAFETY: the map value is valid; the mask keeps the index inside the array.
        let tally = unsafe { &raw mut (*counters).syscalls[slot & (SYSCALL_SLOTS - 1)] };
        add_tally(tally, bytes);
    }
}

/// Counts one pass through `site`.
#[inline(always)]
pub(crate) fn count_site(group: Group, site: Site, class: Class, bytes: u64) {
    if let Some(counters) = COUNTERS.get_ptr_mut(u32::from(group.index())) {
        // SAFETY: the map value is valid; both enums are inside the array (checked in zc-common).
        let tally = unsafe { &raw mut (*counters).sites[site as usize][class.index()] };
        add_tally(tally, bytes);
    }
}

/// Counts one event of the task on the CPU.
#[inline(always)]
pub(crate) fn count_event(group: Group, event: Event) {
    add_event(group, event as usize, 1);
    cells::happened(group, event as usize, 1);
}

/// Counts something that is lost, for the whole group.
#[inline(always)]
pub(crate) fn count_loss(group: Group, event: Event) {
    add_event(group, event as usize, 1);
}

/// Counts `bytes` of `event` of the task on the CPU.
#[inline(always)]
pub(crate) fn count_bytes(group: Group, event: Event, bytes: u32) {
    add_event(group, event as usize, u64::from(bytes));
    cells::happened(group, event as usize, u64::from(bytes));
}

/// Counts `bytes`, or whatever `event` counts, of what the network stack moves for `owner`.
#[inline(always)]
pub(crate) fn count_bytes_of(owner: Owner, event: Event, bytes: u32) {
    add_event(owner.group, event as usize, u64::from(bytes));
    cells::event_of(owner.group, owner.task, event as usize, u64::from(bytes));
}

/// Counts one interrupt of the task on the CPU.
#[inline(always)]
pub(crate) fn count_interrupt(group: Group, interrupt: Interrupt, mode: Mode) {
    add_event(group, interrupt.event(mode), 1);
    cells::happened(group, interrupt.event(mode), 1);
}

#[inline(always)]
fn add_event(group: Group, event: usize, value: u64) {
    if let Some(counters) = COUNTERS.get_ptr_mut(u32::from(group.index())) {
        // SAFETY: the map value is valid; the mask keeps the index inside the array.
        let counter = unsafe { &raw mut (*counters).events[event & (Event::SLOTS - 1)] };
        add(counter, value);
    }
}
