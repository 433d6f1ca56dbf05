//! The transfer styles: how each moves the bytes, and what theory says that it costs.
//!
//! One table, one file a style. CONTRIBUTING.md says how to add one.

use std::{collections::BTreeSet, os::fd::BorrowedFd};

use serde::{Deserialize, Serialize};

use crate::{expect::Cost, probes::catalogue::Job};

mod mmap_send;
pub mod payload;
mod read_send;
pub mod receive;
mod resident;
mod sendfile;
pub mod session;
mod splice;
pub mod worker;

/// The numbers that a prediction depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Payload bytes, `N` in formulas.
    pub bytes: u64,
    /// Bytes asked for in a call, `c` in formulas.
    pub chunk: u64,
}

impl Plan {
    /// `⌈N/c⌉`.
    pub fn chunks(self) -> u64 {
        self.bytes.div_ceil(self.chunk)
    }
}

/// What a sender has to work with.
pub struct Sending<'a> {
    /// The payload's file, positioned at its start.
    pub file: BorrowedFd<'a>,
    /// The connected TCP socket.
    pub socket: BorrowedFd<'a>,
    /// Bytes to send.
    pub bytes: u64,
    /// At most this many in a call.
    pub chunk: usize,
    /// `chunk` bytes of memory, touched already.
    pub buffer: &'a mut [u8],
    /// What has gone through this process's memory.
    pub moved: OwnMemory,
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

impl Sending<'_> {
    /// How many of `left` bytes the next call asks for.
    fn next(&self, left: u64) -> usize {
        usize::try_from(left).map_or(self.chunk, |left| left.min(self.chunk))
    }
}

impl std::fmt::Debug for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// One way to move a file's bytes into a TCP socket.
pub struct Style {
    /// Its name on the command line and in JSON.
    pub name: &'static str,
    /// The system calls, for people.
    pub how: &'static str,
    /// What textbooks call it, in two or three words.
    pub textbook_name: &'static str,
    /// What they say of it.
    pub textbook: &'static str,
    /// Moves the bytes; the number moved.
    pub send: fn(&mut Sending<'_>) -> rustix::io::Result<u64>,
    /// What the sender should cost.
    pub cost: fn(Plan) -> Cost,
    /// The kernel's jobs that carry the sender's bytes: all must be seen for a count to stand.
    pub jobs: &'static [Job],
}

/// The jobs that can touch bytes on their way from a regular file into a TCP socket. A style that
/// does without one of them still needs it watched: "no copy" is a measurement too.
const FILE_TO_TCP: &[Job] = &[
    Job::PageCacheRead,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];

/// The table.
pub const STYLES: [Style; 4] = [read_send::STYLE, mmap_send::STYLE, sendfile::STYLE, splice::STYLE];

/// The jobs that must be seen to count both sides of `styles`.
pub fn jobs<'a>(styles: impl Iterator<Item = &'a Style>) -> BTreeSet<Job> {
    styles.flat_map(|style| style.jobs).chain(receive::JOBS).copied().collect()
}

/// The style called `name`.
pub fn style(name: &str) -> Option<&'static Style> {
    STYLES.iter().find(|style| style.name == name)
}

/// The style names nearest to a misspelt one, best first; empty when none is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, STYLES.iter().map(|style| style.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_style_suggests_the_nearest() {
        assert_eq!(nearest("send-file"), Some("sendfile"));
        assert_eq!(nearest("readsend"), Some("read-send"));
        assert_eq!(nearest("zzz"), None);
    }

    #[test]
    fn chunks_round_up() {
        assert_eq!(Plan { bytes: 10, chunk: 4 }.chunks(), 3);
        assert_eq!(Plan { bytes: 8, chunk: 4 }.chunks(), 2);
        assert_eq!(Plan { bytes: 1, chunk: 4 }.chunks(), 1);
    }
}
