//! The table of styles, one file each.

use super::Style;
use crate::probes::catalogue::Job;

mod mmap_send;
mod read_send;
mod sendfile;
mod splice;
mod uring_fixed;
mod uring_read_send;
mod uring_send_zc;
mod uring_splice;
mod uring_sqpoll;
mod zerocopy_receive;
mod zerocopy_send;

/// The table. The first ones are those of textbooks.
pub static STYLES: [Style; 11] = [
    read_send::STYLE,
    mmap_send::STYLE,
    sendfile::STYLE,
    splice::STYLE,
    zerocopy_send::STYLE,
    zerocopy_receive::STYLE,
    uring_read_send::STYLE,
    uring_fixed::STYLE,
    uring_sqpoll::STYLE,
    uring_splice::STYLE,
    uring_send_zc::STYLE,
];

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
