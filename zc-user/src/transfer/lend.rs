//! Sending with `MSG_ZEROCOPY`: the socket borrows the sender's pages and tells on its error queue
//! when it is done with them (Documentation/networking/msg_zerocopy.rst).
//!
//! Over loopback the kernel copies lent pages once, on the receiving side. A small segment, like the
//! last of a send, it copies once more if the receiver is just then in the kernel with this socket
//! (`skb_condense` in `tcp_add_backlog`, net/ipv4/tcp_ipv4.c). So that this does not depend on who runs
//! when, the two sides go in step: one sends, and the other takes what is there.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, Result},
    net::send,
};

use super::work::{Lent, Work, usize};
use crate::measure::sockopt;

/// The origin of a notice about lent pages, and what it says where the kernel copied them after all
/// (include/uapi/linux/errqueue.h).
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;

/// Bytes that are sent before the other side takes them: its window lets so many in, whatever it took
/// before.
const WINDOW: u64 = 32 << 10;

/// Bytes that a send lends, of a chunk.
pub(super) fn round(chunk: u64) -> u64 {
    chunk.min(WINDOW)
}

/// Sends the payload from memory in step with the receiver, `most` bytes a call, and awaits after each
/// that the pages are its own again.
pub(super) fn lend(work: &mut Work<'_>, most: u64) -> Result<u64> {
    let socket = work.end()?;
    sockopt::allow_zerocopy(socket).map_err(errno)?;
    let again = SentAgain::since_now(socket)?;
    let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let mut lent = Lent::default();
    let sent = in_step(work, most, |bytes| {
        let sent = send(socket, bytes, sockopt::ZEROCOPY)?;
        returned(socket, &mut space, &mut lent)?;
        Ok(sent)
    })?;
    work.lent = Some(lent);
    work.sent_again = again.is_so()?;
    Ok(sent)
}

/// Sends the payload from memory by `send`, `most` bytes at once, when the receiver has taken all before.
pub(super) fn in_step(
    work: &Work<'_>,
    most: u64,
    mut send: impl FnMut(&[u8]) -> Result<usize>,
) -> Result<u64> {
    let payload = work.memory.get(..usize(work.bytes)?).ok_or(Errno::NODATA)?;
    let mut sent = 0;
    for mut rest in payload.chunks(usize(most)?) {
        work.pace.until_taken(sent)?;
        while !rest.is_empty() {
            let taken = send(rest)?;
            rest = &rest[taken..];
            sent += taken as u64;
        }
        work.pace.put(sent);
    }
    Ok(sent)
}

/// Waits until the pages of the send before are returned.
fn returned(socket: BorrowedFd<'_>, space: &mut [u8], lent: &mut Lent) -> Result<()> {
    // Nothing is asked for: that there is something on the error queue is told in any case (poll(2)).
    poll(&mut [PollFd::new(&socket, PollFlags::empty())], None)?;
    let flags = MsgFlags::MSG_ERRQUEUE;
    let notice = recvmsg::<()>(socket.as_raw_fd(), &mut [], Some(space), flags);
    let notice = notice.map_err(|error| match error {
        // Something else woke the poll.
        nix::Error::EAGAIN => Errno::CONNRESET,
        error => Errno::from_raw_os_error(error as i32),
    })?;
    for message in notice.cmsgs().map_err(|_| Errno::PROTO)? {
        let (ControlMessageOwned::Ipv4RecvErr(notice, _)
        | ControlMessageOwned::Ipv6RecvErr(notice, _)) = message
        else {
            continue;
        };
        if notice.ee_errno != 0 || notice.ee_origin != SO_EE_ORIGIN_ZEROCOPY {
            return Err(Errno::PROTO);
        }
        // The numbers of the first and the last send that it is about.
        let sends = u64::from(notice.ee_data.wrapping_sub(notice.ee_info)) + 1;
        lent.sends += sends;
        if notice.ee_code & SO_EE_CODE_ZEROCOPY_COPIED != 0 {
            lent.copied += sends;
        }
    }
    Ok(())
}

/// Whether the network has something of a socket's sent again. Two system calls, in an empty run too.
pub(super) struct SentAgain<'a> {
    socket: BorrowedFd<'a>,
    before: u32,
}

impl<'a> SentAgain<'a> {
    /// Remembers what was sent again until now.
    pub(super) fn since_now(socket: BorrowedFd<'a>) -> Result<Self> {
        Ok(Self { socket, before: sockopt::sent_again(socket).map_err(errno)? })
    }

    /// Whether something was, since then.
    pub(super) fn is_so(&self) -> Result<bool> {
        Ok(sockopt::sent_again(self.socket).map_err(errno)? != self.before)
    }
}

/// The kernel's error number.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` takes")]
pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
