//! read(2) into a buffer, write(2) the buffer to a pipe; read(2) from the pipe.

use rustix::io::{Errno, Result, read, write};

use super::BETWEEN_PROCESSES;
use crate::{
    expect::{Cost, Term, term},
    transfer::{Part, Plan, Source, Style, link::Link, pipe_size::round, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "pipe",
    how: "read(2) into a buffer, write(2) the buffer to a pipe, read(2) from it",
    textbook_name: "ordinary copy",
    textbook: "what the shell's | does: into the kernel and out again",
    source: Source::File,
    link: Link::Pipe,
    sender: Part { run: send, cost: send_cost, jobs: BETWEEN_PROCESSES },
    receiver: Some(RECEIVER),
};

/// read(2) from the pipe.
pub(super) const RECEIVER: Part =
    Part { run: receive, cost: receive_cost, jobs: BETWEEN_PROCESSES };

fn send_cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        user_to_kernel: term(plan.bytes, "N: write"),
        syscalls: term(2 * rounds(plan), "2⌈N/min(c, pipe)⌉: read, write"),
        ..Cost::NOTHING
    }
}

fn receive_cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        syscalls: a_round(plan, "⌈N/min(c, pipe)⌉: read"),
        ..Cost::NOTHING
    }
}

/// How often the pipe is filled.
fn rounds(plan: Plan) -> u64 {
    plan.bytes.div_ceil(round(plan.chunk))
}

/// A system call each time that the pipe is filled.
pub(in crate::transfer) fn a_round(plan: Plan, formula: &'static str) -> Term {
    term(rounds(plan), formula)
}

/// How much of `left` bytes the pipe takes at once.
pub(in crate::transfer) fn next(work: &Work<'_>, left: u64) -> usize {
    work.next(round(left))
}

fn send(work: &mut Work<'_>) -> Result<u64> {
    let (file, pipe) = (work.file()?, work.end()?);
    let mut sent = 0;
    while sent < work.bytes {
        let ask = next(work, work.bytes - sent);
        let got = read(file, &mut work.buffer[..ask])?;
        if got < ask {
            return Err(Errno::NODATA);
        }
        work.moved.into += got as u64;
        put(work, pipe, got)?;
        sent += got as u64;
        work.pace.put(sent);
    }
    Ok(sent)
}

/// write(2) the first `bytes` of the buffer to the pipe: all of it in one call, which waits for room.
fn put(work: &mut Work<'_>, pipe: std::os::fd::BorrowedFd<'_>, bytes: usize) -> Result<()> {
    match write(pipe, &work.buffer[..bytes])? {
        all if all == bytes => work.moved.out_of += all as u64,
        _ => return Err(Errno::PIPE),
    }
    Ok(())
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let pipe = work.end()?;
    let mut received = 0;
    while received < work.bytes {
        let ask = next(work, work.bytes - received);
        // A read takes what is there: all that was asked for, once all of it is.
        work.pace.until_put(received + ask as u64)?;
        let got = read(pipe, &mut work.buffer[..ask])?;
        if got < ask {
            return Err(Errno::PIPE);
        }
        work.hasher.update(&work.buffer[..got]);
        work.moved.into += got as u64;
        received += got as u64;
        work.pace.take(received);
    }
    Ok(received)
}
