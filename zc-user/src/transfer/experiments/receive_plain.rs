//! TCP_ZEROCOPY_RECEIVE of what an ordinary send(2) sent.

use rustix::{
    io::Result,
    net::{SendFlags, send},
};

use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Style,
        styles::zerocopy_receive,
        work::{Work, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "zerocopy-receive-plain",
    how: "send(2), then getsockopt(2) with TCP_ZEROCOPY_RECEIVE and recv(2) for what was not mapped",
    textbook: "what lies in no whole pages cannot be mapped",
    sender: Part { run: transfer, cost, ..zerocopy_receive::STYLE.sender },
    ..zerocopy_receive::STYLE
};

fn cost(plan: Plan) -> Cost {
    let sends = plan.bytes.div_ceil(zerocopy_receive::round(plan.chunk));
    Cost {
        user_to_kernel: term(plan.bytes, "N: send"),
        kernel_to_kernel: plan.sent(),
        syscalls: term(sends, "⌈N/min(c, 16 KiB)⌉: send"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let most = zerocopy_receive::round(work.chunk as u64);
    let mut sent = 0;
    while sent < work.bytes {
        work.pace.until_taken(sent)?;
        let ask = work.next(most.min(work.bytes - sent));
        let start = usize(sent)?;
        let mut rest = &work.memory[start..start + ask];
        while !rest.is_empty() {
            rest = &rest[send(socket, rest, SendFlags::empty())?..];
        }
        work.moved.out_of += ask as u64;
        sent += ask as u64;
        work.pace.put(sent);
    }
    Ok(sent)
}
