//! SPLICE by io_uring(7) from the file into a pipe, and from the pipe into the socket.

use std::os::fd::AsFd;

use rustix::{io::Result, pipe::pipe};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style, link::Link, pipe_size, receive, uring::Ring, work::Work,
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
    let rounds = plan.bytes.div_ceil(pipe_size::round(plan.chunk));
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
    let chunk = pipe_size::fit(&into, work.chunk)?;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = work.next(work.bytes - sent).min(chunk);
        ring.splice((file, sent), [out.as_fd(), into.as_fd()], socket, ask)?;
        sent += ask as u64;
    }
    // By two requests, each with the pipe at one end.
    work.completed += 2 * sent;
    Ok(sent)
}
