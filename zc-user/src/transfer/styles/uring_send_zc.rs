//! SEND_ZC by io_uring(7): the socket borrows the sender's pages.

use rustix::io::{Errno, Result};

use super::{TO_TCP, uring_read_send::enters};
use crate::{
    expect::Cost,
    transfer::{
        Part, Plan, Source, Style,
        lend::{SentAgain, copied_after_all, usize},
        link::Link,
        receive,
        uring::{Ring, round},
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
    receiver: Some(receive::TCP),
};

fn cost(plan: Plan) -> Cost {
    Cost { kernel_to_kernel: copied_after_all(plan), syscalls: enters(plan), ..Cost::NOTHING }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let again = SentAgain::since_now(socket)?;
    let mut ring = Ring::new(work)?;
    let tells = ring.tells(socket)?;
    let mut lent = Lent::default();
    let payload = work.memory.get(..usize(work.bytes)?).ok_or(Errno::NODATA)?;
    for chunk in payload.chunks(usize(round(work.chunk as u64))?) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let loan = ring.lend(socket, rest, tells)?;
            rest = &rest[loan.sent..];
            lent.sends += 1;
            lent.copied += u64::from(loan.copied == Some(true));
        }
    }
    work.completed += work.bytes;
    work.lent = tells.then_some(lent);
    work.sent_again = again.is_so()?;
    Ok(work.bytes)
}
