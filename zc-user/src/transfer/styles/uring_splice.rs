//! SPLICE by io_uring(7) from the file into a pipe, and from the pipe into the socket.

use std::os::fd::AsFd;

use rustix::{io::Result, pipe::pipe};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style, lend::usize, link::Link, pipe as size, receive, uring::Ring,
        work::Work,
    },
};

pub(super) const STYLE: Style = Style {
    name: "uring-splice",
    how: "io_uring: SPLICE file to pipe, linked to a SPLICE pipe to socket",
    textbook_name: "zero copy",
    textbook: "0 CPU copies as splice, by kernel threads, 2 switches a chunk",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP),
};

fn cost(plan: Plan) -> Cost {
    let rounds = plan.bytes.div_ceil(size::round(plan.chunk));
    Cost {
        kernel_to_kernel: plan.sent(),
        syscalls: term(rounds, "⌈N/min(c, pipe)⌉: io_uring_enter"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, socket) = (work.file()?, work.end()?);
    let mut ring = Ring::new(work)?;
    let (out, into) = pipe()?;
    let chunk = size::fit(&into, work.chunk)? as u64;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = chunk.min(work.bytes - sent);
        ring.splice((file, sent), [out.as_fd(), into.as_fd()], socket, usize(ask)?)?;
        sent += ask;
    }
    // By two requests, each with the pipe at one end.
    work.completed += 2 * sent;
    Ok(sent)
}
