//! splice(2) with `SPLICE_F_MOVE`, which asks for pages to be moved to the other file.

use rustix::{io::Result, pipe::SpliceFlags};

use crate::transfer::{
    Part, Style,
    styles::{splice, splice_file},
    work::Work,
};

pub(super) const STYLE: Style = Style {
    name: "splice-file-move",
    how: "splice(2) file to pipe, splice(2) with SPLICE_F_MOVE pipe to another file",
    sender: Part { run, ..splice_file::STYLE.sender },
    ..splice_file::STYLE
};

fn run(work: &mut Work<'_>) -> Result<u64> {
    splice::through_pipe(work, work.file()?, SpliceFlags::MOVE)
}
