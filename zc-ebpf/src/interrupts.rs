//! Interrupts, and what they hit: a program, which is a mode switch, or the kernel.
//!
//! They count for the task that was interrupted; it is its user mode that was left.

use aya_ebpf::{
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::{fentry, raw_tracepoint},
    programs::{FEntryContext, RawTracePointContext},
};
use zc_common::{Interrupt, Mode};

use crate::{
    counters::count_interrupt,
    memory::Tracked,
    switches::ORIG_AX,
    target::{counted_group, counted_group_or_machine},
};

/// Bytes into `struct pt_regs`: the code segment, whose two lowest bits are the privilege level.
/// User-space ABI on x86-64 (`arch/x86/include/uapi/asm/ptrace.h`). 16 bits: from 6.9 on, FRED
/// keeps other things in the rest of the word.
const CS: u32 = 17 * 8;

/// Programs on handlers `void handler(struct pt_regs *regs, …)`, which run once an interrupt with
/// interrupts off (`DEFINE_IDTENTRY_IRQ` and `DEFINE_IDTENTRY_SYSVEC`,
/// `arch/x86/include/asm/idtentry.h`). The registers are those of what was interrupted.
macro_rules! handlers {
    ($($program:ident: $interrupt:ident;)*) => {$(
        #[fentry]
        fn $program(ctx: FEntryContext) -> Option<()> {
            let group = counted_group_or_machine()?;
            let cs: u16 = Tracked(ctx.arg(0)).read(CS);
            let mode = if cs & 3 == 0 { Mode::Kernel } else { Mode::User };
            count_interrupt(group, Interrupt::$interrupt, mode);
            Some(())
        }
    )*};
}

handlers! {
    device_interrupt: Device;
    timer_interrupt: Timer;
    call_interrupt: Call;
    call_single_interrupt: Call;
    work_interrupt: Work;
    kvm_interrupt: Hypervisor;
    hyperv_interrupt: Hypervisor;
    hyperv_timer_interrupt: Hypervisor;
    xen_interrupt: Hypervisor;
}

/// Another CPU asks this one to choose another task. Its handler (`DEFINE_IDTENTRY_SYSVEC_SIMPLE`)
/// is inlined, so there are no registers to look at: only those of the task's way into the kernel.
/// They say that it was no system call; then it was this interrupt, or the kernel was at work for
/// an exception or another interrupt that had hit the program.
#[raw_tracepoint(tracepoint = "reschedule_entry")]
fn reschedule_interrupt(_ctx: RawTracePointContext) -> Option<()> {
    let group = counted_group_or_machine()?;
    // The registers of a kernel thread mean nothing, and what is not traced may be one.
    let mode = if counted_group().is_some() && entered_by_no_syscall() {
        Mode::User
    } else {
        Mode::Kernel
    };
    count_interrupt(group, Interrupt::Reschedule, mode);
    Some(())
}

/// Whether the task on the CPU entered the kernel in another way than by a system call:
/// `orig_ax` is −1 then (`arch/x86/entry/entry_64.S`).
#[inline(always)]
fn entered_by_no_syscall() -> bool {
    // SAFETY: it only gives the address of the task.
    let task = unsafe { bpf_get_current_task_btf() };
    // SAFETY: it only gives the address of the registers that the task entered the kernel with,
    // which the verifier knows as a `struct pt_regs *`.
    let regs = Tracked(unsafe { bpf_task_pt_regs(task) } as *const u8);
    regs.read::<i64>(ORIG_AX) == -1
}
