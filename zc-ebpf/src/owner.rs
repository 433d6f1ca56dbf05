//! Whose a socket is: what the network stack does in a softirq is charged to whoever sent it.
//!
//! A softirq runs on top of whichever task was interrupted, so the task on the CPU says nothing.
//! The socket does: its last traced sender is remembered, in a table without chains whose slot is
//! a hash of the socket's address. A hash map would cost every send several hundred instructions.

use aya_ebpf::{
    macros::{fentry, map},
    maps::Array,
    programs::FEntryContext,
};
use zc_common::{Event, Group, OWNER_SLOTS};

use crate::{
    counters::count_event,
    layout::layout,
    memory::{Slot, Tracked, peek},
};

/// A socket's address with its owner's group in the low bits, which alignment leaves free; 0 where
/// there is none.
#[map]
static OWNERS: Array<u64> = Array::with_max_entries(OWNER_SLOTS, 0);

/// The bits of a slot that hold the group.
const GROUP_BITS: u64 = 7;

#[inline(always)]
fn slot(sock: u64) -> Option<Slot<u64>> {
    // Fibonacci hashing: sockets lie at regular distances, which a plain mask would fold together.
    let hash = (sock >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Slot::of(&OWNERS, hash as u32 & layout!(owner_slots).wrapping_sub(1))
}

/// An address as a number. The verifier tracks it as a pointer, on which it refuses arithmetic;
/// read back from the stack by a helper it is one no longer.
#[inline(always)]
fn number(pointer: *const u8) -> Option<u64> {
    peek((&raw const pointer).cast())
}

/// Remembers that `group` sent on `sock`.
#[inline(always)]
pub(crate) fn own(sock: *const u8, group: Group) {
    let Some(sock) = number(sock) else { return };
    let Some(slot) = slot(sock) else { return };
    let before = slot.get();
    let now = sock | u64::from(group.index());
    if before == now {
        return;
    }
    if before & !GROUP_BITS != sock
        && let Some(forgotten) = Group::traced((before & GROUP_BITS) as u8)
    {
        count_event(forgotten, Event::OwnerForgotten);
    }
    slot.set(now);
}

/// Whose `sock` is; nobody's when no traced process sent on it.
#[inline(always)]
fn owner(sock: u64) -> Group {
    let known = slot(sock).map_or(0, Slot::get);
    if sock != 0 && known & !GROUP_BITS == sock {
        Group::traced((known & GROUP_BITS) as u8).unwrap_or(Group::MACHINE)
    } else {
        Group::MACHINE
    }
}

/// Where the `struct skb_shared_info` of the `struct sk_buff` `skb` lies: `end` bytes behind `head`
/// (`skb_end_pointer`, include/linux/skbuff.h).
#[inline(always)]
pub(crate) fn shared_part(skb: Tracked) -> *const u8 {
    let end: u32 = skb.read(layout!(skb_end));
    let head: u64 = peek(skb.at(layout!(skb_head))).unwrap_or(0);
    head.wrapping_add(u64::from(end)) as *const u8
}

/// Whom the kernel works for when it copies the bytes of the `struct sk_buff` `skb`.
///
/// On its way out a buffer knows its socket. Once it is on the receiving side of loopback it does
/// not, but pages lent by `MSG_ZEROCOPY` still name the lender: the completion notice that they
/// point to lies in the control block of a buffer of the sender's socket (`msg_zerocopy_alloc`,
/// net/core/skbuff.c). Whatever address that gives is only compared with those of known sockets.
#[inline(always)]
pub(crate) fn owner_of(skb: Tracked) -> Group {
    let address = |at: *const u8| peek::<u64>(at).unwrap_or(0);
    let sock = address(skb.at(layout!(skb_sk)));
    if sock != 0 {
        return owner(sock);
    }
    let notice = address(shared_part(skb).wrapping_add(layout!(shinfo_uarg) as usize));
    if notice == 0 {
        return Group::MACHINE;
    }
    let lender = notice.wrapping_sub(u64::from(layout!(skb_cb)));
    owner(address(lender.wrapping_add(u64::from(layout!(skb_sk))) as *const u8))
}

/// A socket ends; another may be given its address.
#[fentry]
fn sk_destruct(ctx: FEntryContext) -> Option<()> {
    let sock: *const u8 = ctx.arg(0);
    let sock = number(sock)?;
    let slot = slot(sock)?;
    if slot.get() & !GROUP_BITS == sock {
        slot.set(0);
    }
    Some(())
}
