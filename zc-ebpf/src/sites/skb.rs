//! Copies inside the network stack, often in a softirq on top of an uninvolved task.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::Site;

use super::{count_machine, return_int};
use crate::layout::skb_data_len;

/// `int skb_copy_ubufs(struct sk_buff *, gfp_t)`: replaces all borrowed pages by copies, so the
/// paged length is what it copied.
#[fexit]
fn skb_copy_ubufs(ctx: FExitContext) {
    let skb: *const u8 = ctx.arg(0);
    if return_int(&ctx, Site::SkbCopyUbufs) == 0 {
        // SAFETY: argument 0 is a `struct sk_buff *`.
        count_machine(Site::SkbCopyUbufs, unsafe { skb_data_len(skb) });
    }
}

/// `int skb_copy_bits(const struct sk_buff *, int offset, void *to, int len)`.
#[fexit]
fn skb_copy_bits(ctx: FExitContext) {
    let len: i32 = ctx.arg(3);
    if return_int(&ctx, Site::SkbCopyBits) == 0 {
        count_machine(Site::SkbCopyBits, u64::try_from(len).unwrap_or(0));
    }
}
