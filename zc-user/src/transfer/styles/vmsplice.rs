//! vmsplice(2) from memory into a pipe: its pages are lent, with or without giving them away.

use rustix::{
    io::{Errno, Result},
    pipe::{IoSliceRaw, SpliceFlags, vmsplice},
};

use super::{BETWEEN_PROCESSES, pipe};
use crate::{
    expect::Cost,
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, usize},
    },
};

pub(in crate::transfer) const STYLE: Style = Style {
    name: "vmsplice",
    how: "vmsplice(2) from memory into a pipe, read(2) from it",
    textbook_name: "zero copy",
    textbook: "the writer's pages are mapped into the pipe",
    source: Source::Memory,
    link: Link::Pipe,
    sender: Part { run: lend, cost, jobs: BETWEEN_PROCESSES },
    receiver: Some(pipe::RECEIVER),
};

pub(super) const GIFT: Style = Style {
    name: "vmsplice-gift",
    how: "vmsplice(2) with SPLICE_F_GIFT from memory into a pipe, read(2) from it",
    textbook: "the writer's pages become the kernel's",
    sender: Part { run: give, cost, jobs: BETWEEN_PROCESSES },
    ..STYLE
};

fn cost(plan: Plan) -> Cost {
    Cost { syscalls: pipe::a_round(plan, "⌈N/min(c, pipe)⌉: vmsplice"), ..Cost::NOTHING }
}

fn lend(work: &mut Work<'_>) -> Result<u64> {
    transfer(work, SpliceFlags::empty())
}

fn give(work: &mut Work<'_>) -> Result<u64> {
    transfer(work, SpliceFlags::GIFT)
}

fn transfer(work: &mut Work<'_>, flags: SpliceFlags) -> Result<u64> {
    let end = work.end()?;
    let mut sent = 0;
    while sent < work.bytes {
        let ask = pipe::next(work, work.bytes - sent);
        let start = usize(sent)?;
        let part = &work.memory[start..start + ask];
        // It takes what finds room and does not wait for more: so the pipe has to be empty.
        work.pace.until_taken(sent)?;
        let parts = [IoSliceRaw::from_slice(part)];
        // SAFETY: at the writing end of a pipe the kernel only reads the memory, which nobody writes
        // to any more: it holds the payload until the process ends.
        if unsafe { vmsplice(end, &parts, flags)? } < ask {
            return Err(Errno::PIPE);
        }
        sent += ask as u64;
        work.pace.put(sent);
    }
    Ok(sent)
}
