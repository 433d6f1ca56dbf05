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
    /// Memory file (tmpfs, memfd) → reader (`mm/shmem.c`).
    ShmemRead,
    /// Direct I/O, finished: a device moved the bytes (`fs/iomap/direct-io.c`).
    DirectIo,
    /// The same on the short way for a read of one extent (`fs/iomap/direct-io.c`).
    DirectSimpleRead,
    /// Text that the kernel generates, as in `/proc` → reader (`fs/seq_file.c`).
    SeqRead,
    /// A kernel buffer → reader, in small special files (`fs/libfs.c`).
    SimpleRead,
    /// `/dev/zero` → reader: bytes written, none copied (`drivers/char/mem.c`).
    ZeroFill,
    /// The same for a plain `read` (`drivers/char/mem.c`).
    ZeroRead,
    /// Writer → `/dev/null`, which does not look at the bytes (`drivers/char/mem.c`).
    NullWrite,
    /// The same for a `writev` (`drivers/char/mem.c`).
    NullWriteIter,
    /// Pipe → `/dev/null` (`drivers/char/mem.c`).
    NullSplice,
    /// Writer → page cache (`mm/filemap.c`).
    GenericPerformWrite,
    /// Writer → page cache, of file systems on iomap (`fs/iomap/buffered-io.c`).
    IomapWrite,
    /// Blocks of a file shared with another (`fs/remap_range.c`).
    RemapRange,
    /// Sender → TCP socket buffer (`net/ipv4/tcp.c`).
    TcpSendmsg,
    /// Pages spliced into a socket buffer inside a send, 6.5 and later (`net/core/skbuff.c`).
    SkbSpliceFromIter,
    /// Pages spliced into a TCP socket buffer, up to 6.4 (`net/ipv4/tcp.c`).
    DoTcpSendpages,
    /// User pages pinned for `MSG_ZEROCOPY` inside a send (`net/core/skbuff.c`).
    SkbZerocopyIterStream,
    /// Sender → UDP datagram (`net/ipv4/ip_output.c`).
    IpGetfrag,
    /// Sender → socket buffer of unix, packet and other sockets (`net/core/datagram.c`).
    SkbFromIter,
    /// Socket buffer → receiver (`net/core/datagram.c`).
    SimpleCopyToIter,
    /// UDP datagram in one piece → receiver, IPv4 (`net/ipv4/udp.c`).
    UdpRecv,
    /// The same over IPv6 (`net/ipv6/udp.c`).
    UdpRecv6,
    /// Datagram → receiver, its checksum verified on the way (`net/core/datagram.c`).
    CsumDatagram,
    /// Received pages mapped into the receiver (`net/ipv4/tcp.c`).
    TcpZerocopyReceive,
    /// Pipe → reader (`fs/pipe.c`).
    PipeRead,
    /// Writer → pipe (`fs/pipe.c`).
    PipeWrite,
    /// Pipe → memory of a `vmsplice` (`fs/splice.c`).
    VmspliceRead,
    /// Memory of a `vmsplice` → pipe by page reference (`fs/splice.c`).
    VmspliceWrite,
    /// Another process's memory → reader (`mm/process_vm_access.c`).
    ProcessRead,
    /// Writer → another process's memory (`mm/process_vm_access.c`).
    ProcessWrite,
    /// File → pipe through freshly allocated pages (`fs/splice.c`).
    CopySpliceRead,
    /// File → pipe by page reference (`mm/filemap.c`, before 6.5 `fs/splice.c`).
    FilemapSpliceRead,
    /// Memory file → pipe by page reference, 6.5 and later (`mm/shmem.c`).
    ShmemSpliceRead,
    /// Socket buffer → pipe by page reference, its linear part by copy (`net/core/skbuff.c`).
    SkbSpliceBits,
    /// Pipe → socket by page reference (`fs/splice.c`).
    SpliceToSocket,
    /// Pipe → file, written by the file's own write (`fs/splice.c`).
    FileSpliceWrite,
    /// Private copy of pages that a socket buffer only borrowed (`net/core/skbuff.c`).
    SkbCopyUbufs,
    /// Bytes copied out of a socket buffer inside the kernel (`net/core/skbuff.c`).
    SkbCopyBits,
    /// The same, summed on the way (`net/core/skbuff.c`).
    SkbCsumBits,
    /// A whole socket buffer duplicated (`net/core/skbuff.c`).
    SkbCopy,
    /// The same with more room (`net/core/skbuff.c`).
    SkbCopyExpand,
    /// A socket buffer's linear part duplicated (`net/core/skbuff.c`).
    PskbCopy,
    /// Pages of a socket buffer moved into its linear part (`net/core/skbuff.c`).
    PskbPullTail,
    /// Sender to a message of the kernel's: a record of TLS, a sockmap's (`net/core/skmsg.c`).
    SkMsgFromIter,
    /// A record of TLS encrypted by the kernel (`crypto/aead.c`).
    TlsEncrypt,
    /// A record of TLS decrypted by the kernel (`crypto/aead.c`).
    TlsDecrypt,
    /// A shared page written to: copied before the write (`mm/memory.c`).
    WpPage,
    /// A private file page written to first: copied from the page cache (`mm/memory.c`).
    CowFault,
    /// Bounce buffer of a device that cannot reach the memory (`kernel/dma/swiotlb.c`).
    SwiotlbBounce,
    /// Socket buffer → receiver, where only tracepoints can be had (`net/core/datagram.c`).
    DatagramTracepoint,
}

impl Site {
    /// Every site, in counter order.
    pub const ALL: [Self; 51] = [
        Self::FilemapRead,
        Self::ShmemRead,
        Self::DirectIo,
        Self::DirectSimpleRead,
        Self::SeqRead,
        Self::SimpleRead,
        Self::ZeroFill,
        Self::ZeroRead,
        Self::NullWrite,
        Self::NullWriteIter,
        Self::NullSplice,
        Self::GenericPerformWrite,
        Self::IomapWrite,
        Self::RemapRange,
        Self::TcpSendmsg,
        Self::SkbSpliceFromIter,
        Self::DoTcpSendpages,
        Self::SkbZerocopyIterStream,
        Self::IpGetfrag,
        Self::SkbFromIter,
        Self::SimpleCopyToIter,
        Self::UdpRecv,
        Self::UdpRecv6,
        Self::CsumDatagram,
        Self::TcpZerocopyReceive,
        Self::PipeRead,
        Self::PipeWrite,
        Self::VmspliceRead,
        Self::VmspliceWrite,
        Self::ProcessRead,
        Self::ProcessWrite,
        Self::CopySpliceRead,
        Self::FilemapSpliceRead,
        Self::ShmemSpliceRead,
        Self::SkbSpliceBits,
        Self::SpliceToSocket,
        Self::FileSpliceWrite,
        Self::SkbCopyUbufs,
        Self::SkbCopyBits,
        Self::SkbCsumBits,
        Self::SkbCopy,
        Self::SkbCopyExpand,
        Self::PskbCopy,
        Self::PskbPullTail,
        Self::SkMsgFromIter,
        Self::TlsEncrypt,
        Self::TlsDecrypt,
        Self::WpPage,
        Self::CowFault,
        Self::SwiotlbBounce,
        Self::DatagramTracepoint,
    ];

    /// Room for sites in [`crate::Counters`]; a power of two, so that an index can be masked.
    pub const SLOTS: usize = 64;
}

const _: () = {
    assert!(Site::ALL.len() <= Site::SLOTS);
    let mut i = 0;
    while i < Site::ALL.len() {
        assert!(Site::ALL[i] as usize == i, "Site::ALL must be in counter order");
        i += 1;
    }
};

/// Where the bytes of a copy lie, the one thing that tells a copy's direction.
///
/// Read from `iov_iter.iter_type` (`include/linux/uio.h`); for a socket buffer without an
/// iterator, from its lengths.
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
    /// Pages of a socket buffer: payload.
    Paged,
    /// The linear part of a socket buffer: headers; of a small datagram its payload too.
    Linear,
    /// Kernel memory with a record of TLS, whose plain text was counted where it was encrypted.
    Record,
}

impl IterClass {
    /// Every class, in counter order.
    pub const ALL: [Self; 7] =
        [Self::User, Self::Kernel, Self::Pipe, Self::None, Self::Paged, Self::Linear, Self::Record];

    /// Room for classes in [`crate::Counters`]; a power of two, so that an index can be masked.
    pub const SLOTS: usize = 8;
}
