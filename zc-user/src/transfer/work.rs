//! What one side of a transfer has to work with, and what it tells of its work.

use std::os::fd::BorrowedFd;

use rustix::io::{Errno, Result};
use serde::{Deserialize, Serialize};

use super::pace::Pace;

/// What one side of a transfer has to work with.
pub struct Work<'a> {
    /// The payload's file, positioned at its start; the sender's only.
    pub(super) file: Option<BorrowedFd<'a>>,
    /// This side's end of the link, where the link has ends.
    pub(super) end: Option<BorrowedFd<'a>>,
    /// Bytes to move.
    pub bytes: u64,
    /// At most this many in a call.
    pub chunk: usize,
    /// Memory for a chunk, in whole pages, touched already.
    pub buffer: &'a mut [u8],
    /// The payload, for the sender of a style that starts from memory; otherwise empty.
    pub memory: &'a [u8],
    /// What both sides see.
    pub(super) pace: &'a Pace,
    /// Takes in what arrived, by whoever has it in memory at last.
    pub hasher: &'a mut blake3::Hasher,
    /// What has gone through this process's memory.
    pub moved: OwnMemory,
    /// Bytes that completions told of, or an argument, and no system call returned: twice where a
    /// request had a file at both ends.
    pub completed: u64,
    /// Whether the network had something sent twice, whose pages are copied again.
    pub sent_again: bool,
    /// What the kernel said of the pages that were lent to it, where some were.
    pub lent: Option<Lent>,
    /// Whether kernel threads that are none of this process's may have done some of the work.
    pub by_kernel_threads: bool,
}

/// What completions say of the pages that a process lent to its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// How many sends were completed.
    pub sends: u64,
    /// Of how many the kernel says that it copied some of the pages after all.
    pub copied: u64,
}

/// Payload bytes that a process's system calls moved through its own memory, summed from what they
/// returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnMemory {
    /// From the kernel into it.
    pub into: u64,
    /// Out of it to the kernel.
    pub out_of: u64,
}

/// Has `call` move `bytes` bytes, at most `chunk` at once. It is told how many to move and how many are
/// moved already, and says how many it has moved.
///
/// # Errors
/// `call`'s own; `ENODATA` when it moves none.
pub(super) fn in_chunks(
    bytes: u64,
    chunk: usize,
    mut call: impl FnMut(usize, u64) -> Result<usize>,
) -> Result<u64> {
    let mut moved = 0;
    while moved < bytes {
        let ask = at_most(chunk, bytes - moved);
        match call(ask, moved)? {
            0 => return Err(Errno::NODATA),
            more => moved += more as u64,
        }
    }
    Ok(moved)
}

/// What is left, if that is not more than `most`.
pub(super) fn at_most(most: usize, left: u64) -> usize {
    usize::try_from(left).map_or(most, |left| left.min(most))
}

/// A number of bytes, or a place, in memory.
///
/// # Errors
/// `EFBIG` for more than there are addresses.
pub(super) fn usize(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_| Errno::FBIG)
}

impl<'a> Work<'a> {
    /// How many of `left` bytes the next call asks for.
    pub fn next(&self, left: u64) -> usize {
        at_most(self.chunk, left)
    }

    /// The payload's file.
    ///
    /// # Errors
    /// `EBADF` on the receiver's side, which has none.
    pub fn file(&self) -> Result<BorrowedFd<'a>> {
        self.file.ok_or(Errno::BADF)
    }

    /// This side's end of the link.
    ///
    /// # Errors
    /// `EBADF` where the style's link has none.
    pub fn end(&self) -> Result<BorrowedFd<'a>> {
        self.end.ok_or(Errno::BADF)
    }
}
