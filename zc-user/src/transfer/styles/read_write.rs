//! read(2) into a buffer, write(2) the buffer to another file: the ordinary copy of a file.

use rustix::io::{Result, read, write};

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
    name: "read-write",
    how: "read(2) into a buffer, write(2) the buffer to another file",
    textbook_name: "ordinary copy",
    textbook: "2 CPU copies and 4 switches a chunk, as cp did it for decades",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        user_to_kernel: term(plan.bytes, "N: write"),
        syscalls: term(2 * plan.chunks(), "2⌈N/c⌉: read, write"),
        ..Cost::NOTHING
    }
}

pub(in crate::transfer) fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    in_chunks(work.bytes, work.chunk, |ask, _| {
        let got = read(file, &mut work.buffer[..ask])?;
        work.moved.into += got as u64;
        let mut rest = &work.buffer[..got];
        while !rest.is_empty() {
            let taken = write(end, rest)?;
            work.moved.out_of += taken as u64;
            rest = &rest[taken..];
        }
        Ok(got)
    })
}
