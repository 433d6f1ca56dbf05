//! Receiving UDP datagrams.
//!
//! A datagram in one piece is copied by `udp_recvmsg` itself (`copy_linear_skb`, inlined), one
//! with pages by `skb_copy_datagram_msg` and so by `simple_copy_to_iter`, and one whose checksum
//! the device did not verify by `skb_copy_and_csum_datagram_msg`. Which way it is stands in the
//! buffer, and the bytes in the return value of a function that has freed the buffer by then: the
//! way is remembered for the thread in between.

use aya_ebpf::{
    macros::{fentry, fexit, map},
    maps::Array,
    programs::{FEntryContext, FExitContext},
};
use zc_common::{PID_SLOTS, Site};

use super::{count_current, return_int, word};
use crate::{
    layout::{layout, msg_class, msg_count, skb_data_len, skb_len},
    memory::{Slot, Tracked, current_tid},
    target,
};

/// By thread id, eight to a value: 1 while it receives a datagram in one piece.
#[map]
static IN_ONE_PIECE: Array<[u8; 8]> = Array::with_max_entries(PID_SLOTS / 8, 0);

#[inline(always)]
fn in_one_piece() -> Option<Slot<u8>> {
    Slot::byte(&IN_ONE_PIECE, current_tid())
}

/// `struct sk_buff *__skb_recv_udp(struct sock *, unsigned flags, …, int *err)`.
#[fexit]
fn skb_recv_udp(ctx: FExitContext) -> Option<()> {
    target::counted_group()?;
    let skb = match layout!(udp_dequeue_params) {
        4 => word::<4>(&ctx),
        5 => word::<5>(&ctx),
        _ => return None,
    } as *const u8;
    // A `struct sk_buff *`, or null or an error, which read as 0: then there is nothing to count.
    let linear = !skb.is_null() && skb_data_len(Tracked(skb)) == 0;
    in_one_piece()?.set(u8::from(linear));
    Some(())
}

/// `int skb_copy_and_csum_datagram_msg(struct sk_buff *, int hlen, struct msghdr *)`: copies and
/// sums when the receiver has room for all of it, and otherwise verifies first and copies by
/// `simple_copy_to_iter`. At its entry, where the room can still be seen.
#[fentry]
fn skb_copy_and_csum_datagram_msg(ctx: FEntryContext) -> Option<()> {
    let (skb, msg) = (Tracked(ctx.arg(0)), Tracked(ctx.arg(2)));
    let hlen: i32 = ctx.arg(1);
    target::counted_group()?;
    in_one_piece()?.set(0);
    let chunk = skb_len(skb).cast_signed() - i64::from(hlen);
    if msg_count(msg) < chunk.cast_unsigned() {
        return None;
    }
    count_current(&ctx, Site::CsumDatagram, || msg_class(msg), || chunk)
}

/// Counts a datagram in one piece. With `MSG_TRUNC` the return value is its whole length, of which
/// only what fits was copied.
#[inline(always)]
fn datagram(ctx: &FExitContext, site: Site) -> Option<()> {
    let room: u64 = ctx.arg(2);
    target::counted_group()?;
    let piece = in_one_piece()?;
    if piece.get() == 0 {
        return None;
    }
    piece.set(0);
    let returned = return_int(ctx, site);
    let bytes = if returned > 0 { returned.min(room.cast_signed()) } else { returned };
    count_current(ctx, site, || msg_class(Tracked(ctx.arg(1))), || bytes)
}

/// `int udp_recvmsg(struct sock *, struct msghdr *, size_t, …)`.
#[fexit]
fn udp_recvmsg(ctx: FExitContext) -> Option<()> {
    datagram(&ctx, Site::UdpRecv)
}

/// `int udpv6_recvmsg(…)` with the same parameters.
#[fexit]
fn udpv6_recvmsg(ctx: FExitContext) -> Option<()> {
    datagram(&ctx, Site::UdpRecv6)
}
