//! READ_FIXED into a registered buffer and SEND from it: the kernel has the buffer's pages at hand, and
//! copies all the same.

use rustix::io::Result;

use super::{
    TO_TCP,
    uring_read_send::{enters, pass_all},
};
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        receive,
        uring::{Read, Ring},
        work::Work,
    },
};

pub(super) const STYLE: Style = Style {
    name: "uring-fixed",
    how: "io_uring: READ_FIXED into a registered buffer, linked to a SEND of the buffer",
    textbook_name: "registered buffers",
    textbook: "pages pinned once, \"zero copy\"",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP_FROM_RING),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        // To the kernel the pages are its own: it copies from page to page.
        kernel_to_kernel: match plan.sent().value {
            0 => term(plan.bytes, "N: READ_FIXED"),
            more => term(plan.bytes + more, "2N: READ_FIXED, no gather DMA"),
        },
        user_to_kernel: term(plan.bytes, "N: SEND"),
        syscalls: enters(plan),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let mut ring = Ring::new(work)?;
    ring.register(work.buffer)?;
    let sent = pass_all(work, ring, Read::Fixed)?;
    work.moved.out_of += sent;
    Ok(sent)
}
