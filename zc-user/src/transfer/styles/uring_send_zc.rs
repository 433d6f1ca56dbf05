//! SEND_ZC by io_uring(7): the socket borrows the sender's pages.

use rustix::io::Result;

use super::TO_TCP;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        lend::{SentAgain, in_step, round},
        link::Link,
        receive,
        uring::Ring,
        work::{Lent, Work},
    },
};

pub(super) const STYLE: Style = Style {
    name: "uring-send-zc",
    how: "io_uring: SEND_ZC, and its notice that the pages are free again",
    textbook_name: "zero copy",
    textbook: "pages are lent to the socket, 0 CPU copies, 2 switches a chunk",
    source: Source::Memory,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: TO_TCP },
    receiver: Some(receive::TCP_LENT),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_kernel: plan.lent(),
        syscalls: term(
            plan.bytes.div_ceil(round(plan.chunk)),
            "⌈N/min(c, 32 KiB)⌉: io_uring_enter",
        ),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let again = SentAgain::since_now(socket)?;
    let mut ring = Ring::new(work)?;
    let tells = ring.tells(socket)?;
    let mut lent = Lent::default();
    let sent = in_step(work, round(work.chunk as u64), |bytes| {
        let loan = ring.lend(socket, bytes, tells)?;
        lent.sends += 1;
        lent.copied += u64::from(loan.copied == Some(true));
        Ok(loan.sent)
    })?;
    work.completed += sent;
    work.lent = tells.then_some(lent);
    work.sent_again = again.is_so()?;
    Ok(sent)
}
