//! splice(2) from the file into a pipe, and from the pipe into another file.

use super::{
    OF_FILES,
    splice::{calls, transfer},
};
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link},
};

pub(in crate::transfer) const STYLE: Style = Style {
    name: "splice-file",
    how: "splice(2) file to pipe, splice(2) pipe to another file",
    textbook_name: "zero copy",
    textbook: "no copy through user space; the kernel makes 1 for the other file's pages",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

/// The pipe refers to the file's pages; the other file's pages get a copy of each
/// (`iter_file_splice_write`, fs/splice.c).
fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_kernel: term(plan.bytes, "N: pipe to page cache"),
        syscalls: calls(plan),
        ..Cost::NOTHING
    }
}
