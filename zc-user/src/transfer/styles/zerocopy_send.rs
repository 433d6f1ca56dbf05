//! send(2) with `MSG_ZEROCOPY`: the socket borrows the sender's pages.

use rustix::io::Result;

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        lend::{lend, round},
        link::Link,
        receive,
        work::Work,
    },
};

pub(super) const STYLE: Style = Style {
    name: "zerocopy-send",
    how: "send(2) with MSG_ZEROCOPY, poll(2) and recvmsg(2) for the completion",
    textbook_name: "zero copy",
    textbook: "pages are lent to the socket, 0 CPU copies",
    source: Source::Memory,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP_LENT),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_kernel: plan.lent(),
        syscalls: term(
            3 * plan.bytes.div_ceil(round(plan.chunk)),
            "3⌈N/min(c, 32 KiB)⌉: send, poll, recvmsg",
        ),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let most = round(work.chunk as u64);
    lend(work, most)
}
