//! What no style of the lab makes count, or only as 0, made to count a known number.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    thread,
};

use rustix::{
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap},
    net::{SendFlags, send},
    pipe::{SpliceFlags, pipe, splice},
};
use zc_common::{IterClass, Site};

use crate::{counting::counting, support::scratch};

/// Lets `socket` be sent from with `MSG_ZEROCOPY` (Documentation/networking/msg_zerocopy.rst).
fn allow_zerocopy(socket: &TcpStream) {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ZEROCOPY,
            (&raw const on).cast(),
            libc::socklen_t::try_from(size_of_val(&on)).unwrap(),
        )
    };
    assert_eq!(result, 0);
}

#[test]
fn msg_zerocopy_over_loopback_is_copied_once_inside_the_kernel() {
    const BYTES: usize = 1 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    allow_zerocopy(&sender);
    let payload = vec![7; BYTES];
    let mut transfer = || {
        thread::scope(|scope| {
            scope.spawn(|| receiver.read_exact(&mut vec![0; BYTES]).unwrap());
            let flags = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY.cast_unsigned());
            let mut rest = &payload[..];
            while !rest.is_empty() {
                rest = &rest[send(&sender, rest, flags).unwrap()..];
            }
        });
    };
    let counted = counting(|counter| counter.count(&mut transfer));
    let passed = |site| counted.bytes(site, IterClass::User);
    assert_eq!(passed(Site::TcpSendmsg), BYTES as u64);
    assert_eq!(passed(Site::SkbZerocopyIterStream), BYTES as u64, "none of it copied by the send");
    // The receiver is on the same machine: the kernel takes a copy of its own, in a softirq, and it
    // is charged to the sender that lent the pages.
    let copied = counted.bytes(Site::SkbCopyUbufs, IterClass::Paged);
    assert_eq!(copied, BYTES as u64, "of the machine's: {:?}", counted.machine.sites);
    assert_eq!(passed(Site::SimpleCopyToIter), BYTES as u64);
}

#[test]
fn splice_from_a_file_opened_with_o_direct_takes_the_copying_way() {
    const BYTES: usize = 64 << 10;
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![3; BYTES]).unwrap();
    let flags = libc::O_DIRECT;
    let file = fs::File::options().read(true).custom_flags(flags).open(&path).unwrap();
    let (out, into) = pipe().unwrap();
    let mut out = fs::File::from(out);
    let mut received = vec![0; BYTES];
    counting(|counter| {
        let counted = counter.count(|| {
            let moved =
                splice(&file, Some(&mut 0), &into, None, BYTES, SpliceFlags::empty()).unwrap();
            assert_eq!(moved, BYTES);
            out.read_exact(&mut received).unwrap();
        });
        let bytes = BYTES as u64;
        assert_eq!(counted.bytes(Site::PipeRead, IterClass::User), bytes);
        let passed = |site| counted.bytes(site, IterClass::None);
        let ways = [passed(Site::CopySpliceRead), passed(Site::FilemapSpliceRead)];
        // Before 6.5 there is one way for all files.
        let has_copying_way = counter.function(Site::CopySpliceRead).is_some();
        assert_eq!(ways, if has_copying_way { [bytes, 0] } else { [0, bytes] });
        // The device moved the bytes into pages of the pipe's own. Before 6.5 both the device's
        // end and the splice around it count as their source: the coverage does not come out
        // even, and nothing is verified.
        let sources = if has_copying_way { 1 } else { 2 };
        assert_eq!(counted.coverage(), [2 * bytes, (1 + sources) * bytes]);
    });
    assert_eq!(received, vec![3; BYTES]);
}

#[test]
fn a_page_touched_for_the_first_time_is_a_fault_in_user_mode() {
    const PAGE: usize = 4096;
    // What counting itself costs in first touches is the same both times.
    let faults = |pages: usize| {
        let counted = counting(|counter| {
            counter.count(|| {
                let fresh = Mapping::anonymous(pages * PAGE);
                for page in 0..pages {
                    fresh.touch(page * PAGE);
                }
            })
        });
        counted.own.faults_user
    };
    faults(64);
    assert_eq!(faults(192) - faults(64), 128);
}

/// Memory that no page belongs to yet, and that is never backed by large ones.
struct Mapping(*mut libc::c_void, usize);

impl Mapping {
    fn anonymous(bytes: usize) -> Self {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, prot, flags) }.unwrap();
        // SAFETY: the mapping made above; the advice changes no content.
        unsafe { madvise(start, bytes, Advice::LinuxNoHugepage) }.unwrap();
        Self(start, bytes)
    }

    fn touch(&self, offset: usize) {
        assert!(offset < self.1);
        let byte = self.0.cast::<u8>().wrapping_add(offset);
        // SAFETY: inside the mapping, which is writable.
        unsafe { byte.write_volatile(1) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nothing refers to any more.
        unsafe { munmap(self.0, self.1) }.unwrap();
    }
}
