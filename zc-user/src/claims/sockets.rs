//! What the textbook says of the buffers of a socket. No counter in the kernel is needed: the socket itself
//! says how much is in them, and what became of it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::fd::AsRawFd,
    time::Duration,
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

/// Bytes of each send.
const CHUNK: usize = 64 << 10;

impl From<io::Error> for Unobservable {
    fn from(error: io::Error) -> Self {
        Self(format!("a socket over loopback: {error}"))
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

/// What a sender has that sends until nothing more is taken, while nobody reads.
struct FullBuffer {
    sent: u64,
    in_buffer: u64,
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
fn full_buffer() -> io::Result<FullBuffer> {
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
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes an int to `bytes`.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(bytes).map_err(io::Error::other)
}

/// Sends, closes at once, and only then lets the peer read.
fn delivered_after_close() -> io::Result<Decided> {
    let (mut near, mut far) = pair()?;
    let mut sent = 0;
    // No more than fits without a reader.
    for _ in 0..2 {
        sent += near.write(&vec![7; CHUNK])? as u64;
    }
    drop(near);
    let delivered = io::copy(&mut far, &mut io::sink())?;
    let facts = vec![
        fact("bytes sent before the close", sent),
        fact("bytes that the peer got after it", delivered),
    ];
    Ok(Decided { holds: sent > 0 && delivered == sent, facts })
}

/// Closes a socket that has not read what it was sent, and looks at the peer.
fn reset_by_unread_input() -> io::Result<Decided> {
    let (mut near, far) = pair()?;
    let unread = near.write(&vec![7; CHUNK])? as u64;
    // What is sent has arrived when some of it can be seen.
    far.peek(&mut [0])?;
    drop(far);
    let reset = match near.read(&mut [0]) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
        Err(error) => return Err(error),
    };
    let facts = vec![
        fact("bytes that were not read before the close", unread),
        fact("resets that the peer saw", u64::from(reset)),
    ];
    Ok(Decided { holds: reset, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_keeps_what_was_sent_and_drops_what_was_not_read() {
        let full = full_buffer().unwrap();
        assert!(full.waiting().holds && full.refused().holds);
        assert!(delivered_after_close().unwrap().holds);
        assert!(reset_by_unread_input().unwrap().holds);
    }
}
