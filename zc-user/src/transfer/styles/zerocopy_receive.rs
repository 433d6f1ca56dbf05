//! getsockopt(2) with `TCP_ZEROCOPY_RECEIVE`: the pages that arrived are mapped into the receiver.
//!
//! The kernel maps whole pages, each alone in its own part of a segment, that are no file's and no part
//! of a larger one (`can_map_frag`, net/ipv4/tcp.c). What send(2) and sendfile(2) put on loopback is not
//! like that. The copies that the kernel takes of pages lent with `MSG_ZEROCOPY` are, if each segment
//! holds whole pages: so no send is larger than the segments may be.

use rustix::{
    io::{Errno, Result},
    net::{RecvFlags, recv},
};

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    probes::catalogue::Job,
    transfer::{
        Part, Plan, Source, Style,
        lend::lend,
        link::Link,
        mapped::SocketView,
        memory::PAGE,
        work::{Work, usize},
    },
};

pub(in crate::transfer) const STYLE: Style = Style {
    name: "zerocopy-receive",
    how: "getsockopt(2) with TCP_ZEROCOPY_RECEIVE, recv(2) for what fills no page",
    textbook_name: "zero copy",
    textbook: "received pages are mapped, 0 CPU copies in the receiver",
    source: Source::Memory,
    link: Link::Tcp,
    sender: Part { run: send, cost: cost_of_sender, jobs: TO_TCP },
    receiver: Some(Part { run: receive, cost: cost_of_receiver, jobs: FROM_TCP }),
};

/// What receives by mapping.
const FROM_TCP: &[Job] = &[
    Job::SocketReceive,
    Job::TcpMapped,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];

/// Bytes of the largest send: a segment on loopback holds at least 32 KiB less a header.
const SEGMENT: u64 = 4 * PAGE as u64;

/// Bytes of a send, of a chunk.
pub(in crate::transfer) fn round(chunk: u64) -> u64 {
    chunk.min(SEGMENT)
}

fn cost_of_sender(plan: Plan) -> Cost {
    let rounds = plan.bytes.div_ceil(round(plan.chunk));
    Cost {
        kernel_to_kernel: plan.lent(),
        syscalls: term(3 * rounds, "3⌈N/min(c, 16 KiB)⌉: send, poll, recvmsg"),
        ..Cost::NOTHING
    }
}

fn cost_of_receiver(plan: Plan) -> Cost {
    let page = PAGE as u64;
    let round = round(plan.chunk);
    let (rounds, last) = (plan.bytes / round, plan.bytes % round);
    let rest = |bytes: u64| bytes % page;
    let calls = |bytes: u64| u64::from(bytes >= page) + u64::from(rest(bytes) > 0);
    Cost {
        kernel_to_user: term(
            rounds * rest(round) + rest(last),
            "what fills no page of each min(c, 16 KiB): recv",
        ),
        syscalls: term(
            rounds * calls(round) + calls(last),
            "for each min(c, 16 KiB): getsockopt if there is a page, recv if there is more",
        ),
        ..Cost::NOTHING
    }
}

fn send(work: &mut Work<'_>) -> Result<u64> {
    let most = round(work.chunk as u64);
    lend(work, most)
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let most = round(work.chunk as u64);
    let mut view = SocketView::new(socket, most)?;
    let mut received = 0;
    while received < work.bytes {
        let ask = most.min(work.bytes - received);
        // It was acknowledged, so it is there.
        work.pace.until_put(received + ask)?;
        let pages = usize(ask - ask % PAGE as u64)?;
        let mapped = if pages > 0 { view.receive(socket, pages)? } else { &[] };
        work.hasher.update(mapped);
        work.completed += mapped.len() as u64;
        let mut left = usize(ask)? - mapped.len();
        while left > 0 {
            match recv(socket, &mut work.buffer[..left], RecvFlags::WAITALL)?.1 {
                0 => return Err(Errno::CONNRESET),
                got => {
                    work.hasher.update(&work.buffer[..got]);
                    work.moved.into += got as u64;
                    left -= got;
                }
            }
        }
        received += ask;
        work.pace.take(received);
    }
    Ok(received)
}
