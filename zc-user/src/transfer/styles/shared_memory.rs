//! read(2) into memory that the receiver has too: it arrives without a system call.

use rustix::io::{Errno, Result, read};

use super::BETWEEN_PROCESSES;
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link, memory::Mapping, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "shared-memory",
    how: "read(2) into memory that both processes map",
    textbook_name: "shared memory",
    textbook: "nothing is copied between the processes, nobody enters the kernel",
    source: Source::File,
    link: Link::SharedMemory,
    sender: Part { run: send, cost, jobs: BETWEEN_PROCESSES },
    receiver: Some(Part { run: receive, cost: |_| Cost::NOTHING, jobs: BETWEEN_PROCESSES }),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        syscalls: term(plan.chunks(), "⌈N/c⌉: read"),
        ..Cost::NOTHING
    }
}

fn send(work: &mut Work<'_>) -> Result<u64> {
    let file = work.file()?;
    let mut shared = Mapping::shared(work.end()?, work.chunk)?;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = work.next(work.bytes - sent);
        // There is room for one chunk.
        work.pace.until_taken(sent)?;
        let got = read(file, &mut shared.bytes_mut()[..ask])?;
        if got < ask {
            return Err(Errno::NODATA);
        }
        work.moved.into += got as u64;
        sent += got as u64;
        work.pace.put(sent);
    }
    // The other side has it to itself before it is unmapped: so the calls here are the last ones.
    work.pace.until_taken(sent)?;
    Ok(sent)
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let shared = Mapping::shared(work.end()?, work.chunk)?;
    let mut received = 0;
    while received < work.bytes {
        let ask = work.next(work.bytes - received);
        work.pace.until_put(received + ask as u64)?;
        work.hasher.update(&shared.bytes()[..ask]);
        received += ask as u64;
        work.pace.take(received);
    }
    Ok(received)
}
