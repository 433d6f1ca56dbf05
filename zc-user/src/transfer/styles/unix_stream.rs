//! read(2) into a buffer, send(2) the buffer to a unix stream socket.

use super::{BETWEEN_PROCESSES, read_send};
use crate::{
    expect::{Cost, NOTHING},
    transfer::{Part, Plan, Source, Style, link::Link, receive},
};

pub(super) const STYLE: Style = Style {
    name: "unix-stream",
    how: "read(2) into a buffer, send(2) the buffer to a unix socket",
    textbook_name: "ordinary copy",
    textbook: "as over TCP, without the network",
    source: Source::File,
    link: Link::UnixStream,
    sender: Part { cost, jobs: BETWEEN_PROCESSES, ..read_send::SENDER },
    receiver: Some(Part { jobs: BETWEEN_PROCESSES, ..receive::TCP }),
};

/// There is no device on the way.
fn cost(plan: Plan) -> Cost {
    Cost { kernel_to_kernel: NOTHING, ..(read_send::SENDER.cost)(plan) }
}
