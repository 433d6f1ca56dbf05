//! The receiving side of most styles: recv(2) into a buffer, hashing what arrives.

use rustix::{
    io::{Errno, Result},
    net::{RecvFlags, recv},
};

use super::{Part, Plan, work::Work};
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

/// Receives exactly the payload. `MSG_WAITALL` makes the number of calls independent of timing.
pub(super) fn stream(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let mut received = 0;
    while received < work.bytes {
        let ask = work.next(work.bytes - received);
        match recv(socket, &mut work.buffer[..ask], RecvFlags::WAITALL)?.1 {
            0 => return Err(Errno::CONNRESET),
            got => {
                work.hasher.update(&work.buffer[..got]);
                work.moved.into += got as u64;
                received += got as u64;
                work.pace.take(received);
            }
        }
    }
    Ok(received)
}
