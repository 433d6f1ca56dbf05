//! splice(2) from the file into a pipe, and from the pipe into the socket.

use std::os::fd::BorrowedFd;

use rustix::{
    io::{Errno, Result},
    pipe::{SpliceFlags, pipe, splice},
};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link, pipe_size, receive, work::Work},
};

pub(in crate::transfer) const STYLE: Style = Style {
    name: "splice",
    how: "splice(2) file to pipe, splice(2) pipe to socket",
    textbook_name: "zero copy",
    textbook: "through a pipe, 0 CPU copies, 4 switches a chunk",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP),
};

fn cost(plan: Plan) -> Cost {
    Cost { kernel_to_kernel: plan.sent(), syscalls: calls(plan), ..Cost::NOTHING }
}

/// System calls of [`transfer`].
pub(in crate::transfer) fn calls(plan: Plan) -> crate::expect::Term {
    let rounds = plan.bytes.div_ceil(pipe_size::round(plan.chunk));
    term(2 * rounds, "2⌈N/min(c, pipe)⌉: splice in, splice out")
}

/// splice(2) from the file through a pipe to whatever is at the other end.
pub(super) fn transfer(work: &mut Work<'_>) -> Result<u64> {
    through_pipe(work, work.file()?, SpliceFlags::empty())
}

/// The same from `file`, with `flags` on the way out of the pipe.
pub(in crate::transfer) fn through_pipe(
    work: &mut Work<'_>,
    file: BorrowedFd<'_>,
    flags: SpliceFlags,
) -> Result<u64> {
    let end = work.end()?;
    let (out, into) = pipe()?;
    let chunk = pipe_size::fit(&into, work.chunk)?;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = work.next(work.bytes - sent).min(chunk);
        let piped = splice(file, None, &into, None, ask, SpliceFlags::empty())?;
        if piped == 0 {
            return Err(Errno::NODATA);
        }
        let mut left = piped;
        while left > 0 {
            match splice(&out, None, end, None, left, flags)? {
                0 => return Err(Errno::PIPE),
                moved => left -= moved,
            }
        }
        sent += piped as u64;
    }
    Ok(sent)
}
