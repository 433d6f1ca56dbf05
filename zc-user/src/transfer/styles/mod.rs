//! The table of styles, one file each.

use super::Style;
use crate::probes::catalogue::Job;

mod buffered;
mod copy_file_range;
mod direct;
mod mmap_read;
mod mmap_send;
pub(super) mod pipe;
pub(super) mod pread;
mod process_vm_readv;
mod read_send;
pub(super) mod read_write;
mod readv_writev;
mod reflink;
mod sendfile;
mod sendfile_file;
mod sendfile_tls;
mod shared_memory;
pub(super) mod splice;
pub(super) mod splice_file;
mod tee;
mod udp;
mod unix_stream;
mod uring_fixed;
mod uring_read_send;
mod uring_send_zc;
mod uring_splice;
mod uring_sqpoll;
pub(super) mod vmsplice;
mod vmsplice_back;
pub(super) mod zerocopy_receive;
mod zerocopy_send;

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
    sendfile_tls::STYLE,
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

/// The jobs that can touch a file's bytes on their way to another file or to memory. The network's are
/// the rest of what copies inside the kernel.
pub(super) const OF_FILES: &[Job] = &[
    Job::PageCacheRead,
    Job::BufferedWrite,
    Job::IomapWrite,
    Job::ShareBlocks,
    Job::PipeRead,
    Job::PipeWrite,
    Job::SkbOwn,
    Job::SkbGather,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        expect::{Cost, Term},
        transfer::{Part, Plan},
    };

    const PLAN: Plan = Plan::plain(64 << 20, 64 << 10);

    /// A style as docs/styles.md shows it.
    fn documented(style: &Style) -> String {
        let cost = |part: &Part| (part.cost)(PLAN);
        let (sender, receiver) = (cost(&style.sender), style.receiver.as_ref().map(cost));
        let or_none = |text: fn(&Cost) -> String| receiver.map_or("-".into(), |cost| text(&cost));
        format!(
            "| `{}` | {} → {} | {} | {} | {} | {} | {} |",
            style.name,
            style.source.name(),
            style.link.name(),
            style.how,
            copies(&sender),
            or_none(copies),
            sender.syscalls.formula,
            or_none(|cost| cost.syscalls.formula.into()),
        )
    }

    /// How often each byte is copied, by direction.
    fn copies(cost: &Cost) -> String {
        let all = [
            ("UK", cost.user_to_kernel),
            ("KU", cost.kernel_to_user),
            ("KK", cost.kernel_to_kernel),
        ];
        let used = all.into_iter().filter(|(_, term)| term.value > 0);
        let times = |term: Term| match term.value.is_multiple_of(PLAN.bytes) {
            true => (term.value / PLAN.bytes).to_string(),
            false => term.formula.to_owned(),
        };
        let used: Vec<_> = used.map(|(name, term)| format!("{name} {}", times(term))).collect();
        if used.is_empty() { "0".into() } else { used.join(" + ") }
    }

    #[test]
    fn every_style_is_documented_as_it_is() {
        let page = include_str!("../../../../docs/styles.md");
        let table: Vec<_> = STYLES.iter().map(documented).collect();
        let missing: Vec<_> = table.iter().filter(|line| !page.contains(&***line)).collect();
        assert!(missing.is_empty(), "docs/styles.md needs these lines:\n{}", table.join("\n"));
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), STYLES.len());
    }
}
