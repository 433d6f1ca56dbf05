//! pread(2) into a buffer: what it costs to have a file's bytes in one's own memory.

use rustix::io::{Result, pread};

use super::OF_FILES;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, in_chunks},
    },
};

pub(in crate::transfer) const STYLE: Style = Style {
    name: "pread",
    how: "pread(2) into a buffer",
    textbook_name: "positioned read",
    textbook: "1 CPU copy and 2 switches a chunk",
    source: Source::File,
    link: Link::OwnMemory,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: pread"),
        syscalls: term(plan.chunks(), "⌈N/c⌉: pread"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    in_pieces(work, work.chunk)
}

/// pread(2) of `most` bytes at once.
pub(in crate::transfer) fn in_pieces(work: &mut Work<'_>, most: usize) -> Result<u64> {
    let file = work.file()?;
    in_chunks(work.bytes, most, |ask, at| {
        let got = pread(file, &mut work.buffer[..ask], at)?;
        work.hasher.update(&work.buffer[..got]);
        work.moved.into += got as u64;
        Ok(got)
    })
}
