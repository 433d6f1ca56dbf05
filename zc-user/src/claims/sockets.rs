//! What the textbook says of the buffers of a socket. No counter in the kernel is needed: the socket itself
//! says how much is in them, and what became of it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::fd::AsRawFd,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Assertion, Claim, Decided, Fact, Unobservable, textbook::TEXTBOOK};

pub(super) const T6: Claim = Claim {
    id: "T6",
    says: "send returns before the data is on its way: it sits in the socket buffer",
    who: TEXTBOOK,
    needs: &[],
    parts: &[
        Assertion {
            says: "after send has returned, bytes are in the sender's buffer, and none of them was read",
            decide: |_| Ok(full_buffer()?.waiting()),
        },
        Assertion {
            says: "a full buffer makes the next send wait",
            decide: |_| Ok(full_buffer()?.refused()),
        },
    ],
};

pub(super) const T7: Claim = Claim {
    id: "T7",
    says: "closing a socket drops what is in its input buffer and still delivers its output buffer",
    who: TEXTBOOK,
    needs: &[],
    parts: &[
        Assertion {
            says: "the peer gets every byte that was sent before the close",
            decide: |_| Ok(delivered_after_close()?),
        },
        Assertion {
            says: "with unread input at the close the peer sees a reset instead of an end",
            decide: |_| Ok(reset_by_unread_input()?),
        },
    ],
};

/// How long a peer may take for what is decided here; over loopback it takes no time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks into a buffer.
const PAUSE: Duration = Duration::from_millis(1);

/// Bytes of each send.
const CHUNK: usize = 64 << 10;

impl From<io::Error> for Unobservable {
    fn from(error: io::Error) -> Self {
        Self::Lacking(format!("a socket over loopback: {error}"))
    }
}

fn fact(what: &str, measured: u64) -> Fact {
    Fact { what: what.into(), measured }
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE))?;
        end.set_write_timeout(Some(PATIENCE))?;
    }
    Ok((near, far))
}

/// One send to a peer that does not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneSend {
    /// Bytes in the buffers of both sockets before it.
    pub(crate) before: u64,
    /// Bytes that it took.
    pub(crate) sent: u64,
    /// Bytes in the buffers of both sockets after it.
    pub(crate) after: u64,
}

/// Bytes of that send: little enough for the window of any receiver.
const ONE_SEND: usize = 16 << 10;

/// Sends once and looks into the buffers of both sockets, while nobody reads.
///
/// # Errors
/// Those of the calls.
pub(crate) fn one_send() -> io::Result<OneSend> {
    let (mut near, far) = pair()?;
    let before = unsent(&near)? + unread(&far)?;
    let sent = near.write(&vec![7; ONE_SEND])? as u64;
    // A byte that has arrived and is not acknowledged yet is in both buffers.
    until(|| Ok(unsent(&near)? == 0))?;
    Ok(OneSend { before, sent, after: unread(&far)? })
}

/// Waits until the kernel is `done` with what it does by itself.
fn until(mut done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        sleep(PAUSE);
    }
    Ok(())
}

/// What a sender has that sends until nothing more is taken, while nobody reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FullBuffer {
    /// Bytes that send took.
    pub(crate) sent: u64,
    /// Bytes that are then in the sender's buffer.
    pub(crate) in_buffer: u64,
    /// Whether the last send would have had to wait.
    waits: bool,
    /// Bytes that a reader got at last.
    delivered: u64,
}

impl FullBuffer {
    fn facts(&self) -> Vec<Fact> {
        vec![
            fact("bytes that send took", self.sent),
            fact("bytes in the sender's buffer afterwards (SIOCOUTQ)", self.in_buffer),
            fact("bytes that a reader got when it began to read", self.delivered),
        ]
    }

    fn waiting(&self) -> Decided {
        let holds = self.in_buffer > 0 && self.delivered == self.sent;
        Decided { holds, facts: self.facts() }
    }

    fn refused(&self) -> Decided {
        Decided { holds: self.waits, facts: self.facts() }
    }
}

/// Fills the buffers of a connection, looks into the sender's, and then reads all of it.
///
/// # Errors
/// Those of the calls.
pub(crate) fn full_buffer() -> io::Result<FullBuffer> {
    let (mut near, mut far) = pair()?;
    near.set_nonblocking(true)?;
    let chunk = vec![7; CHUNK];
    let mut sent = 0;
    let waits = loop {
        match near.write(&chunk) {
            Ok(taken) => sent += taken as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
            Err(error) => return Err(error),
        }
    };
    let in_buffer = unsent(&near)?;
    near.shutdown(Shutdown::Write)?;
    let delivered = io::copy(&mut far, &mut io::sink())?;
    Ok(FullBuffer { sent, in_buffer, waits, delivered })
}

/// Bytes in `socket`'s output buffer that the other side has not acknowledged (tcp(7), `SIOCOUTQ`).
fn unsent(socket: &TcpStream) -> io::Result<u64> {
    queued(socket, libc::TIOCOUTQ)
}

/// Bytes in `socket`'s input buffer that nobody has read (tcp(7), `SIOCINQ`).
fn unread(socket: &TcpStream) -> io::Result<u64> {
    queued(socket, libc::FIONREAD)
}

/// What `request`, which asks for a number of bytes, says of `socket`.
fn queued(socket: &TcpStream, request: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: both requests write an int to `bytes`.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(bytes).map_err(io::Error::other)
}

/// What a peer gets of a socket that is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    /// Bytes sent before the close, of which none had been read.
    pub(crate) sent: u64,
    /// Bytes that the peer got after it.
    pub(crate) delivered: u64,
}

/// Sends, closes at once, and only then lets the peer read.
///
/// # Errors
/// Those of the calls.
pub(crate) fn closed_with_output() -> io::Result<Closed> {
    let (mut near, mut far) = pair()?;
    let mut sent = 0;
    // No more than fits without a reader.
    for _ in 0..2 {
        sent += near.write(&vec![7; CHUNK])? as u64;
    }
    drop(near);
    let delivered = io::copy(&mut far, &mut io::sink())?;
    Ok(Closed { sent, delivered })
}

fn delivered_after_close() -> io::Result<Decided> {
    let Closed { sent, delivered } = closed_with_output()?;
    let facts = vec![
        fact("bytes sent before the close", sent),
        fact("bytes that the peer got after it", delivered),
    ];
    Ok(Decided { holds: sent > 0 && delivered == sent, facts })
}

/// A socket that is closed with something in its input buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedUnread {
    /// Bytes in it, by the kernel's count.
    pub(crate) unread: u64,
    /// Resets that the peer saw.
    pub(crate) resets: u64,
}

/// Closes a socket that has not read what it was sent, and looks at the peer.
///
/// # Errors
/// Those of the calls.
pub(crate) fn closed_with_input() -> io::Result<ClosedUnread> {
    let (mut near, far) = pair()?;
    let sent = near.write(&vec![7; ONE_SEND])? as u64;
    until(|| Ok(unread(&far)? == sent))?;
    let unread = unread(&far)?;
    drop(far);
    let reset = match near.read(&mut [0]) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
        Err(error) => return Err(error),
    };
    Ok(ClosedUnread { unread, resets: u64::from(reset) })
}

fn reset_by_unread_input() -> io::Result<Decided> {
    let ClosedUnread { unread, resets } = closed_with_input()?;
    let facts = vec![
        fact("bytes that were not read before the close", unread),
        fact("resets that the peer saw", resets),
    ];
    Ok(Decided { holds: resets == 1, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_keeps_what_was_sent_and_drops_what_was_not_read() {
        let full = full_buffer().unwrap();
        assert!(full.waiting().holds && full.refused().holds);
        let once = one_send().unwrap();
        assert_eq!([once.before, once.sent, once.after], [0, ONE_SEND as u64, ONE_SEND as u64]);
        assert!(delivered_after_close().unwrap().holds);
        assert!(reset_by_unread_input().unwrap().holds);
    }
}
