//! mmap(2) the file, copy from the mapping: no system call a chunk.

use rustix::io::Result;

use super::OF_FILES;
use crate::{
    expect::Cost,
    transfer::{
        Part, Source, Style,
        link::Link,
        memory::FileView,
        work::{Work, in_chunks, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "mmap-read",
    how: "mmap(2) the file with MAP_POPULATE, copy from the mapping",
    textbook_name: "mapped file",
    textbook: "no call and no copy by the kernel; the one copy is the program's own, unseen here",
    source: Source::File,
    link: Link::OwnMemory,
    // The call maps every page. Without `MAP_POPULATE` a page fault maps some: in windows of 64 KiB, but
    // fewer while the disk is waited for, and more where the page cache has larger folios
    // (`filemap_map_pages`, mm/filemap.c), so that no formula tells their number.
    sender: Part { run: transfer, cost: |_| Cost::NOTHING, jobs: OF_FILES },
    receiver: None,
};

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    // The empty run maps one byte, so that the two calls are part of the fixed cost.
    let view = FileView::populated(work.file()?, work.bytes)?;
    in_chunks(work.bytes, work.chunk, |ask, at| {
        let start = usize(at)?;
        work.buffer[..ask].copy_from_slice(&view.bytes()[start..start + ask]);
        work.hasher.update(&work.buffer[..ask]);
        Ok(ask)
    })
}
