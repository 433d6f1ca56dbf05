//! readv(2) into several buffers, writev(2) them to another file: as many copies, no more calls.

use std::io::{IoSlice, IoSliceMut};

use rustix::io::{Errno, Result, readv, writev};

use super::OF_FILES;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, in_chunks},
    },
};

pub(super) const STYLE: Style = Style {
    name: "readv-writev",
    how: "readv(2) into 4 buffers, writev(2) the 4 to another file",
    textbook_name: "scattered copy",
    textbook: "one call for several buffers, 2 CPU copies all the same",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

/// Buffers in a call.
const VECTORS: usize = 4;

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: readv"),
        user_to_kernel: term(plan.bytes, "N: writev"),
        syscalls: term(2 * plan.chunks(), "2⌈N/c⌉: readv, writev"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    in_chunks(work.bytes, work.chunk, |ask, _| {
        let part = ask.div_ceil(VECTORS);
        let mut parts = [(); VECTORS].map(|()| IoSliceMut::new(&mut []));
        for (slot, part) in parts.iter_mut().zip(work.buffer[..ask].chunks_mut(part)) {
            *slot = IoSliceMut::new(part);
        }
        let got = readv(file, &mut parts)?;
        work.moved.into += got as u64;
        let mut parts = [IoSlice::new(&[]); VECTORS];
        for (slot, part) in parts.iter_mut().zip(work.buffer[..got].chunks(part)) {
            *slot = IoSlice::new(part);
        }
        let taken = writev(end, &parts)?;
        work.moved.out_of += taken as u64;
        // A regular file takes all or is full.
        if taken == got { Ok(got) } else { Err(Errno::NOSPC) }
    })
}
