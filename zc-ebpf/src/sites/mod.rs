//! One program per site: how many bytes passed, and through which kind of iterator.
//!
//! All are fexit programs: one trampoline sees the arguments and the return value, so a call
//! needs no map to pair its entry with its exit.

use core::arch::asm;

use aya_ebpf::{
    EbpfContext,
    programs::{FExitContext, tracing::StackIdContext},
};
use zc_common::{Group, IterClass, Site};

use crate::{
    cells::Whose,
    counters::count_site,
    layout::{Class, iter_class, layout, params},
    memory::{Tracked, apart},
    stacks::count,
    target,
};

mod file;
mod memory;
mod pipe;
mod skb;
mod socket;
mod splice;
mod spliced;
mod tls;
mod udp;

/// The return value of the traced function, whose place depends on its number of parameters.
///
/// `bpf_get_func_ret` would do it without counting, but only from 5.17 on and as a helper call.
#[inline(always)]
fn return_value(ctx: &FExitContext, site: Site) -> i64 {
    match params(site) {
        1 => word::<1>(ctx),
        2 => word::<2>(ctx),
        3 => word::<3>(ctx),
        4 => word::<4>(ctx),
        5 => word::<5>(ctx),
        6 => word::<6>(ctx),
        _ => 0,
    }
}

/// Word `N` of the context. In assembly, because LLVM would merge the loads of several `N` into
/// one at a computed offset, and the verifier accepts only constant offsets into a context.
#[inline(always)]
fn word<const N: usize>(ctx: &FExitContext) -> i64 {
    let value: i64;
    // SAFETY: the verifier checks that word N is an argument or the return value.
    unsafe {
        asm!(
            "{value} = *(u64 *)({ctx} + {offset})",
            value = out(reg) value,
            ctx = in(reg) ctx.as_ptr(),
            offset = const N * 8,
            options(nostack, readonly, preserves_flags, pure),
        );
    }
    value
}

/// The same for a function that returns `int`: the register's upper half is undefined.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is the whole value")]
fn return_int(ctx: &FExitContext, site: Site) -> i64 {
    i64::from(return_value(ctx, site) as i32)
}

/// Counts a pass in process context for the task on the CPU. A negative `bytes` is an error
/// return: nothing moved, nothing counted.
#[inline(always)]
fn count_current<C: Into<Class>>(
    ctx: &impl StackIdContext,
    site: Site,
    class: impl FnOnce() -> C,
    bytes: impl FnOnce() -> i64,
) -> Option<()> {
    // First, because most calls are those of processes that nobody traces.
    if layout!(extras) == 0 {
        let group = target::watched_group()?;
        let bytes = bytes();
        if bytes >= 0 {
            count_site(group, site, class().into(), bytes.cast_unsigned());
        }
        return Some(());
    }
    apart();
    let group = target::counted_group()?;
    let bytes = bytes();
    if bytes >= 0 {
        count(ctx, Whose::current(group), site, class, bytes.cast_unsigned());
    }
    Some(())
}

/// Counts a pass whose return value is the bytes and whose argument `n` is the
/// `struct iov_iter *`.
#[inline(always)]
fn count_iter(ctx: &FExitContext, site: Site, n: usize) -> Option<()> {
    count_current(ctx, site, || iter_class(Tracked(ctx.arg(n))), || return_value(ctx, site))
}

/// The same for a function without an iterator.
#[inline(always)]
fn count_bare(ctx: &FExitContext, site: Site) -> Option<()> {
    count_current(ctx, site, || IterClass::None, || return_value(ctx, site))
}

/// Counts a pass on nobody's behalf.
#[inline(always)]
fn count_machine(ctx: &impl StackIdContext, site: Site, class: IterClass, bytes: u64) {
    if target::armed() {
        count(ctx, Whose::current(Group::MACHINE), site, || class, bytes);
    }
}
