//! Sending and receiving in process context.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::Site;

use super::{count_bare, count_current, count_iter, return_int};
use crate::layout::msg_class;

/// `int tcp_sendmsg_locked(struct sock *, struct msghdr *, size_t)`: all that a send accepted,
/// copied or not; the two sites below are inside it and count what was not copied.
#[fexit]
fn tcp_sendmsg_locked(ctx: FExitContext) -> Option<()> {
    let msg: *const u8 = ctx.arg(1);
    let bytes = return_int(&ctx, Site::TcpSendmsg);
    // SAFETY: argument 1 is a `struct msghdr *`.
    count_current(Site::TcpSendmsg, || unsafe { msg_class(msg) }, bytes)
}

/// `ssize_t skb_splice_from_iter(struct sk_buff *, struct iov_iter *, ssize_t maxsize, …)`.
#[fexit]
fn skb_splice_from_iter(ctx: FExitContext) -> Option<()> {
    // SAFETY: argument 1 is a `struct iov_iter *`.
    unsafe { count_iter(&ctx, Site::SkbSpliceFromIter, 1) }
}

/// `int skb_zerocopy_iter_stream(struct sock *, struct sk_buff *, struct msghdr *, int, …)`.
#[fexit]
fn skb_zerocopy_iter_stream(ctx: FExitContext) -> Option<()> {
    let msg: *const u8 = ctx.arg(2);
    let bytes = return_int(&ctx, Site::SkbZerocopyIterStream);
    // SAFETY: argument 2 is a `struct msghdr *`.
    count_current(Site::SkbZerocopyIterStream, || unsafe { msg_class(msg) }, bytes)
}

/// `ssize_t do_tcp_sendpages(struct sock *, struct page *, int, size_t, int)`: no iterator.
#[fexit]
fn do_tcp_sendpages(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::DoTcpSendpages)
}

/// `size_t simple_copy_to_iter(const void *, size_t, void *, struct iov_iter *)`: the copy out of
/// a socket buffer, for datagrams and TCP alike.
#[fexit]
fn simple_copy_to_iter(ctx: FExitContext) -> Option<()> {
    // SAFETY: argument 3 is a `struct iov_iter *`.
    unsafe { count_iter(&ctx, Site::SimpleCopyToIter, 3) }
}
