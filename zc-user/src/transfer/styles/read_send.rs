//! read(2) into a buffer, send(2) the buffer: the ordinary copy.

use rustix::{
    io::{Errno, Result, read},
    net::{SendFlags, send},
};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link, receive, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "read-send",
    how: "read(2) into a buffer, send(2) the buffer",
    textbook_name: "ordinary copy",
    textbook: "4 copies, 2 of them by the CPU, and 4 switches a chunk",
    source: Source::File,
    link: Link::Tcp,
    sender: SENDER,
    receiver: Some(receive::TCP),
};

/// read(2) and send(2), to whatever socket is at the other end.
pub(super) const SENDER: Part = Part { run: transfer, cost, jobs: TO_TCP };

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        user_to_kernel: term(plan.bytes, "N: send"),
        kernel_to_kernel: plan.sent(),
        syscalls: term(2 * plan.chunks(), "2⌈N/c⌉: read, send"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, socket) = (work.file()?, work.end()?);
    let mut sent = 0;
    while sent < work.bytes {
        let ask = work.next(work.bytes - sent);
        let got = read(file, &mut work.buffer[..ask])?;
        if got == 0 {
            return Err(Errno::NODATA);
        }
        work.moved.into += got as u64;
        let mut rest = &work.buffer[..got];
        while !rest.is_empty() {
            let taken = send(socket, rest, SendFlags::empty())?;
            work.moved.out_of += taken as u64;
            rest = &rest[taken..];
        }
        sent += got as u64;
    }
    Ok(sent)
}
