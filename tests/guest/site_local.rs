//! The sites of pipes, unix sockets, packet sockets and splicing, each made to count a known number
//! of bytes.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::OpenOptionsExt,
            net::{UnixDatagram, UnixStream},
        },
    },
};

use rustix::{
    fs::{CWD, Mode, mkfifoat, sendfile},
    net::{AddressFamily, Protocol, SocketType, socket_with},
    pipe::{IoSliceRaw, PipeFlags, SpliceFlags, pipe, pipe_with, splice, tee, vmsplice},
};
use zc_common::{
    IterClass::{Kernel, None as NoIter, Pipe, User},
    Site,
};

use crate::{counting::counting, support::scratch};

const N: usize = 10_000;
const BYTES: u64 = 10_000;

/// Writes `N` bytes and reads them.
fn pass(into: &mut File, out: &mut File, payload: &[u8], buffer: &mut [u8]) {
    assert_eq!(into.write(payload).unwrap(), N);
    out.read_exact(buffer).unwrap();
}

fn files((out, into): (OwnedFd, OwnedFd)) -> (File, File) {
    (out.into(), into.into())
}

#[test]
fn pipes_and_fifos() {
    let folder = scratch();
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RWXU).unwrap();
    // Both ends in one, so that opening does not wait.
    let mut fifo = File::options().read(true).write(true).open(&path).unwrap();
    let mut fifo_out = fifo.try_clone().unwrap();
    let (mut out, mut into) = files(pipe().unwrap());
    let (mut packets_out, mut packets) = files(pipe_with(PipeFlags::DIRECT).unwrap());
    let (payload, mut buffer) = (vec![1; N], vec![0; N]);
    let passed = [(Site::PipeWrite, User, BYTES), (Site::PipeRead, User, BYTES)];
    counting(|counter| {
        let counted = counter.count(|| pass(&mut into, &mut out, &payload, &mut buffer));
        counted.expect(&passed);
        let counted = counter.count(|| pass(&mut fifo, &mut fifo_out, &payload, &mut buffer));
        counted.expect(&passed);
        // Each write a packet of at most a page; a read takes one packet.
        let counted = counter.count(|| {
            assert_eq!(packets.write(&payload[..5000]).unwrap(), 5000);
            assert_eq!(packets_out.read(&mut buffer[..1000]).unwrap(), 1000);
            assert_eq!(packets_out.read(&mut buffer).unwrap(), 5000 - 4096);
        });
        counted.expect(&[(Site::PipeWrite, User, 5000), (Site::PipeRead, User, 1904)]);
    });
}

#[test]
fn pages_move_between_pipes_without_a_copy() {
    let (mut out, mut into) = files(pipe().unwrap());
    let (mut other_out, other_into) = files(pipe().unwrap());
    let (payload, mut buffer) = (vec![1; N], vec![0; N]);
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(into.write(&payload).unwrap(), N);
            assert_eq!(tee(&out, &other_into, N, SpliceFlags::empty()).unwrap(), N);
            other_out.read_exact(&mut buffer).unwrap();
            out.read_exact(&mut buffer).unwrap();
        });
        counted.expect(&[(Site::PipeWrite, User, BYTES), (Site::PipeRead, User, 2 * BYTES)]);
        // From pipe to pipe: no function that is counted sees it.
        let counted = counter.count(|| {
            let pages = [IoSliceRaw::from_slice(&payload)];
            // SAFETY: the pages are read out again before they change.
            assert_eq!(unsafe { vmsplice(&into, &pages, SpliceFlags::empty()) }.unwrap(), N);
            let moved = splice(&out, None, &other_into, None, N, SpliceFlags::empty()).unwrap();
            assert_eq!(moved, N);
            other_out.read_exact(&mut buffer).unwrap();
        });
        counted
            .expect_sites(&[(Site::VmspliceWrite, NoIter, BYTES), (Site::PipeRead, User, BYTES)]);
        assert_eq!(counted.coverage(), [3 * BYTES, 2 * BYTES]);
    });
}

#[test]
fn unix_sockets() {
    const MANY: usize = 70_000;
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let (from, to) = UnixDatagram::pair().unwrap();
    let (payload, mut buffer) = (vec![1; MANY], vec![0; MANY]);
    counting(|counter| {
        for bytes in [100, 5000, MANY] {
            let passed = [
                (Site::SkbFromIter, User, bytes as u64),
                (Site::SimpleCopyToIter, User, bytes as u64),
            ];
            let counted = counter.count(|| {
                assert_eq!(near.write(&payload[..bytes]).unwrap(), bytes);
                far.read_exact(&mut buffer[..bytes]).unwrap();
            });
            counted.expect(&passed);
            let counted = counter.count(|| {
                assert_eq!(from.send(&payload[..bytes]).unwrap(), bytes);
                assert_eq!(to.recv(&mut buffer).unwrap(), bytes);
            });
            counted.expect(&passed);
        }
    });
}

#[test]
fn a_file_sent_to_a_unix_socket() {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![2; N]).unwrap();
    let file = File::open(path).unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut buffer = vec![0; N];
    counting(|counter| {
        let filled = if counter.read_fills_pipe() { BYTES } else { 0 };
        let counted = counter.count(|| {
            let (mut offset, mut left) = (0, N);
            while left > 0 {
                left -= sendfile(&near, &file, Some(&mut offset), left).unwrap();
            }
            far.read_exact(&mut buffer).unwrap();
        });
        counted.expect_sites(&[
            (Site::FilemapSpliceRead, NoIter, BYTES),
            (Site::FilemapRead, Pipe, filled),
            (Site::SpliceToSocket, NoIter, BYTES),
            (Site::SkbSpliceFromIter, NoIter, BYTES),
            (Site::SimpleCopyToIter, User, BYTES),
        ]);
        // Up to 6.4 the socket takes the pages in a function of its own, which is not counted.
        let unseen = if counter.function(Site::SkbSpliceFromIter).is_none() { BYTES } else { 0 };
        assert_eq!(counted.coverage(), [3 * BYTES, 3 * BYTES - unseen]);
    });
}

#[test]
fn packets() {
    /// Of no protocol: for local experiments (IEEE 802).
    const ETHERTYPE: u16 = 0x88b5;
    const LOOPBACK: i32 = 1;
    let protocol = std::num::NonZero::new(u32::from(ETHERTYPE.to_be())).map(Protocol::from_raw);
    let flags = rustix::net::SocketFlags::empty();
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, protocol).unwrap();
    bind_to(&socket, ETHERTYPE, LOOPBACK);
    let mut socket = File::from(socket);
    let (frame, mut buffer) =
        ([&[0; 12][..], &ETHERTYPE.to_be_bytes(), &[7; 986]].concat(), [0; 2000]);
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(socket.write(&frame).unwrap(), 1000);
            // It comes in again, the socket's own way out left aside.
            assert_eq!(socket.read(&mut buffer).unwrap(), 1000);
        });
        counted.expect(&[(Site::SkbFromIter, User, 1000), (Site::SimpleCopyToIter, User, 1000)]);
    });
}

/// Binds a packet socket to a device, which rustix has no address for.
fn bind_to(socket: &OwnedFd, protocol: u16, index: i32) {
    use std::os::fd::AsRawFd;
    // SAFETY: an address of integers, for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index;
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    // SAFETY: the address outlives the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(result, 0);
}

/// Splices `BYTES` of `file` into a pipe and reads them.
fn splice_out(file: &File, offset: u64, out: &mut File, into: &File, buffer: &mut [u8]) {
    let mut offset = offset;
    let mut left = N;
    while left > 0 {
        left -= splice(file, Some(&mut offset), into, None, left, SpliceFlags::empty()).unwrap();
    }
    out.read_exact(buffer).unwrap();
}

#[test]
fn files_spliced_into_a_pipe() {
    let [disk, memory] = [scratch(), tempfile::tempdir_in("/dev/shm").unwrap()];
    let [file, memory_file] = [&disk, &memory].map(|folder| {
        let path = folder.path().join("file");
        fs::write(&path, vec![2; N]).unwrap();
        File::open(path).unwrap()
    });
    let (mut out, into) = files(pipe().unwrap());
    let mut buffer = vec![0; N];
    counting(|counter| {
        let filled = if counter.read_fills_pipe() { BYTES } else { 0 };
        let counted = counter.count(|| splice_out(&file, 0, &mut out, &into, &mut buffer));
        counted.expect(&[
            (Site::FilemapSpliceRead, NoIter, BYTES),
            (Site::FilemapRead, Pipe, filled),
            (Site::PipeRead, User, BYTES),
        ]);
        let counted = counter.count(|| splice_out(&memory_file, 0, &mut out, &into, &mut buffer));
        counted.expect(&[
            (Site::ShmemSpliceRead, NoIter, BYTES),
            (Site::FilemapSpliceRead, NoIter, filled),
            (Site::ShmemRead, Pipe, filled),
            (Site::PipeRead, User, BYTES),
        ]);
    });
}

#[test]
fn a_pipe_spliced_into_a_file_is_copied_by_the_file() {
    let folder = scratch();
    let target = File::create(folder.path().join("target")).unwrap();
    let (out, mut into) = files(pipe().unwrap());
    let payload = vec![2; N];
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(into.write(&payload).unwrap(), N);
            let moved = splice(&out, None, &target, Some(&mut 0), N, SpliceFlags::empty()).unwrap();
            assert_eq!(moved, N);
        });
        counted.expect(&[
            (Site::PipeWrite, User, BYTES),
            (Site::FileSpliceWrite, NoIter, BYTES),
            (Site::GenericPerformWrite, Kernel, BYTES),
        ]);
    });
}

#[test]
fn splice_from_a_file_opened_with_o_direct_takes_the_copying_way() {
    const BYTES: usize = 64 << 10;
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![3; BYTES]).unwrap();
    let flags = libc::O_DIRECT;
    let file = File::options().read(true).custom_flags(flags).open(&path).unwrap();
    let (out, into) = pipe().unwrap();
    let mut out = File::from(out);
    let mut received = vec![0; BYTES];
    counting(|counter| {
        let counted = counter.count(|| {
            let moved =
                splice(&file, Some(&mut 0), &into, None, BYTES, SpliceFlags::empty()).unwrap();
            assert_eq!(moved, BYTES);
            out.read_exact(&mut received).unwrap();
        });
        let bytes = BYTES as u64;
        assert_eq!(counted.bytes(Site::PipeRead, User), bytes);
        let ways = [
            counted.bytes(Site::CopySpliceRead, NoIter),
            counted.bytes(Site::FilemapSpliceRead, NoIter),
            // Before 6.5 there is one way for all files.
            counted.bytes(Site::FilemapSpliceRead, Pipe),
        ];
        let has_copying_way = counter.function(Site::CopySpliceRead).is_some();
        assert_eq!(ways, if has_copying_way { [bytes, 0, 0] } else { [0, 0, bytes] });
        // The device moved the bytes into pages of the pipe's own, and is their one source.
        assert_eq!(counted.coverage(), [2 * bytes; 2]);
    });
    assert_eq!(received, vec![3; BYTES]);
}
