//! ioctl(2) FICLONE: the new file shares the blocks of the old one.

use rustix::{
    fs::{fstat, ioctl_ficlone},
    io::Result,
};

use super::OF_FILES;
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "reflink",
    how: "ioctl(2) FICLONE: the other file shares the blocks of the first",
    textbook_name: "shared blocks",
    textbook: "nothing is copied until one of the two is written",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

fn cost(_plan: Plan) -> Cost {
    Cost { syscalls: term(1, "1: ioctl"), ..Cost::NOTHING }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    // The call takes the file whole, also where a part of it is the payload.
    let whole = fstat(file)?.st_size.cast_unsigned();
    if work.bytes > 0 {
        ioctl_ficlone(end, file)?;
        // It returns no number of bytes.
        work.completed = 2 * whole;
    }
    Ok(work.bytes)
}
