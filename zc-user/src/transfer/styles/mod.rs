//! The table of styles, one file each.

use super::Style;
use crate::probes::catalogue::Job;

mod mmap_send;
mod read_send;
mod sendfile;
mod splice;

/// The table. The first ones are those of textbooks.
pub static STYLES: [Style; 4] =
    [read_send::STYLE, mmap_send::STYLE, sendfile::STYLE, splice::STYLE];

/// The styles that textbooks compare: what the lab runs unless told otherwise.
pub fn in_textbooks() -> &'static [Style] {
    &STYLES[..4]
}

/// The jobs that can touch bytes on their way from a regular file or from memory into a TCP socket.
const TO_TCP: &[Job] = &[
    Job::PageCacheRead,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];
