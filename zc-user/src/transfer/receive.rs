//! The receiving side, the same for every style: recv(2) into a buffer, hashing what arrives.

use std::os::fd::BorrowedFd;

use rustix::{
    io::{Errno, Result},
    net::{RecvFlags, recv},
};

use super::Plan;
use crate::{
    expect::{Cost, NOTHING, term},
    probes::catalogue::Job,
};

/// Both ways through a TCP socket: the receiver sends nothing, and that is measured too.
pub const JOBS: &[Job] = &[
    Job::SocketReceive,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];

/// What a receiver should cost, whatever the sender does.
pub fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: recv"),
        user_to_kernel: NOTHING,
        kernel_to_kernel: NOTHING,
        syscalls: term(plan.chunks(), "⌈N/c⌉: recv"),
    }
}

/// Receives exactly `bytes`. `MSG_WAITALL` makes the number of calls independent of timing.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    bytes: u64,
    buffer: &mut [u8],
    hasher: &mut blake3::Hasher,
) -> Result<u64> {
    let mut received = 0;
    while received < bytes {
        let left = usize::try_from(bytes - received).unwrap_or(usize::MAX);
        let ask = left.min(buffer.len());
        match recv(socket, &mut buffer[..ask], RecvFlags::WAITALL)?.1 {
            0 => return Err(Errno::CONNRESET),
            got => {
                hasher.update(&buffer[..got]);
                received += got as u64;
            }
        }
    }
    Ok(received)
}
