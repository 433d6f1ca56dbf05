//! The copy primitives, for an audit: two programs on each, one for a kprobe and one for an execution
//! breakpoint, of which one is loaded.
//!
//! Both run before the function's first instruction: the registers hold its arguments, and what is
//! counted is what was asked for. The primitives live in the kernel's `lib/`, which is compiled
//! without the hooks that fexit needs.

use aya_ebpf::{
    EbpfContext,
    macros::{kprobe, map, perf_event},
    maps::PerCpuArray,
    programs::{PerfEventContext, ProbeContext},
};
use zc_common::{GROUP_COUNT, IterClass, Leaf, LeafCounters};

use crate::{
    counters::add_tally,
    layout::{Class, peek_iter},
    target::counted_group,
};

/// By group, as [`crate::counters`] has it.
#[map]
static LEAVES: PerCpuArray<LeafCounters> = PerCpuArray::with_max_entries(GROUP_COUNT, 0);

/// Words into `struct pt_regs`, with which the context of a perf event begins and which that of a
/// kprobe is: the second, third and fourth argument of a C function. User-space ABI on x86-64
/// (`arch/x86/include/uapi/asm/ptrace.h`, `include/uapi/linux/bpf_perf_event.h`), so it needs no BTF.
const RSI: usize = 13;
const RDX: usize = 12;
const RCX: usize = 11;

/// Word `N` of the registers.
#[inline(always)]
fn register<const N: usize>(ctx: &impl EbpfContext) -> u64 {
    let word = ctx.as_ptr().cast::<u64>().wrapping_add(N);
    // SAFETY: the verifier checks that the word is in the context.
    unsafe { word.read_volatile() }
}

/// Counts `bytes`.
#[inline(always)]
fn count(leaf: Leaf, class: impl Into<Class>, bytes: u64) -> Option<()> {
    let group = counted_group()?;
    let counters = LEAVES.get_ptr_mut(u32::from(group.index()))?;
    // SAFETY: the map value is valid; both enums are inside the array (checked in zc-common).
    let tally = unsafe { &raw mut (*counters).leaves[leaf as usize][class.into().index()] };
    add_tally(tally, bytes);
    Some(())
}

/// Counts what is copied through an iterator: the bytes asked for, or as many as it has left.
///
/// 5.10 asks for the rest of a page however few bytes the reader wants, and leaves the rest to
/// the iterator (`generic_file_buffered_read`, `mm/filemap.c`).
#[inline(always)]
fn count_iter<const SIZE: usize, const ITER: usize>(
    ctx: &impl EbpfContext,
    leaf: Leaf,
) -> Option<()> {
    let iter = register::<ITER>(ctx) as *const u8;
    let (class, left) = peek_iter(iter)?;
    count(leaf, class, register::<SIZE>(ctx).min(left))
}

/// The programs of a leaf, `leaf_…` for a breakpoint and `kprobe_…` for a kprobe, with one body.
macro_rules! leaves {
    ($($breakpoint:ident, $kprobe:ident: |$ctx:ident| $body:expr;)+) => { $(
        #[perf_event]
        fn $breakpoint($ctx: PerfEventContext) -> Option<()> {
            $body
        }

        #[kprobe]
        fn $kprobe($ctx: ProbeContext) -> Option<()> {
            $body
        }
    )+ };
}

leaves! {
    leaf_copy_to_iter, kprobe_copy_to_iter:
        |ctx| count_iter::<RSI, RDX>(&ctx, Leaf::CopyToIter);
    leaf_copy_from_iter, kprobe_copy_from_iter:
        |ctx| count_iter::<RSI, RDX>(&ctx, Leaf::CopyFromIter);
    leaf_copy_from_iter_full, kprobe_copy_from_iter_full:
        |ctx| count_iter::<RSI, RDX>(&ctx, Leaf::CopyFromIterFull);
    leaf_copy_page_to_iter, kprobe_copy_page_to_iter:
        |ctx| count_iter::<RDX, RCX>(&ctx, Leaf::CopyPageToIter);
    leaf_copy_page_from_iter, kprobe_copy_page_from_iter:
        |ctx| count_iter::<RDX, RCX>(&ctx, Leaf::CopyPageFromIter);
    leaf_copy_folio_from_iter_atomic, kprobe_copy_folio_from_iter_atomic:
        |ctx| count_iter::<RDX, RCX>(&ctx, Leaf::CopyFolioFromIterAtomic);
    leaf_iov_iter_copy_from_user_atomic, kprobe_iov_iter_copy_from_user_atomic:
        |ctx| count_iter::<RCX, RSI>(&ctx, Leaf::IovIterCopyFromUserAtomic);
    leaf_copy_from_iter_nocache, kprobe_copy_from_iter_nocache:
        |ctx| count_iter::<RSI, RDX>(&ctx, Leaf::CopyFromIterNocache);
    leaf_copy_from_iter_full_nocache, kprobe_copy_from_iter_full_nocache:
        |ctx| count_iter::<RSI, RDX>(&ctx, Leaf::CopyFromIterFullNocache);
    leaf_csum_and_copy_to_iter, kprobe_csum_and_copy_to_iter:
        |ctx| count_iter::<RSI, RCX>(&ctx, Leaf::CsumAndCopyToIter);
    leaf_csum_and_copy_from_iter, kprobe_csum_and_copy_from_iter:
        |ctx| count_iter::<RSI, RCX>(&ctx, Leaf::CsumAndCopyFromIter);
    leaf_csum_and_copy_from_iter_full, kprobe_csum_and_copy_from_iter_full:
        |ctx| count_iter::<RSI, RCX>(&ctx, Leaf::CsumAndCopyFromIterFull);
    leaf_copy_to_user, kprobe_copy_to_user:
        |ctx| count(Leaf::CopyToUser, IterClass::None, register::<RDX>(&ctx));
    leaf_copy_from_user, kprobe_copy_from_user:
        |ctx| count(Leaf::CopyFromUser, IterClass::None, register::<RDX>(&ctx));
}
