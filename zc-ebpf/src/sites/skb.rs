//! Copies inside the network stack, often in a softirq on top of an uninvolved task: charged to
//! the socket's owner.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext, tracing::StackIdContext},
};
use zc_common::{IterClass, Site};

use super::{return_int, return_value};
use crate::{
    cells::Whose,
    layout::{layout, skb_data_len, skb_headlen, skb_len},
    memory::{Tracked, peek, peek_or_zero},
    owner::{lender_or_owner_of, owner_of, shared_part},
    stacks::count,
    target,
};

/// Counts `bytes` of `skb` for its owner.
#[inline(always)]
fn count_owner(ctx: &impl StackIdContext, skb: Tracked, site: Site, class: IterClass, bytes: u64) {
    if bytes > 0 && target::armed() {
        count(ctx, Whose::sent(owner_of(skb)), site, || class, bytes);
    }
}

/// Most page fragments that a buffer has (`CONFIG_MAX_SKB_FRAGS`, net/Kconfig).
const MAX_FRAGS: u32 = 45;

/// Bytes of `skb`'s pages, without those of the buffers that hang on it (`frag_list`). These the
/// kernel's functions reach by calling themselves, so that they are counted on their own.
#[inline(always)]
fn own_paged(skb: Tracked) -> i64 {
    let shared = shared_part(skb);
    let hanging: u64 = peek(shared.wrapping_add(layout!(shinfo_frag_list) as usize)).unwrap_or(0);
    if hanging == 0 {
        return skb_data_len(skb).cast_signed();
    }
    paged_bytes(shared as u64).cast_signed()
}

/// The bytes of all fragments of the `struct skb_shared_info` at an address. Global, so that the
/// verifier, which walks every round of a loop, does so once and without what follows.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn paged_bytes(shared: u64) -> u64 {
    let shared = shared as *const u8;
    let frags: u8 = peek_or_zero(shared.wrapping_add(layout!(shinfo_nr_frags) as usize));
    let mut bytes = 0;
    for frag in 0..MAX_FRAGS.min(u32::from(frags)) {
        let at = layout!(shinfo_frag_len) + frag * layout!(frag_size);
        bytes += u64::from(peek_or_zero::<u32>(shared.wrapping_add(at as usize)));
    }
    bytes
}

/// Counts `len` bytes of `skb` from `offset` on, the linear part and the pages apart.
#[inline(always)]
fn count_range(ctx: &impl StackIdContext, skb: Tracked, site: Site, offset: i32, len: i32) {
    if !target::armed() {
        return;
    }
    let headlen = skb_headlen(skb).cast_signed();
    // A negative offset reaches the headers that were pulled off.
    let (offset, len) = (i64::from(offset), i64::from(len));
    // Not `clamp`: its panic is a loop, which the verifier refuses.
    let linear = (headlen - offset).min(len).max(0);
    let owner = Whose::sent(owner_of(skb));
    let count_part = |class: IterClass, bytes: i64| {
        if bytes > 0 {
            count(ctx, owner, site, || class, bytes.cast_unsigned());
        }
    };
    count_part(IterClass::Linear, linear);
    if linear < len {
        // Counted from the first byte in pages on.
        let start = (offset - headlen).max(0);
        count_part(IterClass::Paged, (len - linear).min(own_paged(skb) - start));
    }
}

/// `int skb_copy_ubufs(struct sk_buff *, gfp_t)`: replaces all borrowed pages by copies, so the
/// paged length is what it copies. At its entry, because at its exit the lender is forgotten. A
/// failure (no memory) drops the packet, which is then sent and copied again.
#[fentry]
fn skb_copy_ubufs(ctx: FEntryContext) {
    let skb = Tracked(ctx.arg(0));
    let bytes = skb_data_len(skb);
    if bytes > 0 && target::armed() {
        let lender = Whose::sent(lender_or_owner_of(skb));
        count(&ctx, lender, Site::SkbCopyUbufs, || IterClass::Paged, bytes);
    }
}

/// `int skb_copy_bits(const struct sk_buff *, int offset, void *to, int len)`.
#[fexit]
fn skb_copy_bits(ctx: FExitContext) {
    let skb = Tracked(ctx.arg(0));
    if return_int(&ctx, Site::SkbCopyBits) == 0 {
        count_range(&ctx, skb, Site::SkbCopyBits, ctx.arg(1), ctx.arg(3));
    }
}

/// `__wsum skb_copy_and_csum_bits(const struct sk_buff *, int offset, u8 *to, int len)`: cannot
/// fail.
#[fexit]
fn skb_copy_and_csum_bits(ctx: FExitContext) {
    let skb = Tracked(ctx.arg(0));
    count_range(&ctx, skb, Site::SkbCsumBits, ctx.arg(1), ctx.arg(3));
}

/// Counts all of the buffer in argument 0 when the function returned a pointer.
#[inline(always)]
fn whole(ctx: &FExitContext, site: Site) {
    let skb = Tracked(ctx.arg(0));
    if return_value(ctx, site) != 0 {
        count_owner(ctx, skb, site, IterClass::None, skb_len(skb));
    }
}

/// `struct sk_buff *skb_copy(const struct sk_buff *, gfp_t)`: by `skb_copy_bits`.
#[fexit]
fn skb_copy(ctx: FExitContext) {
    whole(&ctx, Site::SkbCopy);
}

/// `struct sk_buff *skb_copy_expand(const struct sk_buff *, int, int, gfp_t)`: by `skb_copy_bits`.
#[fexit]
fn skb_copy_expand(ctx: FExitContext) {
    whole(&ctx, Site::SkbCopyExpand);
}

/// `struct sk_buff *__pskb_copy_fclone(struct sk_buff *, int, gfp_t, bool)`: copies the linear
/// part itself and shares the pages.
#[fexit]
fn __pskb_copy_fclone(ctx: FExitContext) {
    let skb = Tracked(ctx.arg(0));
    if return_value(&ctx, Site::PskbCopy) != 0 {
        count_owner(&ctx, skb, Site::PskbCopy, IterClass::Linear, skb_headlen(skb));
    }
}

/// `void *__pskb_pull_tail(struct sk_buff *, int delta)`: linearising, by `skb_copy_bits`.
#[fexit]
fn __pskb_pull_tail(ctx: FExitContext) {
    let skb = Tracked(ctx.arg(0));
    let delta: i32 = ctx.arg(1);
    if return_value(&ctx, Site::PskbPullTail) != 0 {
        let bytes = u64::try_from(delta).unwrap_or(0);
        count_owner(&ctx, skb, Site::PskbPullTail, IterClass::None, bytes);
    }
}
