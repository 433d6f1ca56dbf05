//! read(2) into a buffer, send(2) the buffer as a UDP datagram, recv(2) it.

use rustix::{
    io::{Errno, Result, read},
    net::{RecvFlags, SendFlags, recv, send},
};

use super::BETWEEN_PROCESSES;
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "udp",
    how: "read(2) into a buffer, send(2) the buffer as a datagram",
    textbook_name: "ordinary copy",
    textbook: "as over TCP, a datagram a call",
    source: Source::File,
    link: Link::Udp,
    sender: Part { run: transfer, cost: send_cost, jobs: BETWEEN_PROCESSES },
    receiver: Some(Part { run: receive, cost: receive_cost, jobs: BETWEEN_PROCESSES }),
};

/// The largest payload of a datagram over IPv4, in bytes: 65535 with both headers (udp(7)).
const MOST: u64 = 65_507;

/// Datagrams on their way at once: fewer than the usual room of a socket has a place for
/// (`net.core.rmem_default`, 212 992 bytes), which takes the kernel's own part of each into account.
fn window(datagram: u64) -> u64 {
    /// Half of that room.
    const ROOM: u64 = 100 << 10;
    /// What the kernel adds to a datagram, at most (`SKB_TRUESIZE`, and its last page).
    const OWN: u64 = 5 << 10;
    (ROOM / (datagram + OWN)).max(1)
}

fn datagram(chunk: u64) -> u64 {
    chunk.min(MOST)
}

fn datagrams(plan: Plan) -> u64 {
    plan.bytes.div_ceil(datagram(plan.chunk))
}

fn send_cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        user_to_kernel: term(plan.bytes, "N: send"),
        syscalls: term(2 * datagrams(plan), "2⌈N/min(c, 65507)⌉: read, send"),
        ..Cost::NOTHING
    }
}

fn receive_cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: recv"),
        syscalls: term(datagrams(plan), "⌈N/min(c, 65507)⌉: recv"),
        ..Cost::NOTHING
    }
}

/// Bytes of the next datagram, of `left`.
fn next(work: &Work<'_>, left: u64) -> usize {
    work.next(datagram(left))
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, socket) = (work.file()?, work.end()?);
    let size = datagram(work.chunk as u64);
    let ahead = window(size) * size;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = next(work, work.bytes - sent);
        let got = read(file, &mut work.buffer[..ask])?;
        if got < ask {
            return Err(Errno::NODATA);
        }
        work.moved.into += got as u64;
        // A datagram that finds no room is gone.
        work.pace.until_taken((sent + got as u64).saturating_sub(ahead))?;
        work.moved.out_of += send(socket, &work.buffer[..got], SendFlags::empty())? as u64;
        sent += got as u64;
    }
    Ok(sent)
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let mut received = 0;
    while received < work.bytes {
        let ask = next(work, work.bytes - received);
        let got = recv(socket, &mut work.buffer[..ask], RecvFlags::empty())?.1;
        work.hasher.update(&work.buffer[..got]);
        work.moved.into += got as u64;
        received += got as u64;
        work.pace.take(received);
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_one_datagram_is_on_its_way_and_never_more_than_fit() {
        for size in [1, 1000, 20_000, MOST] {
            assert!(window(size) >= 1 && window(size) * (size + 5120) <= 212_992 / 2, "{size}");
        }
    }
}
