//! Crossings between user and kernel mode.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use zc_common::{Event, Group, syscall_slot};

use crate::{
    cells,
    counters::{count_event, count_syscall},
    memory::{Tracked, peek},
    target::{counted_group, watched_group},
    task::Registers,
};

/// Bytes into `struct pt_regs`: `orig_ax`, the system call's number. User-space ABI on x86-64
/// (`arch/x86/include/uapi/asm/ptrace.h`), so it needs no BTF.
pub(crate) const ORIG_AX: u32 = 15 * 8;

/// Counts a return of system call `nr`, entered with the registers at an address; an error moved no
/// bytes.
#[inline(always)]
fn count_return(group: Group, registers: *const u8, nr: i64, ret: i64) {
    count_plain_return(group, nr, ret);
    cells::returned(group, || Registers::at(registers), ret);
}

#[inline(always)]
fn count_plain_return(group: Group, nr: i64, ret: i64) {
    count_syscall(group, syscall_slot(nr), u64::try_from(ret).unwrap_or(0));
}

/// A system call of a watched process returns: for the lab, which asks no more. The exit alone carries
/// the number, the result and the count; the entry would be needed only for calls in flight.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit(ctx: BtfTracePointContext) -> Option<()> {
    let group = watched_group()?;
    // `TP_PROTO(struct pt_regs *regs, long ret)`, include/trace/events/syscalls.h.
    count_plain_return(group, Tracked(ctx.arg(0)).read(ORIG_AX), ctx.arg(1));
    Some(())
}

/// The same for whoever is traced, with the breakdown: a program of its own, since every instruction
/// of the first is paid for by every call of every process.
#[btf_tracepoint(function = "sys_exit")]
fn traced_sys_exit(ctx: BtfTracePointContext) -> Option<()> {
    let group = counted_group()?;
    let registers: *const u8 = ctx.arg(0);
    count_return(group, registers, Tracked(registers).read(ORIG_AX), ctx.arg(1));
    Some(())
}

/// The same for kernels that refuse BTF-typed tracepoints: `args[0]` is then a bare address, and
/// reading it costs a helper call.
#[raw_tracepoint(tracepoint = "sys_exit")]
fn raw_sys_exit(ctx: RawTracePointContext) -> Option<()> {
    let group = counted_group()?;
    let regs: *const u8 = ctx.arg(0);
    count_return(group, regs, peek(regs.wrapping_add(ORIG_AX as usize))?, ctx.arg(1));
    Some(())
}

/// A page fault in user mode: an exception, two mode switches.
#[raw_tracepoint(tracepoint = "page_fault_user")]
fn page_fault_user(_ctx: RawTracePointContext) -> Option<()> {
    count_event(counted_group()?, Event::PageFaultUser);
    Some(())
}

/// A page fault in kernel mode, as when a copy touches user memory that is not mapped yet. The
/// CPU was in kernel mode already: no mode switch.
#[raw_tracepoint(tracepoint = "page_fault_kernel")]
fn page_fault_kernel(_ctx: RawTracePointContext) -> Option<()> {
    count_event(counted_group()?, Event::PageFaultKernel);
    Some(())
}
