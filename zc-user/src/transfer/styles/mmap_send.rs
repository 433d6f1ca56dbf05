//! mmap(2) the file, send(2) from the mapping: one copy fewer.

use rustix::{
    io::Result,
    net::{SendFlags, send},
};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        memory::FileView,
        receive,
        work::{Work, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "mmap-send",
    how: "mmap(2) the file, send(2) from the mapping",
    textbook_name: "mapped file",
    textbook: "one CPU copy fewer, page faults instead",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        user_to_kernel: term(plan.bytes, "N: send"),
        kernel_to_kernel: plan.sent(),
        syscalls: term(plan.chunks(), "⌈N/c⌉: send"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    // The empty run maps one byte, so that the two calls are part of the fixed cost.
    let view = FileView::new(work.file()?, work.bytes)?;
    let mut sent = 0;
    while sent < work.bytes {
        let start = usize(sent)?;
        let ask = work.next(work.bytes - sent);
        sent += send(socket, &view.bytes()[start..start + ask], SendFlags::empty())? as u64;
    }
    work.moved.out_of += sent;
    Ok(sent)
}
