//! READ and SEND by io_uring(7) with a kernel thread that polls for requests: no system call at all.

use rustix::io::Result;

use super::{TO_TCP, uring_read_send::pass_all};
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
    name: "uring-sqpoll",
    how: "io_uring with SQPOLL: READ into a buffer, linked to a SEND of the buffer",
    textbook_name: "ordinary copy",
    textbook: "2 CPU copies by a kernel thread, 0 switches",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP_FROM_RING),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: READ"),
        user_to_kernel: term(plan.bytes, "N: SEND"),
        kernel_to_kernel: plan.sent(),
        syscalls: term(0, "0: polled at both ends"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let ring = Ring::polled(work)?;
    let sent = pass_all(work, ring, Read::Plain)?;
    work.moved.into += sent;
    work.moved.out_of += sent;
    Ok(sent)
}
