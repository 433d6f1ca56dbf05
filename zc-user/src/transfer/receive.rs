//! The receiving side of most styles: recv(2) into a buffer, hashing what arrives.

use rustix::{
    io::{Errno, Result},
    net::{RecvFlags, recv},
};

use super::{Part, Plan, lend, uring, work::Work};
use crate::{
    expect::{Cost, term},
    probes::catalogue::Job,
};

/// Both ways through a TCP socket: the receiver sends nothing, and that is measured too.
const TCP_JOBS: &[Job] = &[
    Job::SocketReceive,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];

/// recv(2) from a TCP socket.
pub const TCP: Part = Part { run: stream, cost, jobs: TCP_JOBS };

/// What a receiver should cost, whatever the sender does.
fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: recv"),
        syscalls: term(plan.chunks(), "⌈N/c⌉: recv"),
        ..Cost::NOTHING
    }
}

/// The same of lent pages, whose sender goes on when everything before was taken.
pub const TCP_LENT: Part = Part { run: lent, cost: cost_of_lent, jobs: TCP_JOBS };

fn cost_of_lent(plan: Plan) -> Cost {
    let rounds = plan.bytes.div_ceil(lend::round(plan.chunk));
    Cost { syscalls: term(rounds, "⌈N/min(c, 32 KiB)⌉: recv"), ..cost(plan) }
}

/// Receives exactly the payload, from a socket on which nothing arrives meanwhile.
fn lent(work: &mut Work<'_>) -> Result<u64> {
    let most = work.next(lend::round(work.chunk as u64));
    receive(work, most, |work, end| work.pace.until_put(end))
}

/// The same from a ring, whose owner goes on when everything before was taken.
pub const TCP_FROM_RING: Part = Part { run: from_ring, cost: cost_from_ring, jobs: TCP_JOBS };

fn cost_from_ring(plan: Plan) -> Cost {
    let rounds = plan.bytes.div_ceil(uring::round(plan.chunk));
    Cost { syscalls: term(rounds, "⌈N/min(c, 1 MiB)⌉: recv"), ..cost(plan) }
}

fn from_ring(work: &mut Work<'_>) -> Result<u64> {
    let most = work.next(uring::round(work.chunk as u64));
    receive(work, most, |_, _| Ok(()))
}

/// Receives exactly the payload.
pub(super) fn stream(work: &mut Work<'_>) -> Result<u64> {
    let most = work.chunk;
    receive(work, most, |_, _| Ok(()))
}

/// Receives `most` bytes a call, after `before`, which is told up to where. `MSG_WAITALL` makes the number
/// of calls independent of timing.
fn receive(
    work: &mut Work<'_>,
    most: usize,
    before: impl Fn(&Work<'_>, u64) -> Result<()>,
) -> Result<u64> {
    let socket = work.end()?;
    let mut received = 0;
    while received < work.bytes {
        let ask = work.next(work.bytes - received).min(most);
        before(work, received + ask as u64)?;
        match recv(socket, &mut work.buffer[..ask], RecvFlags::WAITALL)?.1 {
            0 => return Err(Errno::CONNRESET),
            got => {
                received += got as u64;
                work.pace.take(received);
                work.hasher.update(&work.buffer[..got]);
                work.moved.into += got as u64;
            }
        }
    }
    Ok(received)
}
