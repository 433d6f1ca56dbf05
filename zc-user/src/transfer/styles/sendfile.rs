//! sendfile(2): the file's pages are handed to the socket.

use rustix::io::{Errno, Result};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link, receive, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "sendfile",
    how: "sendfile(2) from the file to the socket",
    textbook_name: "zero copy",
    textbook: "descriptors go to the socket, 0 CPU copies, \"0 switches\"",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_kernel: plan.sent(),
        syscalls: term(plan.chunks(), "⌈N/c⌉: sendfile"),
        ..Cost::NOTHING
    }
}

/// sendfile(2) from the file to whatever is at the other end.
pub(super) fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    let mut sent = 0;
    while sent < work.bytes {
        match rustix::fs::sendfile(end, file, None, work.next(work.bytes - sent))? {
            0 => return Err(Errno::NODATA),
            moved => sent += moved as u64,
        }
    }
    Ok(sent)
}
