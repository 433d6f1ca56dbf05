//! READ and SEND by io_uring(7), linked: the ordinary copy with one system call for both.

use rustix::io::Result;

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        receive,
        uring::{Read, Ring, round},
        work::Work,
    },
};

pub(super) const STYLE: Style = Style {
    name: "uring-read-send",
    how: "io_uring: READ into a buffer, linked to a SEND of the buffer",
    textbook_name: "ordinary copy",
    textbook: "2 CPU copies as read and send, but 2 switches a chunk",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP_FROM_RING),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: READ"),
        user_to_kernel: term(plan.bytes, "N: SEND"),
        kernel_to_kernel: plan.sent(),
        syscalls: enters(plan),
        ..Cost::NOTHING
    }
}

/// A system call for each chain of requests.
pub(super) fn enters(plan: Plan) -> crate::expect::Term {
    term(plan.bytes.div_ceil(round(plan.chunk)), "⌈N/min(c, 1 MiB)⌉: io_uring_enter")
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let ring = Ring::new(work)?;
    let sent = pass_all(work, ring, Read::Plain)?;
    work.moved.into += sent;
    work.moved.out_of += sent;
    Ok(sent)
}

/// Reads and sends the whole payload through the buffer.
pub(super) fn pass_all(work: &mut Work<'_>, mut ring: Ring, read: Read) -> Result<u64> {
    let (file, socket) = (work.file()?, work.end()?);
    let mut sent = 0;
    while sent < work.bytes {
        // So that the socket has room for all of it, and the request is done at once.
        work.pace.until_taken(sent)?;
        let ask = work.next(round(work.bytes - sent));
        ring.pass(read, (file, sent), &mut work.buffer[..ask], socket)?;
        sent += ask as u64;
    }
    // Each byte by two requests, each with one end in the kernel.
    work.completed += 2 * sent;
    Ok(sent)
}
