//! sendfile(2) to another file: one call, and still a copy, which user space never sees.

use super::{OF_FILES, sendfile::transfer};
use crate::{
    expect::{Cost, term},
    transfer::{Part, Plan, Source, Style, link::Link},
};

pub(super) const STYLE: Style = Style {
    name: "sendfile-file",
    how: "sendfile(2) from the file to another file",
    textbook_name: "zero copy",
    textbook: "no copy through user space; the kernel makes 1 for the other file's pages",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

/// The pages go through a pipe of the kernel's own by reference, and the other file's pages get a copy
/// of each (`do_splice_direct`, `iter_file_splice_write`, fs/splice.c).
fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_kernel: term(plan.bytes, "N: page cache to page cache"),
        syscalls: term(plan.chunks(), "⌈N/c⌉: sendfile"),
        ..Cost::NOTHING
    }
}
