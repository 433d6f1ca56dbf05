//! The declarative table of sites. Attaching, `zc doctor`, results and docs all read it.

use serde::Serialize;
use zc_common::{IterClass, Site};

/// Which way the CPU moved payload bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a process into the kernel.
    UserToKernel,
    /// From the kernel into a process.
    KernelToUser,
    /// Inside the kernel.
    KernelToKernel,
}

impl Direction {
    /// All three.
    pub const ALL: [Self; 3] = [Self::UserToKernel, Self::KernelToUser, Self::KernelToKernel];
}

/// What the bytes that passed a site mean for the copy count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Each byte was copied once by the CPU.
    Copy(Direction),
    /// Each byte was counted as copied by an enclosing site, but was handed on by reference.
    Spared(Direction),
    /// No copy here: the bytes were handed on by reference, or are counted at another site.
    Passed,
}

/// Functions that do the same job on different kernels. A count is complete when one of the job's
/// functions is attached and none that exists was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Page cache → reader.
    PageCacheRead,
    /// Writer → page cache.
    BufferedWrite,
    /// Sender → TCP.
    TcpSend,
    /// Pages handed to TCP instead of copied.
    TcpHandOn,
    /// User pages pinned by TCP instead of copied.
    TcpZerocopy,
    /// Socket buffer → receiver.
    SocketReceive,
    /// The copy that a receiver of borrowed pages forces.
    SkbOwn,
    /// Copies of buffer parts, such as headers or the payload for a NIC without gather.
    SkbGather,
    /// Pipe → reader.
    PipeRead,
    /// Writer → pipe.
    PipeWrite,
    /// File → pipe with a copy.
    SpliceReadCopy,
    /// File → pipe by reference.
    SpliceRead,
    /// Pipe → socket.
    SpliceSend,
}

/// In what context the function may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Only on behalf of the task on the CPU, which the bytes are counted for.
    Process,
    /// Also in a softirq, on top of an uninvolved task: counted for the whole machine.
    Any,
}

/// One row of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// The counter that the kernel half adds to.
    pub site: Site,
    /// The BPF program.
    pub program: &'static str,
    /// Kernel functions to try, newest name first; the first one that this kernel has is used.
    pub functions: &'static [&'static str],
    /// What it does.
    pub job: Job,
    /// Who is charged.
    pub context: Context,
    /// What bytes through each [`IterClass`] mean.
    pub effect: fn(IterClass) -> Effect,
    /// One line for people.
    pub meaning: &'static str,
    /// The kernel file that it was read from.
    pub source: &'static str,
}

use Direction::{KernelToKernel, KernelToUser, UserToKernel};

/// Bytes that leave the kernel's buffer.
fn outward(class: IterClass) -> Effect {
    if class == IterClass::User { Effect::Copy(KernelToUser) } else { Effect::Copy(KernelToKernel) }
}

/// Bytes that enter the kernel's buffer.
fn inward(class: IterClass) -> Effect {
    if class == IterClass::User { Effect::Copy(UserToKernel) } else { Effect::Copy(KernelToKernel) }
}

/// Bytes that an enclosing [`inward`] site counted although they were not copied.
fn spared(class: IterClass) -> Effect {
    if class == IterClass::User {
        Effect::Spared(UserToKernel)
    } else {
        Effect::Spared(KernelToKernel)
    }
}

/// Page-cache reads: a pipe takes a reference to the page (`copy_page_to_iter_pipe`,
/// lib/iov_iter.c up to 6.4), where every other target gets a copy.
fn page_cache(class: IterClass) -> Effect {
    if class == IterClass::Pipe { Effect::Passed } else { outward(class) }
}

/// No copy of its own.
fn passed(_class: IterClass) -> Effect {
    Effect::Passed
}

/// A copy between kernel buffers, without an iterator.
fn within(_class: IterClass) -> Effect {
    Effect::Copy(KernelToKernel)
}

/// The table, in counter order. CONTRIBUTING.md says how to add a row.
pub const SITES: [Entry; Site::ALL.len()] = [
    Entry {
        site: Site::FilemapRead,
        program: "filemap_read",
        functions: &["filemap_read", "generic_file_buffered_read"],
        job: Job::PageCacheRead,
        context: Context::Process,
        effect: page_cache,
        meaning: "page cache to reader",
        source: "mm/filemap.c",
    },
    Entry {
        site: Site::GenericPerformWrite,
        program: "generic_perform_write",
        functions: &["generic_perform_write"],
        job: Job::BufferedWrite,
        context: Context::Process,
        effect: inward,
        meaning: "writer to page cache",
        source: "mm/filemap.c",
    },
    Entry {
        site: Site::TcpSendmsg,
        program: "tcp_sendmsg_locked",
        functions: &["tcp_sendmsg_locked"],
        job: Job::TcpSend,
        context: Context::Process,
        effect: inward,
        meaning: "sender to TCP socket buffer",
        source: "net/ipv4/tcp.c",
    },
    Entry {
        site: Site::SkbSpliceFromIter,
        program: "skb_splice_from_iter",
        functions: &["skb_splice_from_iter"],
        job: Job::TcpHandOn,
        context: Context::Process,
        effect: spared,
        meaning: "pages handed to a socket buffer, not copied",
        source: "net/core/skbuff.c",
    },
    Entry {
        site: Site::DoTcpSendpages,
        program: "do_tcp_sendpages",
        functions: &["do_tcp_sendpages"],
        job: Job::TcpHandOn,
        context: Context::Process,
        effect: passed,
        meaning: "pages handed to a TCP socket buffer, not copied",
        source: "net/ipv4/tcp.c",
    },
    Entry {
        site: Site::SkbZerocopyIterStream,
        program: "skb_zerocopy_iter_stream",
        functions: &["skb_zerocopy_iter_stream"],
        job: Job::TcpZerocopy,
        context: Context::Process,
        effect: spared,
        meaning: "user pages pinned by a socket buffer, not copied",
        source: "net/core/skbuff.c",
    },
    Entry {
        site: Site::SimpleCopyToIter,
        program: "simple_copy_to_iter",
        functions: &["simple_copy_to_iter"],
        job: Job::SocketReceive,
        context: Context::Process,
        effect: outward,
        meaning: "socket buffer to receiver",
        source: "net/core/datagram.c",
    },
    Entry {
        site: Site::SkbCopyUbufs,
        program: "skb_copy_ubufs",
        functions: &["skb_copy_ubufs"],
        job: Job::SkbOwn,
        context: Context::Any,
        effect: within,
        meaning: "private copy of pages that a socket buffer borrowed",
        source: "net/core/skbuff.c",
    },
    Entry {
        site: Site::SkbCopyBits,
        program: "skb_copy_bits",
        functions: &["skb_copy_bits"],
        job: Job::SkbGather,
        context: Context::Any,
        effect: within,
        meaning: "part of a socket buffer copied out",
        source: "net/core/skbuff.c",
    },
    Entry {
        site: Site::PipeRead,
        program: "pipe_read",
        functions: &["anon_pipe_read", "pipe_read"],
        job: Job::PipeRead,
        context: Context::Process,
        effect: outward,
        meaning: "pipe to reader",
        source: "fs/pipe.c",
    },
    Entry {
        site: Site::PipeWrite,
        program: "pipe_write",
        functions: &["anon_pipe_write", "pipe_write"],
        job: Job::PipeWrite,
        context: Context::Process,
        effect: inward,
        meaning: "writer to pipe",
        source: "fs/pipe.c",
    },
    Entry {
        site: Site::CopySpliceRead,
        program: "copy_splice_read",
        functions: &["copy_splice_read"],
        job: Job::SpliceReadCopy,
        context: Context::Process,
        effect: passed,
        meaning: "file to pipe by copy; the copy is counted where the file is read",
        source: "fs/splice.c",
    },
    Entry {
        site: Site::FilemapSpliceRead,
        program: "filemap_splice_read",
        functions: &["filemap_splice_read", "generic_file_splice_read"],
        job: Job::SpliceRead,
        context: Context::Process,
        effect: passed,
        meaning: "page cache to pipe by reference",
        source: "mm/filemap.c",
    },
    Entry {
        site: Site::SpliceToSocket,
        program: "splice_to_socket",
        functions: &["splice_to_socket", "generic_splice_sendpage"],
        job: Job::SpliceSend,
        context: Context::Process,
        effect: passed,
        meaning: "pipe to socket; a copy, if any, is counted where the socket sends",
        source: "fs/splice.c",
    },
];

/// The row of `site`.
pub fn entry(site: Site) -> &'static Entry {
    &SITES[site as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_counter_order() {
        for (row, site) in SITES.iter().zip(Site::ALL) {
            assert_eq!(row.site, site);
        }
    }

    #[test]
    fn only_a_page_cache_read_into_a_pipe_is_free() {
        let read = |class| (entry(Site::FilemapRead).effect)(class);
        assert_eq!(read(IterClass::User), Effect::Copy(KernelToUser));
        assert_eq!(read(IterClass::Kernel), Effect::Copy(KernelToKernel));
        assert_eq!(read(IterClass::Pipe), Effect::Passed);
        assert_eq!(
            (entry(Site::SimpleCopyToIter).effect)(IterClass::Pipe),
            Effect::Copy(KernelToKernel)
        );
    }

    #[test]
    fn what_may_run_in_a_softirq_is_never_charged_to_a_process() {
        for row in SITES.iter().filter(|row| row.context == Context::Any) {
            assert_eq!(
                (row.effect)(IterClass::None),
                Effect::Copy(KernelToKernel),
                "{}",
                row.program
            );
        }
    }
}
