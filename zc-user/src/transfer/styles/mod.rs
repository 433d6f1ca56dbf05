//! The table of styles, one file each.

use super::Style;
use crate::probes::catalogue::Job;

mod mmap_send;
pub(super) mod pipe;
mod process_vm_readv;
mod read_send;
mod sendfile;
mod shared_memory;
mod splice;
mod tee;
mod udp;
mod unix_stream;
pub(super) mod vmsplice;
mod vmsplice_back;

/// The table. The first ones are those of textbooks.
pub static STYLES: [Style; 13] = [
    read_send::STYLE,
    mmap_send::STYLE,
    sendfile::STYLE,
    splice::STYLE,
    tee::STYLE,
    udp::STYLE,
    unix_stream::STYLE,
    pipe::STYLE,
    vmsplice::STYLE,
    vmsplice::GIFT,
    vmsplice_back::STYLE,
    process_vm_readv::STYLE,
    shared_memory::STYLE,
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

/// The jobs that can touch bytes on their way from a file or memory of one process to another process
/// on the same machine, but for TCP.
pub(super) const BETWEEN_PROCESSES: &[Job] = &[
    Job::PageCacheRead,
    Job::SocketSend,
    Job::SocketReceive,
    Job::UdpSend,
    Job::UdpReceive,
    Job::CsumReceive,
    Job::PipeWrite,
    Job::PipeRead,
    Job::VmspliceWrite,
    Job::VmspliceRead,
    Job::ProcessRead,
    Job::SkbOwn,
    Job::SkbGather,
];
