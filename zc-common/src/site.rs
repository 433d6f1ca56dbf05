//! The names of the sites, and the kinds of iterator that the kernel copies through.

/// A kernel function in which payload is copied, or handed on without a copy.
///
/// What a site means (direction, unit, kernel names) stands in the user half's catalogue; the
/// kernel half only needs to know which counter it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Site {
    /// Page cache → reader (`mm/filemap.c`).
    FilemapRead = 0,
    /// Writer → page cache (`mm/filemap.c`).
    GenericPerformWrite,
    /// Sender → TCP socket buffer (`net/ipv4/tcp.c`).
    TcpSendmsg,
    /// Pages spliced into a socket buffer inside a send, 6.5 and later (`net/core/skbuff.c`).
    SkbSpliceFromIter,
    /// Pages spliced into a TCP socket buffer, up to 6.4 (`net/ipv4/tcp.c`).
    DoTcpSendpages,
    /// User pages pinned for `MSG_ZEROCOPY` inside a send (`net/core/skbuff.c`).
    SkbZerocopyIterStream,
    /// Socket buffer → receiver (`net/core/datagram.c`).
    SimpleCopyToIter,
    /// Private copy of pages that a socket buffer only borrowed (`net/core/skbuff.c`).
    SkbCopyUbufs,
    /// Bytes copied out of a socket buffer inside the kernel (`net/core/skbuff.c`).
    SkbCopyBits,
    /// Pipe → reader (`fs/pipe.c`).
    PipeRead,
    /// Writer → pipe (`fs/pipe.c`).
    PipeWrite,
    /// File → pipe through freshly allocated pages (`fs/splice.c`).
    CopySpliceRead,
    /// File → pipe by page reference (`mm/filemap.c`, before 6.5 `fs/splice.c`).
    FilemapSpliceRead,
    /// Pipe → socket by page reference (`fs/splice.c`).
    SpliceToSocket,
}

impl Site {
    /// Every site, in counter order.
    pub const ALL: [Self; 14] = [
        Self::FilemapRead,
        Self::GenericPerformWrite,
        Self::TcpSendmsg,
        Self::SkbSpliceFromIter,
        Self::DoTcpSendpages,
        Self::SkbZerocopyIterStream,
        Self::SimpleCopyToIter,
        Self::SkbCopyUbufs,
        Self::SkbCopyBits,
        Self::PipeRead,
        Self::PipeWrite,
        Self::CopySpliceRead,
        Self::FilemapSpliceRead,
        Self::SpliceToSocket,
    ];

    /// Room for sites in [`crate::Counters`]; a power of two, so that an index can be masked.
    pub const SLOTS: usize = 32;
}

const _: () = {
    assert!(Site::ALL.len() <= Site::SLOTS);
    let mut i = 0;
    while i < Site::ALL.len() {
        assert!(Site::ALL[i] as usize == i, "Site::ALL must be in counter order");
        i += 1;
    }
};

/// What the `struct iov_iter` of a copy points at, the one thing that tells a copy's direction.
///
/// Read from `iov_iter.iter_type` (`include/linux/uio.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum IterClass {
    /// User memory: `ITER_UBUF`, `ITER_IOVEC`.
    User = 0,
    /// Kernel memory: `ITER_BVEC`, `ITER_KVEC`, `ITER_FOLIOQ`, `ITER_XARRAY`.
    Kernel,
    /// A pipe that takes page references: `ITER_PIPE`, up to 6.4.
    Pipe,
    /// The site has no iterator.
    None,
}

impl IterClass {
    /// Every class, in counter order.
    pub const ALL: [Self; 4] = [Self::User, Self::Kernel, Self::Pipe, Self::None];
}
