//! read(2) and write(2) of records, without a library's buffers.

use rustix::io::Result;

use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Style, styles::read_write, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "read-write-records",
    how: "read(2) and write(2) of records of 64 bytes to another file",
    textbook_name: "unbuffered I/O",
    textbook: "one system call for each library call",
    sender: Part { run, cost, ..read_write::STYLE.sender },
    ..read_write::STYLE
};

/// Bytes of a record.
const RECORD: usize = 64;

fn cost(plan: Plan) -> Cost {
    let plan = Plan { chunk: RECORD as u64, ..plan };
    Cost {
        syscalls: term(2 * plan.chunks(), "2⌈N/64⌉: read, write"),
        ..(read_write::STYLE.sender.cost)(plan)
    }
}

fn run(work: &mut Work<'_>) -> Result<u64> {
    work.chunk = RECORD;
    read_write::transfer(work)
}
