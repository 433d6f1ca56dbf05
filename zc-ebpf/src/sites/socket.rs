//! Sending and receiving in process context.

use aya_ebpf::{
    macros::{fexit, raw_tracepoint},
    programs::{FExitContext, RawTracePointContext},
};
use zc_common::{IterClass, Site};

use super::{count_current, count_iter, return_int, return_value};
use crate::{
    layout::{class_of, iter_class, layout, msg_class},
    memory::{Tracked, peek, peek_or_zero},
    owner::{own, own_ring},
    target::group,
};

/// `int tcp_sendmsg_locked(struct sock *, struct msghdr *, size_t)`: all that a send accepted,
/// copied or not; the two sites below are inside it and count what was not copied.
#[fexit]
fn tcp_sendmsg_locked(ctx: FExitContext) -> Option<()> {
    own(ctx.arg(0), group()?);
    let bytes = || return_int(&ctx, Site::TcpSendmsg);
    let class = || {
        let class = msg_class(Tracked(ctx.arg(1)));
        // Users' memory first: it is what most sends are of, and no record is in it.
        let record = class.index() != IterClass::User as usize && is_tls(ctx.arg(0));
        if record { IterClass::Record.into() } else { class }
    };
    count_current(&ctx, Site::TcpSendmsg, class, bytes)
}

/// Whether what is sent on a TCP socket are records of TLS: the name of its upper layer says it
/// (`tcp_tls_ulp_ops`, net/tls/tls_main.c).
#[inline(always)]
fn is_tls(socket: *const u8) -> bool {
    const TLS: u32 = u32::from_ne_bytes(*b"tls\0");
    let offset = layout!(sock_ulp);
    let upper: u64 = peek_or_zero(socket.wrapping_add(offset as usize));
    offset != 0 && upper != 0 && {
        let name = (upper as *const u8).wrapping_add(layout!(ulp_name) as usize);
        peek_or_zero::<u32>(name) == TLS
    }
}

/// `ssize_t skb_splice_from_iter(struct sk_buff *, struct iov_iter *, ssize_t maxsize, …)`. Inside
/// a TCP send the buffer has no socket yet (`tcp_stream_alloc_skb`), and the send counts the bytes
/// as well; a unix or UDP socket's buffer has (`sock_alloc_send_pskb`), and nobody else counts
/// them.
#[fexit]
fn skb_splice_from_iter(ctx: FExitContext) -> Option<()> {
    let (skb, iter) = (Tracked(ctx.arg(0)), Tracked(ctx.arg(1)));
    let bytes = || return_value(&ctx, Site::SkbSpliceFromIter);
    let class = || match skb.read::<u64>(layout!(skb_sk)) {
        0 => iter_class(iter),
        _ => IterClass::None.into(),
    };
    count_current(&ctx, Site::SkbSpliceFromIter, class, bytes)
}

/// `int skb_zerocopy_iter_stream(struct sock *, struct sk_buff *, struct msghdr *, int, …)`. Names
/// the socket's owner as the enclosing send does, but in time: a large send transmits, and the
/// receiving side takes its copies, before it returns. The owner of a ring, too.
#[fexit]
fn skb_zerocopy_iter_stream(ctx: FExitContext) -> Option<()> {
    let (group, msg) = (group(), Tracked(ctx.arg(2)));
    own_ring(msg, group);
    own(ctx.arg(0), group?);
    let bytes = || return_int(&ctx, Site::SkbZerocopyIterStream);
    count_current(&ctx, Site::SkbZerocopyIterStream, || msg_class(msg), bytes)
}

/// `ssize_t do_tcp_sendpages(struct sock *, struct page *, int, size_t, int)`: no iterator.
#[fexit]
fn do_tcp_sendpages(ctx: FExitContext) -> Option<()> {
    own(ctx.arg(0), group()?);
    let class = || if is_tls(ctx.arg(0)) { IterClass::Record } else { IterClass::None };
    let bytes = || return_value(&ctx, Site::DoTcpSendpages);
    count_current(&ctx, Site::DoTcpSendpages, class, bytes)
}

/// `size_t simple_copy_to_iter(const void *, size_t, void *, struct iov_iter *)`: the copy out of
/// a socket buffer, for datagrams and TCP alike.
#[fexit]
fn simple_copy_to_iter(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::SimpleCopyToIter, 3)
}

/// `TP_PROTO(const struct sk_buff *skb, int len)`, include/trace/events/skb.h: the copy out of a socket
/// buffer begins (`skb_copy_datagram_iter`). Attached only where `simple_copy_to_iter`, which it leads
/// to, cannot be. What is asked for is what is copied unless the receiver's memory is not there.
#[raw_tracepoint(tracepoint = "skb_copy_datagram_iovec")]
fn datagram_tracepoint(ctx: RawTracePointContext) -> Option<()> {
    let len: i32 = ctx.arg(1);
    count_current(&ctx, Site::DatagramTracepoint, || IterClass::None, || i64::from(len))
}

/// `int ip_generic_getfrag(void *from, char *to, int offset, int len, int odd, struct sk_buff *)`:
/// a part of a UDP datagram, all or nothing; `from` is the `struct msghdr *`.
#[fexit]
fn ip_generic_getfrag(ctx: FExitContext) -> Option<()> {
    let (from, len): (*const u8, i32) = (ctx.arg(0), ctx.arg(3));
    let group = group()?;
    if return_int(&ctx, Site::IpGetfrag) < 0 {
        return None;
    }
    let sock: *const u8 = Tracked(ctx.arg(5)).read(layout!(skb_sk));
    if !sock.is_null() {
        own(sock, group);
    }
    // The argument is a `void *`, so the verifier does not track it.
    let kind = peek(from.wrapping_add((layout!(msg_iter) + layout!(iter_type)) as usize))?;
    count_current(&ctx, Site::IpGetfrag, || class_of(kind), || i64::from(len))
}

/// `int skb_copy_datagram_from_iter(struct sk_buff *, int offset, struct iov_iter *, int len)`: all
/// or nothing.
#[fexit]
fn skb_copy_datagram_from_iter(ctx: FExitContext) -> Option<()> {
    let len: i32 = ctx.arg(3);
    if return_int(&ctx, Site::SkbFromIter) < 0 {
        return None;
    }
    count_current(&ctx, Site::SkbFromIter, || iter_class(Tracked(ctx.arg(2))), || i64::from(len))
}

/// `int tcp_zerocopy_receive(struct sock *, struct tcp_zerocopy_receive *, …)`: says in `length`
/// how many bytes it mapped.
#[fexit]
fn tcp_zerocopy_receive(ctx: FExitContext) -> Option<()> {
    if return_int(&ctx, Site::TcpZerocopyReceive) < 0 {
        return None;
    }
    let bytes: u32 = Tracked(ctx.arg(1)).read(layout!(zerocopy_length));
    count_current(&ctx, Site::TcpZerocopyReceive, || IterClass::None, || i64::from(bytes))
}
