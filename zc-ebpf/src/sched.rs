//! Context switches: another task gets the CPU. Not to be mixed up with mode switches.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use zc_common::Event;

use crate::{
    counters::count_event,
    layout::layout,
    memory::{Slot, Tracked},
    target::counted_group,
};

/// The state of a task that a signal has stopped (`__TASK_STOPPED`, include/linux/sched.h).
const TASK_STOPPED: u32 = 4;

/// How often the task on this CPU had given it up when it came here, plus 1; 0 before the first
/// switch that we see.
#[map]
static VOLUNTARY: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// `TP_PROTO(bool preempt, struct task_struct *prev, struct task_struct *next, …)`,
/// include/trace/events/sched.h. The task on the CPU is still `prev`.
///
/// What is voluntary is the scheduler's word, which counts the switch in `prev->nvcsw` or
/// `prev->nivcsw` just before (`__schedule`, kernel/sched/core.c). The arguments cannot tell in
/// every case: a task that went to sleep with a signal pending has its state reset by then.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch(ctx: BtfTracePointContext) -> Option<()> {
    let before = Slot::of_this_cpu(&VOLUNTARY, 0)?;
    let [prev, next] = [1, 2].map(|n| Tracked(ctx.arg(n)));
    if let Some(group) = counted_group() {
        let voluntary = match before.get() {
            0 => ctx.arg::<u64>(0) & 1 == 0 && prev.read::<u32>(layout!(task_state)) != 0,
            before => voluntary_switches(prev) + 1 != before,
        };
        let event = if voluntary { Event::SwitchVoluntary } else { Event::SwitchInvoluntary };
        count_event(group, event);
        if voluntary && prev.read::<u32>(layout!(task_state)) & TASK_STOPPED != 0 {
            count_event(group, Event::SwitchStopped);
        }
    }
    // Nothing comes between: the scheduler runs this with interrupts off.
    before.set(voluntary_switches(next) + 1);
    Some(())
}

/// How often a `struct task_struct` has given the CPU up.
#[inline(always)]
fn voluntary_switches(task: Tracked) -> u64 {
    task.read(layout!(task_nvcsw))
}
