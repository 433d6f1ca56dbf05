//! Splicing out of a socket: its pages go by reference, and what a buffer holds in its linear part is
//! copied to a page first, unless that lies in a page that can be referred to (`__skb_splice_bits`,
//! net/core/skbuff.c).
//!
//! Whether it could be stands in the buffer. The copy comes first, so that it is made even if the pipe
//! turns out to have no room: then it is thrown away, and made once more by the next call.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::{BitField, IterClass, Site};

use super::{count_current, return_int, skb::paged_bytes};
use crate::{
    layout::layout,
    memory::{number, peek_or_zero},
    target,
};

/// Buffers that hang on one (`frag_list`), at most. Receive offload chains as many as there are packets
/// in 64 KiB.
const MAX_HANGING: u32 = 64;

/// How many bytes were copied cannot be told.
const UNTOLD: u64 = u64::MAX;

/// The references to a buffer's data, of `dataref` (`SKB_DATAREF_MASK`, include/linux/skbuff.h).
const REFERENCES: u32 = 0xffff;

/// `int skb_splice_bits(struct sk_buff *, struct sock *, unsigned offset, struct pipe_inode_info *,
/// unsigned len, unsigned flags)`. What cannot be told is not counted, and coverage lacks the bytes.
#[fexit]
fn skb_splice_bits(ctx: FExitContext) -> Option<()> {
    target::counted_group()?;
    let (offset, asked): (u32, u32) = (ctx.arg(2), ctx.arg(4));
    let moved = return_int(&ctx, Site::SkbSpliceBits);
    let skb = number(ctx.arg(0))?;
    let copied = copied(skb, offset.into(), asked.into(), moved.cast_unsigned());
    if copied == UNTOLD {
        return None;
    }
    if copied > 0 {
        let copied = copied.cast_signed();
        count_current(&ctx, Site::SkbSpliceBits, || IterClass::Kernel, || copied);
    }
    count_current(&ctx, Site::SkbSpliceBits, || IterClass::None, || moved)
}

/// A field of the structure at an address.
#[inline(always)]
fn field<T: Copy>(base: u64, offset: u32) -> T {
    peek_or_zero((base as *const u8).wrapping_add(offset as usize))
}

#[inline(always)]
fn bit(base: u64, BitField { at, mask }: BitField) -> bool {
    u32::from(field::<u8>(base, at)) & mask != 0
}

#[inline(always)]
fn length(skb: u64) -> u64 {
    field::<u32>(skb, layout!(skb_len)).into()
}

#[inline(always)]
fn linear(skb: u64) -> u64 {
    length(skb).wrapping_sub(field::<u32>(skb, layout!(skb_data_len)).into())
}

/// The `struct skb_shared_info` of a buffer (`skb_end_pointer`, include/linux/skbuff.h).
#[inline(always)]
fn shared(skb: u64) -> u64 {
    let end: u32 = field(skb, layout!(skb_end));
    field::<u64>(skb, layout!(skb_head)).wrapping_add(end.into())
}

/// The first of the buffers that hang on one; 0 for none.
#[inline(always)]
fn hanging(skb: u64) -> u64 {
    field(shared(skb), layout!(shinfo_frag_list))
}

/// Of the linear part of `skb`, which begins `at` bytes into the whole, the bytes from `start` to `end`
/// that had to be copied (`skb_head_is_locked`, include/linux/skbuff.h). Global, as [`copied`] is, whose
/// loop is short without it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn copied_of(skb: u64, at: u64, start: u64, end: u64) -> u64 {
    let (start, end) = (start.max(at), end.min(at + linear(skb)));
    if start >= end {
        return 0;
    }
    if !bit(skb, layout!(skb_head_frag)) {
        return end - start;
    }
    if !bit(skb, layout!(skb_cloned)) {
        return 0;
    }
    // Others that refer to the data may have let go of it since the kernel asked.
    if field::<u32>(shared(skb), layout!(shinfo_dataref)) & REFERENCES == 1 {
        return UNTOLD;
    }
    end - start
}

/// How many bytes were copied of the `asked` ones from `offset` on of which the pipe took `moved`, a
/// negative number if it refused; [`UNTOLD`] if that cannot be told. Global, so that the verifier walks
/// the loop once; such a function takes numbers alone.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn copied(skb: u64, offset: u64, asked: u64, moved: u64) -> u64 {
    let moved = moved.cast_signed();
    // There was no memory, or nothing to move.
    if moved == 0 {
        return 0;
    }
    let end = offset + asked;
    let mut copied = copied_of(skb, 0, offset, end);
    let mut next = hanging(skb);
    if next == 0 || copied == UNTOLD {
        return copied;
    }
    let taken = offset + moved.max(0).cast_unsigned();
    let mut at = linear(skb) + paged_bytes(shared(skb));
    for _ in 0..MAX_HANGING {
        if next == 0 {
            return copied;
        }
        let of_next = copied_of(next, at, offset, end);
        // Of what did not get into the pipe nobody knows how far the kernel came, nor where it lies in
        // buffers that hang on this one in turn.
        if of_next != copied_of(next, at, offset, taken) || of_next == UNTOLD || hanging(next) != 0
        {
            return UNTOLD;
        }
        copied += of_next;
        at += length(next);
        next = field(next, layout!(skb_next));
    }
    UNTOLD
}
