//! pread(2) of a page at once from a file of which nothing is read ahead: each page that is not in memory
//! has to be waited for.

use rustix::{
    fs::{Advice, fadvise},
    io::Result,
};

use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Style, styles::pread, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "pread-at-random",
    how: "pread(2) of a page at once, with POSIX_FADV_RANDOM",
    textbook: "the reader waits for each page that is not in memory",
    sender: Part { run, cost, ..pread::STYLE.sender },
    ..pread::STYLE
};

/// A page everywhere that zc runs.
const PAGE: usize = 4096;

fn cost(plan: Plan) -> Cost {
    let calls = plan.bytes.div_ceil(PAGE as u64);
    Cost {
        kernel_to_user: term(plan.bytes, "N: pread"),
        syscalls: term(calls, "⌈N/4 KiB⌉: pread"),
        ..Cost::NOTHING
    }
}

/// The advice is the open file's, which others read as well: they get it back as it was.
fn run(work: &mut Work<'_>) -> Result<u64> {
    let file = work.file()?;
    fadvise(file, 0, None, Advice::Random)?;
    let read = pread::in_pieces(work, PAGE.min(work.chunk));
    fadvise(file, 0, None, Advice::Normal)?;
    read
}
