//! Kinds of transfer, and what each must count: written out from the kernel's code, apart from
//! zc's own catalogue.

use std::collections::BTreeMap;

use zc::{
    measure::Sample,
    probes::attach::{Probes, Status},
};
use zc_common::{
    IterClass::{self, Kernel, Linear, None, Paged, Pipe, User},
    Tally,
};

use crate::needs;

/// A kind of transfer: system calls, and what they move bytes from and to. One pass moves bytes
/// out and, where something else than a file takes them, in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `pread` from ext4.
    DiskRead,
    /// `pwrite` to ext4.
    DiskWrite,
    /// `pread` from ext4 with `O_DIRECT`.
    DirectRead,
    /// `pwrite` to ext4 with `O_DIRECT`.
    DirectWrite,
    /// `preadv` from tmpfs.
    MemoryRead,
    /// `pwritev` to tmpfs.
    MemoryWrite,
    /// `readv` from /dev/zero.
    Zero,
    /// `preadv2` from /proc/version.
    Generated,
    /// `write` to a pipe, `read` from it.
    Pipe,
    /// `send` and `recv` over TCP on loopback.
    Tcp,
    /// `send` of a mapped ext4 file over TCP on loopback, `recv`.
    MmapSend,
    /// `send` with `MSG_ZEROCOPY` over TCP on loopback, `recv`.
    ZerocopyTcp,
    /// `sendfile` from ext4 to TCP, `recv`.
    SendfileTcp,
    /// `splice` from ext4 to a pipe and on to TCP, `recv`.
    SpliceTcp,
    /// `write` to a pipe, `splice` from it to ext4.
    SpliceDisk,
    /// `vmsplice` into a pipe, `read` from it.
    VmspliceIn,
    /// `write` to a pipe, `vmsplice` from it.
    VmspliceOut,
    /// `process_vm_readv`.
    ProcessRead,
    /// `process_vm_writev`.
    ProcessWrite,
    /// `sendmsg` and `recvmsg` over UDP on loopback.
    Udp,
    /// `send` and `recv` over a unix stream.
    UnixStream,
    /// `send` and `recv` over unix datagrams.
    UnixDatagram,
    /// `send` over TCP on loopback, `splice` from there to a pipe, `read`.
    TcpSplice,
    /// The same over a unix stream, in messages up to [`UNIX_IN_ONE_PIECE`].
    UnixSplice,
}

/// How often the CPU copies each byte on its way: from user to kernel, from kernel to user, inside
/// the kernel.
pub(crate) type Copies = [u64; 3];

/// What one pass of `n` bytes costs: each call returns `n`, and each site sees `n`.
pub(crate) struct Theory {
    pub(crate) copies: Copies,
    pub(crate) calls: &'static [i64],
    /// Functions by their newest names, and what their iterators point at.
    pub(crate) sites: &'static [(&'static str, IterClass)],
}

/// Which of the kernel's ways are taken, told by functions that came with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Era {
    /// From 6.5 on a send takes pages (`skb_splice_from_iter`, net/core/skbuff.c), and files fill
    /// pipes without their ordinary read (`filemap_splice_read`, mm/filemap.c).
    sends_pages: bool,
}

impl Era {
    pub(crate) fn of_this_kernel() -> Self {
        Self { sends_pages: needs::function("skb_splice_from_iter").is_ok() }
    }
}

/// A datagram of up to 16 KiB, with its headers and the kernel's own part, is built in one piece and
/// a larger one of pages (`SKB_MAX_ALLOC`; `__ip_append_data`, net/ipv4/ip_output.c). No test sends
/// sizes in between.
pub(crate) const UDP_IN_ONE_PIECE: usize = 15_000;
/// See [`UDP_IN_ONE_PIECE`].
pub(crate) const UDP_IN_PAGES: usize = 17_000;

/// A message on a unix stream fills a buffer's linear part, whose page has the kernel's own part too, and
/// then pages (`unix_stream_sendmsg`, net/unix/af_unix.c).
pub(crate) const UNIX_IN_ONE_PIECE: usize = 3776;

impl Kind {
    pub(crate) const ALL: [Self; 24] = [
        Self::DiskRead,
        Self::DiskWrite,
        Self::DirectRead,
        Self::DirectWrite,
        Self::MemoryRead,
        Self::MemoryWrite,
        Self::Zero,
        Self::Generated,
        Self::Pipe,
        Self::Tcp,
        Self::MmapSend,
        Self::ZerocopyTcp,
        Self::SendfileTcp,
        Self::SpliceTcp,
        Self::SpliceDisk,
        Self::VmspliceIn,
        Self::VmspliceOut,
        Self::ProcessRead,
        Self::ProcessWrite,
        Self::Udp,
        Self::UnixStream,
        Self::UnixDatagram,
        Self::TcpSplice,
        Self::UnixSplice,
    ];

    /// What a pass of `n` bytes costs.
    pub(crate) fn theory(self, era: Era, n: usize) -> Theory {
        use libc as c;
        let (calls, sites): (&[_], &[_]) = match self {
            Self::DiskRead => (&[c::SYS_pread64], &[("filemap_read", User)]),
            Self::DiskWrite => (&[c::SYS_pwrite64], &[("generic_perform_write", User)]),
            Self::DirectRead => (&[c::SYS_pread64], &[("iomap_dio_complete", None)]),
            Self::DirectWrite => (&[c::SYS_pwrite64], &[("iomap_dio_complete", None)]),
            Self::MemoryRead => (&[c::SYS_preadv], &[("shmem_file_read_iter", User)]),
            Self::MemoryWrite => (&[c::SYS_pwritev], &[("generic_perform_write", User)]),
            Self::Zero => (&[c::SYS_readv], &[("read_iter_zero", User)]),
            Self::Generated => (&[c::SYS_preadv2], &[("seq_read_iter", User)]),
            Self::Tcp | Self::MmapSend => (
                &[c::SYS_sendto, c::SYS_recvfrom],
                &[("tcp_sendmsg_locked", User), ("simple_copy_to_iter", User)],
            ),
            Self::ZerocopyTcp => (&[c::SYS_sendto, c::SYS_recvfrom], lent()),
            Self::SendfileTcp => (&[c::SYS_sendfile, c::SYS_recvfrom], handed_on(era)),
            Self::SpliceTcp => (&[c::SYS_splice, c::SYS_splice, c::SYS_recvfrom], handed_on(era)),
            Self::ProcessRead => {
                (&[c::SYS_process_vm_readv], &[("__x64_sys_process_vm_readv", None)])
            }
            Self::ProcessWrite => {
                (&[c::SYS_process_vm_writev], &[("__x64_sys_process_vm_writev", None)])
            }
            Self::Udp => (
                &[c::SYS_sendmsg, c::SYS_recvmsg],
                if n >= UDP_IN_PAGES {
                    &[("ip_generic_getfrag", User), ("simple_copy_to_iter", User)]
                } else {
                    &[("ip_generic_getfrag", User), ("udp_recvmsg", User)]
                },
            ),
            Self::UnixStream | Self::UnixDatagram => (
                &[c::SYS_sendto, c::SYS_recvfrom],
                &[("skb_copy_datagram_from_iter", User), ("simple_copy_to_iter", User)],
            ),
            _ => self.through_a_pipe(),
        };
        Theory { copies: self.copies(), calls, sites }
    }

    /// The calls and sites of a kind that reads from a pipe.
    fn through_a_pipe(self) -> (&'static [i64], &'static [(&'static str, IterClass)]) {
        use libc as c;
        match self {
            Self::Pipe => (
                &[c::SYS_write, c::SYS_read],
                &[("anon_pipe_write", User), ("anon_pipe_read", User)],
            ),
            Self::SpliceDisk => (
                &[c::SYS_write, c::SYS_splice],
                &[
                    ("anon_pipe_write", User),
                    ("iter_file_splice_write", None),
                    ("generic_perform_write", Kernel),
                ],
            ),
            Self::VmspliceIn => (
                &[c::SYS_vmsplice, c::SYS_read],
                &[("__x64_sys_vmsplice", None), ("anon_pipe_read", User)],
            ),
            Self::VmspliceOut => (
                &[c::SYS_write, c::SYS_vmsplice],
                &[("anon_pipe_write", User), ("pipe_to_user", None)],
            ),
            Self::TcpSplice => (
                &[c::SYS_sendto, c::SYS_splice, c::SYS_read],
                &[
                    ("tcp_sendmsg_locked", User),
                    ("skb_splice_bits", None),
                    ("anon_pipe_read", User),
                ],
            ),
            Self::UnixSplice => (
                &[c::SYS_sendto, c::SYS_splice, c::SYS_read],
                &[
                    ("skb_copy_datagram_from_iter", User),
                    ("skb_splice_bits", None),
                    ("skb_splice_bits", Kernel),
                    ("anon_pipe_read", User),
                ],
            ),
            other => panic!("{other:?} goes through no pipe"),
        }
    }

    /// The copies that the kernel's code makes, the same in every [`Era`]: what changed at 6.5 is how
    /// references to pages are handed on.
    const fn copies(self) -> Copies {
        match self {
            // The disk reads and writes the program's own pages (`bio_iov_iter_get_pages`,
            // block/bio.c). Zeros are stored, not copied from anywhere (`clear_user`).
            Self::DirectRead | Self::DirectWrite | Self::Zero => [0, 0, 0],
            // Out of the page cache, or out of the text in `seq_file`'s buffer (fs/seq_file.c).
            Self::DiskRead | Self::MemoryRead | Self::Generated => [0, 1, 0],
            // Into the page cache; into the other process's pages.
            Self::DiskWrite | Self::MemoryWrite | Self::ProcessWrite => [1, 0, 0],
            // Out of the other process's pages, through the kernel's own mapping of them
            // (`process_vm_rw_pages`, mm/process_vm_access.c). The pipe refers to the caller's pages
            // (`iter_to_pipe`, fs/splice.c), and the reader copies out of them.
            Self::ProcessRead | Self::VmspliceIn => [0, 1, 0],
            // Into the pipe's pages or the socket's buffers, and out of them, which a vmsplice does as a
            // read does (`pipe_to_user`, fs/splice.c). A mapped file's page is user memory like any other.
            Self::Pipe
            | Self::VmspliceOut
            | Self::Tcp
            | Self::MmapSend
            | Self::Udp
            | Self::UnixStream
            | Self::UnixDatagram
            // The pipe refers to the pages of the socket's buffers.
            | Self::TcpSplice => [1, 1, 0],
            // It has no pages: the buffer's linear part is copied to some (`linear_to_page`,
            // net/core/skbuff.c).
            Self::UnixSplice => [1, 1, 1],
            // The socket's buffers refer to the page cache; the receiver copies out of it.
            Self::SendfileTcp | Self::SpliceTcp => [0, 1, 0],
            // Into the pipe's pages, and from these to the page cache, which ext4 does not let a
            // pipe's page become (`iter_file_splice_write`, fs/splice.c).
            Self::SpliceDisk => [1, 0, 1],
            // The buffers refer to the sender's pages until they reach the receiver's side of the
            // same machine, which gets pages of its own (`skb_orphan_frags_rx`, include/linux/skbuff.h).
            Self::ZerocopyTcp => [0, 1, 1],
        }
    }
}

/// User memory → TCP by reference, the receiving side's own pages, and the receiver's copy.
const fn lent() -> &'static [(&'static str, IterClass)] {
    &[
        ("tcp_sendmsg_locked", User),
        ("skb_zerocopy_iter_stream", User),
        ("skb_copy_ubufs", Paged),
        ("simple_copy_to_iter", User),
    ]
}

/// Page cache → pipe → TCP by reference, and the receiver's copy.
fn handed_on(era: Era) -> &'static [(&'static str, IterClass)] {
    if era.sends_pages {
        &[
            ("filemap_splice_read", None),
            ("splice_to_socket", None),
            ("tcp_sendmsg_locked", Kernel),
            ("skb_splice_from_iter", Kernel),
            ("simple_copy_to_iter", User),
        ]
    } else {
        &[
            ("filemap_splice_read", None),
            ("filemap_read", Pipe),
            ("splice_to_socket", None),
            ("do_tcp_sendpages", None),
            ("simple_copy_to_iter", User),
        ]
    }
}

/// The newest name of a function. A direct read of one extent may pass one of its own
/// (fs/iomap/direct-io.c), which does the same job as what all other direct I/O passes.
pub(crate) fn newest(function: &'static str) -> &'static str {
    match function {
        "generic_file_buffered_read" => "filemap_read",
        "generic_file_splice_read" => "filemap_splice_read",
        "generic_splice_sendpage" => "splice_to_socket",
        "pipe_read" => "anon_pipe_read",
        "pipe_write" => "anon_pipe_write",
        "iomap_dio_simple_complete" => "iomap_dio_complete",
        other => other,
    }
}

/// Pages made private on their first write depend on what was forked when, and say so on their own.
const UNPREDICTABLE: [&str; 2] = ["do_wp_page", "finish_fault"];

/// By function, newest name, and iterator.
pub(crate) type BySite = BTreeMap<(&'static str, IterClass), Tally>;
/// By system call number.
pub(crate) type ByCall = BTreeMap<i64, Tally>;

/// The sites that `sample` counted, by their functions.
pub(crate) fn counted_sites(sample: &Sample, probes: &Probes) -> BySite {
    let mut counted = BySite::new();
    for ((site, class), tally) in &sample.sites {
        // Headers of packets are no payload.
        if *class == Linear {
            continue;
        }
        let Status::Attached { function } = probes.sites[*site as usize] else {
            panic!("{site:?} counted and is not attached")
        };
        if UNPREDICTABLE.contains(&function) {
            assert_eq!(tally.bytes, 4096 * tally.calls, "{function} copies pages");
            continue;
        }
        // A pass of no bytes is an attempt, as of a read that finds the pipe empty.
        let sum = counted.entry((newest(function), *class)).or_default();
        sum.calls += tally.calls;
        sum.bytes += tally.bytes;
    }
    counted
}

/// The system calls that `sample` counted.
pub(crate) fn counted_calls(sample: &Sample) -> ByCall {
    sample
        .syscalls
        .iter()
        .map(|(number, tally)| (i64::try_from(*number).unwrap(), *tally))
        .collect()
}
