//! read(2) into a buffer, send(2) the buffer: the ordinary copy.

use rustix::{
    io::{Errno, Result, read},
    net::{SendFlags, send},
};

use super::{FILE_TO_TCP, Plan, Sending, Style};
use crate::expect::{Cost, NOTHING, term};

pub(super) const STYLE: Style = Style {
    name: "read-send",
    how: "read(2) into a buffer, send(2) the buffer",
    textbook_name: "ordinary copy",
    textbook: "4 copies, 2 of them by the CPU, and 4 switches a chunk",
    send: transfer,
    cost,
    jobs: FILE_TO_TCP,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        user_to_kernel: term(plan.bytes, "N: send"),
        kernel_to_kernel: NOTHING,
        syscalls: term(2 * plan.chunks(), "2⌈N/c⌉: read, send"),
    }
}

fn transfer(job: &mut Sending<'_>) -> Result<u64> {
    let mut sent = 0;
    while sent < job.bytes {
        let ask = job.next(job.bytes - sent);
        let got = read(job.file, &mut job.buffer[..ask])?;
        if got == 0 {
            return Err(Errno::NODATA);
        }
        job.moved.into += got as u64;
        let mut rest = &job.buffer[..got];
        while !rest.is_empty() {
            let taken = send(job.socket, rest, SendFlags::empty())?;
            job.moved.out_of += taken as u64;
            rest = &rest[taken..];
        }
        sent += got as u64;
    }
    Ok(sent)
}
