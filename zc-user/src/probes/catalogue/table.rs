//! The rows.

use zc_common::Site;

use super::{
    Aid, At, Context, Entry, Job,
    effects::{
        both, either, filled, from_user, inner, inward, outward, page_cache, passed, sink,
        sink_alone, sink_of_payload, source, source_once, spared, spliced, to_user, transformed,
        unshared, within,
    },
};

/// Tells datagrams in one piece from those in pages, which `simple_copy_to_iter` counts.
const UDP_DEQUEUE: Aid = Aid { program: "skb_recv_udp", function: "__skb_recv_udp", at: At::Exit };

/// Forgets the owner of a socket that ends.
const SOCKET_END: Aid = Aid { program: "sk_destruct", function: "sk_destruct", at: At::Entry };

/// What most rows are.
const PROCESS: Entry = Entry {
    site: Site::FilemapRead,
    program: "",
    functions: &[],
    at: At::Exit,
    aids: &[],
    job: Job::PageCacheRead,
    context: Context::Process,
    effect: passed,
    end: inner,
    meaning: "",
    source: "",
};

/// What those are that may run in a softirq.
const ANY: Entry = Entry {
    aids: &[SOCKET_END],
    context: Context::Any,
    effect: within,
    source: "net/core/skbuff.c",
    ..PROCESS
};

/// The table, in counter order. CONTRIBUTING.md says how to add a row.
pub const SITES: [Entry; Site::ALL.len()] = [
    Entry {
        site: Site::FilemapRead,
        program: "filemap_read",
        functions: &["filemap_read", "generic_file_buffered_read"],
        job: Job::PageCacheRead,
        effect: page_cache,
        end: source,
        meaning: "page cache to reader",
        source: "mm/filemap.c",
        ..PROCESS
    },
    Entry {
        site: Site::ShmemRead,
        program: "shmem_file_read_iter",
        functions: &["shmem_file_read_iter"],
        job: Job::MemoryFileRead,
        effect: page_cache,
        end: source,
        meaning: "memory file to reader",
        source: "mm/shmem.c",
        ..PROCESS
    },
    Entry {
        site: Site::DirectIo,
        program: "iomap_dio_complete",
        functions: &["iomap_dio_complete"],
        job: Job::DirectIo,
        end: either,
        meaning: "moved by a device, not by the CPU",
        source: "fs/iomap/direct-io.c",
        ..PROCESS
    },
    Entry {
        site: Site::DirectSimpleRead,
        program: "iomap_dio_simple_complete",
        functions: &["iomap_dio_simple_complete"],
        job: Job::DirectIo,
        end: either,
        meaning: "moved by a device, not by the CPU",
        source: "fs/iomap/direct-io.c",
        ..PROCESS
    },
    Entry {
        site: Site::SeqRead,
        program: "seq_read_iter",
        functions: &["seq_read_iter"],
        job: Job::GeneratedRead,
        effect: outward,
        end: source,
        meaning: "text made by the kernel to reader",
        source: "fs/seq_file.c",
        ..PROCESS
    },
    Entry {
        site: Site::SimpleRead,
        program: "simple_read_from_buffer",
        functions: &["simple_read_from_buffer"],
        job: Job::GeneratedRead,
        effect: to_user,
        end: source,
        meaning: "kernel buffer to reader",
        source: "fs/libfs.c",
        ..PROCESS
    },
    Entry {
        site: Site::ZeroFill,
        program: "read_iter_zero",
        functions: &["read_iter_zero"],
        job: Job::ZeroFill,
        effect: filled,
        end: source,
        meaning: "zeros to reader: written, not copied",
        source: "drivers/char/mem.c",
        ..PROCESS
    },
    Entry {
        site: Site::ZeroRead,
        program: "read_zero",
        functions: &["read_zero"],
        job: Job::ZeroFill,
        effect: filled,
        end: source,
        meaning: "zeros to reader by a plain read: written, not copied",
        source: "drivers/char/mem.c",
        ..PROCESS
    },
    Entry {
        site: Site::NullWrite,
        program: "write_null",
        functions: &["write_null"],
        job: Job::ThrowAway,
        end: sink,
        meaning: "writer to /dev/null: not even read",
        source: "drivers/char/mem.c",
        ..PROCESS
    },
    Entry {
        site: Site::NullWriteIter,
        program: "write_iter_null",
        functions: &["write_iter_null"],
        job: Job::ThrowAway,
        end: sink,
        meaning: "writer to /dev/null by a vectored write: not even read",
        source: "drivers/char/mem.c",
        ..PROCESS
    },
    Entry {
        site: Site::NullSplice,
        program: "splice_write_null",
        functions: &["splice_write_null"],
        job: Job::ThrowAway,
        end: sink,
        meaning: "pipe to /dev/null: not even read",
        source: "drivers/char/mem.c",
        ..PROCESS
    },
    Entry {
        site: Site::GenericPerformWrite,
        program: "generic_perform_write",
        functions: &["generic_perform_write"],
        job: Job::BufferedWrite,
        effect: inward,
        end: sink,
        meaning: "writer to page cache",
        source: "mm/filemap.c",
        ..PROCESS
    },
    Entry {
        site: Site::IomapWrite,
        program: "iomap_file_buffered_write",
        functions: &["iomap_file_buffered_write"],
        job: Job::IomapWrite,
        effect: inward,
        end: sink,
        meaning: "writer to page cache, by iomap",
        source: "fs/iomap/buffered-io.c",
        ..PROCESS
    },
    Entry {
        site: Site::RemapRange,
        program: "generic_remap_file_range_prep",
        functions: &["generic_remap_file_range_prep"],
        job: Job::ShareBlocks,
        end: both,
        meaning: "blocks of a file shared with another, not copied",
        source: "fs/remap_range.c",
        ..PROCESS
    },
    Entry {
        site: Site::TcpSendmsg,
        program: "tcp_sendmsg_locked",
        functions: &["tcp_sendmsg_locked"],
        job: Job::TcpSend,
        effect: inward,
        end: sink_of_payload,
        meaning: "sender to TCP socket buffer",
        source: "net/ipv4/tcp.c",
        ..PROCESS
    },
    Entry {
        site: Site::SkbSpliceFromIter,
        program: "skb_splice_from_iter",
        functions: &["skb_splice_from_iter"],
        job: Job::TcpHandOn,
        effect: spared,
        end: sink_alone,
        meaning: "pages handed to a socket buffer, not copied",
        source: "net/core/skbuff.c",
        ..PROCESS
    },
    Entry {
        site: Site::DoTcpSendpages,
        program: "do_tcp_sendpages",
        functions: &["do_tcp_sendpages"],
        job: Job::TcpHandOn,
        end: sink_of_payload,
        meaning: "pages handed to a TCP socket buffer, not copied",
        source: "net/ipv4/tcp.c",
        ..PROCESS
    },
    Entry {
        site: Site::SkbZerocopyIterStream,
        program: "skb_zerocopy_iter_stream",
        functions: &["skb_zerocopy_iter_stream"],
        job: Job::TcpZerocopy,
        effect: spared,
        meaning: "user pages pinned by a socket buffer, not copied",
        source: "net/core/skbuff.c",
        ..PROCESS
    },
    Entry {
        site: Site::IpGetfrag,
        program: "ip_generic_getfrag",
        functions: &["ip_generic_getfrag"],
        job: Job::UdpSend,
        effect: inward,
        end: sink,
        meaning: "sender to UDP datagram",
        source: "net/ipv4/ip_output.c",
        ..PROCESS
    },
    Entry {
        site: Site::SkbFromIter,
        program: "skb_copy_datagram_from_iter",
        functions: &["skb_copy_datagram_from_iter"],
        job: Job::SocketSend,
        effect: inward,
        end: sink,
        meaning: "sender to socket buffer (unix, packet)",
        source: "net/core/datagram.c",
        ..PROCESS
    },
    Entry {
        site: Site::SimpleCopyToIter,
        program: "simple_copy_to_iter",
        functions: &["simple_copy_to_iter"],
        job: Job::SocketReceive,
        effect: outward,
        end: source,
        meaning: "socket buffer to receiver",
        source: "net/core/datagram.c",
        ..PROCESS
    },
    Entry {
        site: Site::UdpRecv,
        program: "udp_recvmsg",
        functions: &["udp_recvmsg"],
        aids: &[UDP_DEQUEUE],
        job: Job::UdpReceive,
        effect: outward,
        end: source,
        meaning: "UDP datagram in one piece to receiver",
        source: "net/ipv4/udp.c",
        ..PROCESS
    },
    Entry {
        site: Site::UdpRecv6,
        program: "udpv6_recvmsg",
        functions: &["udpv6_recvmsg"],
        aids: &[UDP_DEQUEUE],
        job: Job::Udp6Receive,
        effect: outward,
        end: source,
        meaning: "UDP datagram in one piece to receiver, IPv6",
        source: "net/ipv6/udp.c",
        ..PROCESS
    },
    Entry {
        site: Site::CsumDatagram,
        program: "skb_copy_and_csum_datagram_msg",
        functions: &["skb_copy_and_csum_datagram_msg"],
        at: At::Entry,
        job: Job::CsumReceive,
        effect: outward,
        end: source,
        meaning: "datagram to receiver, checksum verified on the way",
        source: "net/core/datagram.c",
        ..PROCESS
    },
    Entry {
        site: Site::TcpZerocopyReceive,
        program: "tcp_zerocopy_receive",
        functions: &["tcp_zerocopy_receive"],
        job: Job::TcpMapped,
        end: source,
        meaning: "received pages mapped into the receiver",
        source: "net/ipv4/tcp.c",
        ..PROCESS
    },
    Entry {
        site: Site::PipeRead,
        program: "pipe_read",
        functions: &["anon_pipe_read", "pipe_read"],
        job: Job::PipeRead,
        effect: outward,
        end: source,
        meaning: "pipe to reader",
        source: "fs/pipe.c",
        ..PROCESS
    },
    Entry {
        site: Site::PipeWrite,
        program: "pipe_write",
        functions: &["anon_pipe_write", "pipe_write"],
        job: Job::PipeWrite,
        effect: inward,
        end: sink,
        meaning: "writer to pipe",
        source: "fs/pipe.c",
        ..PROCESS
    },
    Entry {
        site: Site::VmspliceRead,
        program: "pipe_to_user",
        functions: &["pipe_to_user"],
        job: Job::VmspliceRead,
        effect: to_user,
        end: source,
        meaning: "pipe to memory of a vmsplice",
        source: "fs/splice.c",
        ..PROCESS
    },
    Entry {
        site: Site::VmspliceWrite,
        program: "vmsplice",
        functions: &["__x64_sys_vmsplice"],
        job: Job::VmspliceWrite,
        end: sink,
        meaning: "memory of a vmsplice to pipe by reference",
        source: "fs/splice.c",
        ..PROCESS
    },
    Entry {
        site: Site::ProcessRead,
        program: "process_vm_readv",
        functions: &["__x64_sys_process_vm_readv"],
        job: Job::ProcessRead,
        effect: to_user,
        end: source,
        meaning: "another process's memory to reader",
        source: "mm/process_vm_access.c",
        ..PROCESS
    },
    Entry {
        site: Site::ProcessWrite,
        program: "process_vm_writev",
        functions: &["__x64_sys_process_vm_writev"],
        job: Job::ProcessWrite,
        effect: from_user,
        end: sink,
        meaning: "writer to another process's memory",
        source: "mm/process_vm_access.c",
        ..PROCESS
    },
    Entry {
        site: Site::CopySpliceRead,
        program: "copy_splice_read",
        functions: &["copy_splice_read"],
        job: Job::SpliceReadCopy,
        meaning: "file to pipe by copy; the copy is counted where the file is read",
        source: "fs/splice.c",
        ..PROCESS
    },
    Entry {
        site: Site::FilemapSpliceRead,
        program: "filemap_splice_read",
        functions: &["filemap_splice_read", "generic_file_splice_read"],
        job: Job::SpliceRead,
        end: source,
        meaning: "page cache to pipe by reference",
        source: "mm/filemap.c",
        ..PROCESS
    },
    Entry {
        site: Site::ShmemSpliceRead,
        program: "shmem_file_splice_read",
        functions: &["shmem_file_splice_read"],
        job: Job::MemoryFileSplice,
        end: source,
        meaning: "memory file to pipe by reference",
        source: "mm/shmem.c",
        ..PROCESS
    },
    Entry {
        site: Site::SkbSpliceBits,
        program: "skb_splice_bits",
        functions: &["skb_splice_bits"],
        job: Job::SpliceReceive,
        effect: spliced,
        end: source_once,
        meaning: "socket buffer to pipe by reference, its linear part by copy",
        source: "net/core/skbuff.c",
        ..PROCESS
    },
    Entry {
        site: Site::SpliceToSocket,
        program: "splice_to_socket",
        functions: &["splice_to_socket", "generic_splice_sendpage"],
        job: Job::SpliceSend,
        meaning: "pipe to socket; a copy, if any, is counted where the socket sends",
        source: "fs/splice.c",
        ..PROCESS
    },
    Entry {
        site: Site::FileSpliceWrite,
        program: "iter_file_splice_write",
        functions: &["iter_file_splice_write"],
        job: Job::SpliceWrite,
        meaning: "pipe to file; the copy is counted where the file is written",
        source: "fs/splice.c",
        ..PROCESS
    },
    Entry {
        site: Site::SkbCopyUbufs,
        program: "skb_copy_ubufs",
        functions: &["skb_copy_ubufs"],
        at: At::Entry,
        job: Job::SkbOwn,
        meaning: "private copy of pages that a socket buffer borrowed",
        ..ANY
    },
    Entry {
        site: Site::SkbCopyBits,
        program: "skb_copy_bits",
        functions: &["skb_copy_bits"],
        job: Job::SkbGather,
        meaning: "part of a socket buffer copied out",
        ..ANY
    },
    Entry {
        site: Site::SkbCsumBits,
        program: "skb_copy_and_csum_bits",
        functions: &["skb_copy_and_csum_bits"],
        job: Job::SkbCsum,
        meaning: "part of a socket buffer copied out and summed",
        ..ANY
    },
    Entry {
        site: Site::SkbCopy,
        program: "skb_copy",
        functions: &["skb_copy"],
        job: Job::SkbDuplicate,
        effect: passed,
        meaning: "socket buffer duplicated; counted at skb_copy_bits",
        ..ANY
    },
    Entry {
        site: Site::SkbCopyExpand,
        program: "skb_copy_expand",
        functions: &["skb_copy_expand"],
        job: Job::SkbDuplicate,
        effect: passed,
        meaning: "socket buffer duplicated with more room; counted at skb_copy_bits",
        ..ANY
    },
    Entry {
        site: Site::PskbCopy,
        program: "__pskb_copy_fclone",
        functions: &["__pskb_copy_fclone"],
        job: Job::SkbDuplicate,
        meaning: "linear part of a socket buffer duplicated, its pages shared",
        ..ANY
    },
    Entry {
        site: Site::PskbPullTail,
        program: "__pskb_pull_tail",
        functions: &["__pskb_pull_tail"],
        job: Job::SkbDuplicate,
        effect: passed,
        meaning: "socket buffer made linear; counted at skb_copy_bits",
        ..ANY
    },
    Entry {
        site: Site::SkMsgFromIter,
        program: "sk_msg_memcopy_from_iter",
        functions: &["sk_msg_memcopy_from_iter"],
        job: Job::MessageSend,
        effect: inward,
        meaning: "sender to a record of TLS or a message of a sockmap",
        source: "net/core/skmsg.c",
        ..PROCESS
    },
    Entry {
        site: Site::TlsEncrypt,
        program: "crypto_aead_encrypt",
        functions: &["crypto_aead_encrypt"],
        at: At::Entry,
        job: Job::Encrypt,
        effect: transformed,
        end: sink,
        meaning: "record of TLS encrypted by the kernel",
        source: "crypto/aead.c",
        ..PROCESS
    },
    Entry {
        site: Site::TlsDecrypt,
        program: "crypto_aead_decrypt",
        functions: &["crypto_aead_decrypt"],
        at: At::Entry,
        job: Job::Decrypt,
        effect: transformed,
        meaning: "record of TLS decrypted by the kernel",
        source: "crypto/aead.c",
        ..PROCESS
    },
    Entry {
        site: Site::WpPage,
        program: "do_wp_page",
        functions: &["do_wp_page"],
        job: Job::CopyOnWrite,
        effect: unshared,
        meaning: "shared page copied before it is written",
        source: "mm/memory.c",
        ..PROCESS
    },
    Entry {
        site: Site::CowFault,
        program: "finish_fault",
        functions: &["finish_fault"],
        job: Job::CopyOnWrite,
        effect: unshared,
        meaning: "page of a private file mapping copied before it is written",
        source: "mm/memory.c",
        ..PROCESS
    },
    Entry {
        site: Site::SwiotlbBounce,
        program: "swiotlb_bounce",
        functions: &["swiotlb_bounce"],
        aids: &[],
        job: Job::Bounce,
        meaning: "bounce buffer of a device",
        source: "kernel/dma/swiotlb.c",
        ..ANY
    },
    Entry {
        site: Site::DatagramTracepoint,
        program: "datagram_tracepoint",
        functions: &["skb_copy_datagram_iovec"],
        at: At::Tracepoint,
        job: Job::TracedReceive,
        effect: to_user,
        end: source,
        meaning: "socket buffer to receiver, by a tracepoint: where no function can be probed",
        source: "net/core/datagram.c",
        ..PROCESS
    },
];
