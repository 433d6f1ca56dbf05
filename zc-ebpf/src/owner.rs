//! Whose a socket is: what the network stack does in a softirq is charged to whoever sent it.
//!
//! A softirq runs on top of whichever task was interrupted, so the task on the CPU says nothing.
//! The socket does: its last traced sender is remembered, in a table without chains whose slot is
//! a hash of the socket's address. A hash map would cost every send several hundred instructions.
//! A ring of io_uring that lends pages stands there like a socket.

use aya_ebpf::{
    macros::{fentry, map},
    maps::Array,
    programs::FEntryContext,
};
use zc_common::{Event, Group, OWNER_SLOTS, TaskId};

use crate::{
    counters::count_loss,
    layout::layout,
    memory::{Slot, Tracked, number, peek, peek_or_zero},
    target::armed,
    task,
};

/// A socket's address with its owner's group in the low bits, which alignment leaves free; 0 where
/// there is none.
#[map]
static OWNERS: Array<u64> = Array::with_max_entries(OWNER_SLOTS, 0);

/// By slot of [`OWNERS`]: the thread that sent last, for the breakdown. User space sets the size.
#[map]
static OWNER_TASKS: Array<u64> = Array::with_max_entries(1, 0);

/// Who sent on a socket.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    /// Its group; [`Group::MACHINE`] where nobody is known.
    pub(crate) group: Group,
    /// The thread, where there is a breakdown.
    pub(crate) task: TaskId,
}

impl Owner {
    const NOBODY: Self = Self { group: Group::MACHINE, task: TaskId::NOBODY };
}

/// The bits of a slot that hold the group.
const GROUP_BITS: u64 = 7;

/// Where a socket's owner stands.
#[inline(always)]
fn place(sock: u64) -> u32 {
    // Fibonacci hashing: sockets lie at regular distances, which a plain mask would fold together.
    let hash = (sock >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    hash as u32 & layout!(owner_slots).wrapping_sub(1)
}

#[inline(always)]
fn slot(sock: u64) -> Option<Slot<u64>> {
    Slot::of(&OWNERS, place(sock))
}

/// Remembers that `group` sent on `sock`. Also while nothing is counted: what a send hands to the network
/// before it returns only a send before it can have told the owner of. Not so where there is a breakdown,
/// which knows threads from what is counted for them.
#[inline(always)]
pub(crate) fn own(sock: *const u8, group: Group) {
    if layout!(breakdown) != 0 && !armed() {
        return;
    }
    let Some(sock) = number(sock) else { return };
    if layout!(breakdown) != 0
        && let Some(slot) = Slot::of(&OWNER_TASKS, place(sock))
    {
        slot.set(task::current().0);
    }
    let Some(slot) = slot(sock) else { return };
    let before = slot.get();
    let now = sock | u64::from(group.index());
    if before == now {
        return;
    }
    if before & !GROUP_BITS != sock
        && let Some(forgotten) = Group::traced((before & GROUP_BITS) as u8)
    {
        count_loss(forgotten, Event::OwnerForgotten);
    }
    slot.set(now);
}

/// Whose `sock` is; nobody's when no traced process sent on it.
#[inline(always)]
fn owner(sock: u64) -> Owner {
    let known = slot(sock).map_or(0, Slot::get);
    if sock == 0 || known & !GROUP_BITS != sock {
        return Owner::NOBODY;
    }
    let task = match layout!(breakdown) {
        0 => TaskId::NOBODY,
        _ => TaskId(Slot::of(&OWNER_TASKS, place(sock)).map_or(0, Slot::get)),
    };
    let group = Group::traced((known & GROUP_BITS) as u8).unwrap_or(Group::MACHINE);
    Owner { group, task }
}

/// Where the `struct skb_shared_info` of the `struct sk_buff` `skb` lies: `end` bytes behind `head`
/// (`skb_end_pointer`, include/linux/skbuff.h).
#[inline(always)]
pub(crate) fn shared_part(skb: Tracked) -> *const u8 {
    let end: u32 = skb.read(layout!(skb_end));
    let head: u64 = peek(skb.at(layout!(skb_head))).unwrap_or(0);
    head.wrapping_add(u64::from(end)) as *const u8
}

/// The address of the ring of io_uring that lends pages with the notice at an address; of nothing, if
/// the notice is no ring's.
#[inline(always)]
fn ring_of(notice: u64) -> u64 {
    peek_or_zero(notice.wrapping_add(u64::from(layout!(ubuf_ring))) as *const u8)
}

/// Remembers whose the ring is, if it is one, that lends pages in a send of the `struct msghdr` `msg`.
/// A ring of somebody who is not traced is nobody's: it may have the address of one that has ended.
#[inline(always)]
pub(crate) fn own_ring(msg: Tracked, group: Option<Group>) {
    if layout!(msg_ubuf) == 0 {
        return;
    }
    let notice: *const u8 = msg.read(layout!(msg_ubuf));
    let Some(ring) = number(notice).filter(|notice| *notice != 0).map(ring_of) else { return };
    match group {
        Some(group) => own(ring as *const u8, group),
        None => disown(ring),
    }
}

/// Whom the kernel works for when it copies the bytes of the `struct sk_buff` `skb`.
///
/// On its way out a buffer knows its socket. Once it is on the receiving side of loopback it does
/// not, but pages lent by `MSG_ZEROCOPY` still name the lender.
#[inline(always)]
pub(crate) fn owner_of(skb: Tracked) -> Owner {
    match address(skb.at(layout!(skb_sk))) {
        0 => lender_of(skb),
        sock => owner(sock),
    }
}

/// The same, when it copies lent pages. Other devices than loopback have given the buffer to the
/// receiver's socket by then (`tcp_v4_early_demux`, net/ipv4/tcp_ipv4.c), where the copy is not made
/// before (`ip_local_deliver_finish`).
#[inline(always)]
pub(crate) fn lender_or_owner_of(skb: Tracked) -> Owner {
    let lender = lender_of(skb);
    if lender.group == Group::MACHINE { owner_of(skb) } else { lender }
}

/// Who lent the pages of `skb`: the completion notice that they point to lies in the control block of a
/// buffer of the sender's socket (`msg_zerocopy_alloc`, net/core/skbuff.c), or in a request of an io_uring,
/// which names its ring. Whatever addresses that gives are only compared with those of known sockets and
/// rings.
#[inline(always)]
fn lender_of(skb: Tracked) -> Owner {
    let notice = address(shared_part(skb).wrapping_add(layout!(shinfo_uarg) as usize));
    if notice == 0 {
        return Owner::NOBODY;
    }
    let lender = notice.wrapping_sub(u64::from(layout!(skb_cb)));
    let lender = owner(address(lender.wrapping_add(u64::from(layout!(skb_sk))) as *const u8));
    if layout!(msg_ubuf) == 0 || lender.group != Group::MACHINE {
        return lender;
    }
    owner(ring_of(notice))
}

#[inline(always)]
fn address(at: *const u8) -> u64 {
    peek(at).unwrap_or(0)
}

/// A socket ends; another may be given its address.
#[fentry]
fn sk_destruct(ctx: FEntryContext) -> Option<()> {
    let sock: *const u8 = ctx.arg(0);
    disown(number(sock)?);
    Some(())
}

/// Forgets whose `sock` is.
#[inline(always)]
fn disown(sock: u64) {
    if let Some(slot) = slot(sock)
        && slot.get() & !GROUP_BITS == sock
    {
        slot.set(0);
    }
}
