//! The table of styles, one file each.

use super::Style;
use crate::probes::catalogue::Job;

mod buffered;
mod copy_file_range;
mod direct;
mod mmap_read;
mod mmap_send;
mod pipe;
mod pread;
mod process_vm_readv;
mod read_send;
mod read_write;
mod readv_writev;
mod reflink;
mod sendfile;
mod sendfile_file;
mod shared_memory;
mod splice;
mod splice_file;
mod tee;
mod udp;
mod unix_stream;
mod vmsplice;
mod vmsplice_back;

/// The table. The first ones are those of textbooks.
pub static STYLES: &[Style] = &[
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
    read_write::STYLE,
    buffered::STYLE,
    readv_writev::STYLE,
    pread::STYLE,
    mmap_read::STYLE,
    sendfile_file::STYLE,
    splice_file::STYLE,
    copy_file_range::STYLE,
    reflink::STYLE,
    direct::STYLE,
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
const BETWEEN_PROCESSES: &[Job] = &[
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

/// The jobs that can touch a file's bytes on their way to another file or to memory. The network's are
/// the rest of what copies inside the kernel.
const OF_FILES: &[Job] = &[
    Job::PageCacheRead,
    Job::BufferedWrite,
    Job::IomapWrite,
    Job::PipeRead,
    Job::PipeWrite,
    Job::SkbOwn,
    Job::SkbGather,
];
