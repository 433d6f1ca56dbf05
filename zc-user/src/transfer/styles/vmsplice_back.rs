//! write(2) to a pipe, vmsplice(2) from the pipe into memory: the way back copies.

use rustix::{
    io::{Errno, Result, write},
    pipe::{IoSliceRaw, SpliceFlags, vmsplice},
};

use super::{BETWEEN_PROCESSES, pipe};
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "vmsplice-back",
    how: "write(2) from memory to a pipe, vmsplice(2) from the pipe into memory",
    textbook_name: "zero copy?",
    textbook: "a pipe's pages do not become the reader's: they are copied",
    source: Source::Memory,
    link: Link::Pipe,
    sender: Part { run: send, cost: send_cost, jobs: BETWEEN_PROCESSES },
    receiver: Some(Part { run: receive, cost: receive_cost, jobs: BETWEEN_PROCESSES }),
};

fn send_cost(plan: Plan) -> Cost {
    Cost {
        user_to_kernel: term(plan.bytes, "N: write"),
        syscalls: pipe::a_round(plan, "⌈N/min(c, pipe)⌉: write"),
        ..Cost::NOTHING
    }
}

fn receive_cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: vmsplice"),
        syscalls: pipe::a_round(plan, "⌈N/min(c, pipe)⌉: vmsplice"),
        ..Cost::NOTHING
    }
}

fn send(work: &mut Work<'_>) -> Result<u64> {
    let end = work.end()?;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = pipe::next(work, work.bytes - sent);
        let start = usize(sent)?;
        if write(end, &work.memory[start..start + ask])? < ask {
            return Err(Errno::PIPE);
        }
        work.moved.out_of += ask as u64;
        sent += ask as u64;
        work.pace.put(sent);
    }
    Ok(sent)
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let end = work.end()?;
    let mut received = 0;
    while received < work.bytes {
        let ask = pipe::next(work, work.bytes - received);
        work.pace.until_put(received + ask as u64)?;
        let parts = [IoSliceRaw::from_slice_mut(&mut work.buffer[..ask])];
        // SAFETY: the kernel writes to the buffer, which is borrowed for that, during the call.
        let got = unsafe { vmsplice(end, &parts, SpliceFlags::empty())? };
        if got < ask {
            return Err(Errno::PIPE);
        }
        work.hasher.update(&work.buffer[..got]);
        work.moved.into += got as u64;
        received += got as u64;
    }
    Ok(received)
}
