//! copy_file_range(2): the kernel copies from file to file, or has the file system do it.

use rustix::{fs, io::Result};

use super::OF_FILES;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, in_chunks},
    },
};

pub(super) const STYLE: Style = Style {
    name: "copy-file-range",
    how: "copy_file_range(2) from the file to another file",
    textbook_name: "in-kernel copy",
    textbook: "1 CPU copy inside the kernel, none where the file system shares blocks",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_kernel: term(plan.bytes, "N: page cache to page cache"),
        syscalls: term(plan.chunks(), "⌈N/c⌉: copy_file_range"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    in_chunks(work.bytes, work.chunk, |ask, _| fs::copy_file_range(file, None, end, None, ask))
}
