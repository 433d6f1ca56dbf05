//! sendfile(2): the file's pages are handed to the socket.

use rustix::io::{Errno, Result};

use super::{FILE_TO_TCP, Plan, Sending, Style};
use crate::expect::{Cost, NOTHING, term};

pub(super) const STYLE: Style = Style {
    name: "sendfile",
    how: "sendfile(2) from the file to the socket",
    textbook_name: "zero copy",
    textbook: "descriptors go to the socket, 0 CPU copies, \"0 switches\"",
    send: transfer,
    cost,
    jobs: FILE_TO_TCP,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: NOTHING,
        user_to_kernel: NOTHING,
        kernel_to_kernel: NOTHING,
        syscalls: term(plan.chunks(), "⌈N/c⌉: sendfile"),
    }
}

fn transfer(job: &mut Sending<'_>) -> Result<u64> {
    let mut sent = 0;
    while sent < job.bytes {
        match rustix::fs::sendfile(job.socket, job.file, None, job.next(job.bytes - sent))? {
            0 => return Err(Errno::NODATA),
            moved => sent += moved as u64,
        }
    }
    Ok(sent)
}
