//! The sites of TCP and UDP, each made to count a known number of bytes.

use std::{
    fs::{self, File},
    io::{self, IoSlice, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    thread,
};

use rustix::{
    fs::sendfile,
    net::{
        AddressFamily, MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, SocketType, ipproto,
        recv, send, sendmmsg, sendmsg, sendto, socket,
    },
    pipe::{SpliceFlags, pipe, splice},
};
use zc::measure::sockopt;
use zc_common::{
    IterClass::{Kernel, None as NoIter, Paged, Pipe, User},
    Site,
};

use crate::{
    counting::{Counter, Passed, counting},
    mapping::{Mapping, PAGE},
    support::{mtu, scratch, wait_for},
};

const N: usize = 30_000;
const BYTES: u64 = 30_000;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn tcp_sends_of_every_kind() {
    let (mut near, mut far) = tcp();
    let (payload, mut buffer) = (vec![1; N], vec![0; N]);
    let parts = [IoSlice::new(&payload[..999]), IoSlice::new(&payload[999..])];
    counting(|counter| {
        let counted = counter.count(|| {
            near.write_all(&payload).unwrap();
            far.read_exact(&mut buffer).unwrap();
            assert_eq!(send(&near, &payload, SendFlags::empty()).unwrap(), N);
            far.read_exact(&mut buffer).unwrap();
            assert_eq!(near.write_vectored(&parts).unwrap(), N);
            far.read_exact(&mut buffer).unwrap();
            let mut none = SendAncillaryBuffer::default();
            assert_eq!(sendmsg(&near, &parts, &mut none, SendFlags::empty()).unwrap(), N);
            far.read_exact(&mut buffer).unwrap();
        });
        counted.expect(&[
            (Site::TcpSendmsg, User, 4 * BYTES),
            (Site::SimpleCopyToIter, User, 4 * BYTES),
        ]);
        let counted = counter.count(|| {
            let [mut none, mut nothing] = [0; 2].map(|_| SendAncillaryBuffer::default());
            let mut both = [MMsgHdr::new(&parts, &mut none), MMsgHdr::new(&parts, &mut nothing)];
            assert_eq!(sendmmsg(&near, &mut both, SendFlags::empty()).unwrap(), 2);
            far.read_exact(&mut buffer).unwrap();
            far.read_exact(&mut buffer).unwrap();
        });
        // It returns messages, not bytes.
        counted.expect_sites(&[
            (Site::TcpSendmsg, User, 2 * BYTES),
            (Site::SimpleCopyToIter, User, 2 * BYTES),
        ]);
    });
}

/// What passes when `BYTES` of a file go to a TCP socket by reference and are received.
fn by_reference(counter: &Counter) -> Vec<Passed> {
    let filled = if counter.read_fills_pipe() { BYTES } else { 0 };
    // From 6.5 on an ordinary send takes the pages.
    let taken = if counter.function(Site::SkbSpliceFromIter).is_some() { BYTES } else { 0 };
    vec![
        (Site::FilemapSpliceRead, NoIter, BYTES),
        (Site::FilemapRead, Pipe, filled),
        (Site::SpliceToSocket, NoIter, BYTES),
        (Site::TcpSendmsg, Kernel, taken),
        (Site::SkbSpliceFromIter, Kernel, taken),
        (Site::DoTcpSendpages, NoIter, BYTES),
        (Site::SimpleCopyToIter, User, BYTES),
    ]
}

#[test]
fn files_sent_by_reference() {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![2; N]).unwrap();
    let file = File::open(path).unwrap();
    let (near, mut far) = tcp();
    let mut buffer = vec![0; N];
    counting(|counter| {
        let counted = counter.count(|| {
            let mut offset = 0;
            let mut left = N;
            while left > 0 {
                left -= sendfile(&near, &file, Some(&mut offset), left).unwrap();
            }
            far.read_exact(&mut buffer).unwrap();
        });
        counted.expect(&by_reference(counter));
    });
}

/// Two UDP sockets of `address`, the first connected to the second.
fn udp(address: &str) -> [UdpSocket; 2] {
    let [near, far] = [0; 2].map(|_| UdpSocket::bind((address, 0)).unwrap());
    near.connect(far.local_addr().unwrap()).unwrap();
    [near, far]
}

fn datagrams(address: &str, receive: Site) {
    let [near, far] = udp(address);
    let (payload, mut buffer) = (vec![3; 60_000], vec![0; 65_000]);
    counting(|counter| {
        // In one piece.
        let counted = counter.count(|| {
            assert_eq!(near.send(&payload[..1000]).unwrap(), 1000);
            assert_eq!(far.recv(&mut buffer).unwrap(), 1000);
        });
        counted.expect(&[(Site::IpGetfrag, User, 1000), (receive, User, 1000)]);
        // In pages.
        let counted = counter.count(|| {
            assert_eq!(near.send(&payload).unwrap(), 60_000);
            assert_eq!(far.recv(&mut buffer).unwrap(), 60_000);
        });
        counted.expect(&[(Site::IpGetfrag, User, 60_000), (Site::SimpleCopyToIter, User, 60_000)]);
        // Looked at first: copied twice.
        let counted = counter.count(|| {
            assert_eq!(near.send(&payload[..1000]).unwrap(), 1000);
            assert_eq!(far.peek(&mut buffer).unwrap(), 1000);
            assert_eq!(far.recv(&mut buffer).unwrap(), 1000);
        });
        counted.expect(&[(Site::IpGetfrag, User, 1000), (receive, User, 2000)]);
        // Of what does not fit nothing is copied, though it is returned.
        let counted = counter.count(|| {
            assert_eq!(near.send(&payload[..1000]).unwrap(), 1000);
            let (copied, returned) = recv(&far, &mut buffer[..100], RecvFlags::TRUNC).unwrap();
            assert_eq!((copied, returned), (100, 1000));
        });
        counted.expect_sites(&[(Site::IpGetfrag, User, 1000), (receive, User, 100)]);
        // An empty one.
        let counted = counter.count(|| {
            assert_eq!(near.send(&[]).unwrap(), 0);
            assert_eq!(far.recv(&mut buffer).unwrap(), 0);
        });
        counted.expect(&[]);
        // One datagram of two calls, which the sender does not sum: the receiver does.
        let counted = counter.count(|| {
            assert_eq!(send(&near, &payload[..1000], SendFlags::MORE).unwrap(), 1000);
            assert_eq!(near.send(&payload[..2000]).unwrap(), 2000);
            assert_eq!(far.recv(&mut buffer).unwrap(), 3000);
        });
        counted.expect(&[(Site::IpGetfrag, User, 3000), (Site::CsumDatagram, User, 3000)]);
    });
}

#[test]
fn udp_datagrams() {
    datagrams("127.0.0.1", Site::UdpRecv);
}

#[test]
fn udp_datagrams_over_ipv6() {
    datagrams("::1", Site::UdpRecv6);
}

/// A datagram in fragments: each is a buffer of its own, and together they are received as one, and
/// summed.
#[test]
fn udp_in_fragments() {
    let _small = mtu("lo", 1500);
    let [near, far] = udp("127.0.0.1");
    let (payload, mut buffer) = (vec![4; 10_000], vec![0; 10_000]);
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(near.send(&payload).unwrap(), 10_000);
            assert_eq!(far.recv(&mut buffer).unwrap(), 10_000);
        });
        counted.expect(&[(Site::IpGetfrag, User, 10_000), (Site::CsumDatagram, User, 10_000)]);
    });
}

/// The sum that UDP's header carries of itself and `payload` from one loopback address to another
/// (RFC 768).
fn checksum(port: u16, payload: &[u8]) -> u16 {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let pseudo = [0x7f00, 1, 0x7f00, 1, 17, length, port, port, length];
    let words = payload
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = pseudo.into_iter().chain(words).map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// What a raw socket sends was summed by no device, so the receiver sums it while it copies.
#[test]
fn udp_whose_checksum_nobody_verified() {
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = far.local_addr().unwrap();
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::UDP)).unwrap();
    let payload: Vec<u8> = (0..1000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let port = address.port();
    let length = u16::try_from(8 + payload.len()).unwrap();
    let header = [port, port, length, checksum(port, &payload)].map(u16::to_be_bytes).concat();
    let packet = [header, payload.clone()].concat();
    let mut buffer = vec![0; 2000];
    counting(|counter| {
        let mut exchange = |room: usize, received: usize| {
            assert_eq!(sendto(&raw, &packet, SendFlags::empty(), &address).unwrap(), 1008);
            assert_eq!(far.recv(&mut buffer[..room]).unwrap(), received);
            assert_eq!(buffer[..received], payload[..received]);
        };
        let counted = counter.count(|| exchange(2000, 1000));
        counted.expect(&[(Site::IpGetfrag, User, 1008), (Site::CsumDatagram, User, 1000)]);
        // With too little room it is verified first, and then copied as any other.
        let counted = counter.count(|| exchange(100, 100));
        counted.expect(&[(Site::IpGetfrag, User, 1008), (Site::UdpRecv, User, 100)]);
    });
}

/// Sends beyond what the receiver has room for come in parts; each is counted once.
#[test]
fn tcp_through_full_buffers() {
    const MANY: usize = 4 << 20;
    let (mut near, mut far) = tcp();
    let payload = vec![5; MANY];
    counting(|counter| {
        let counted = counter.count(|| {
            thread::scope(|scope| {
                scope.spawn(|| far.read_exact(&mut vec![0; MANY]).unwrap());
                near.write_all(&payload).unwrap();
            });
        });
        let bytes = MANY as u64;
        assert_eq!(counted.bytes(Site::TcpSendmsg, User), bytes);
        assert_eq!(counted.bytes(Site::SimpleCopyToIter, User), bytes);
        let [returned, explained] = counted.coverage();
        assert_eq!([returned, explained], [2 * bytes; 2]);
    });
}

#[test]
fn msg_zerocopy_over_loopback_is_copied_once_inside_the_kernel() {
    const BYTES: usize = 1 << 20;
    let (sender, mut receiver) = tcp();
    sockopt::allow_zerocopy(sender.as_fd()).unwrap();
    let payload = vec![7; BYTES];
    let mut transfer = || {
        thread::scope(|scope| {
            scope.spawn(|| receiver.read_exact(&mut vec![0; BYTES]).unwrap());
            let mut rest = &payload[..];
            while !rest.is_empty() {
                rest = &rest[send(&sender, rest, sockopt::ZEROCOPY).unwrap()..];
            }
        });
    };
    let counted = counting(|counter| {
        // What a busy machine sends once more is copied once more.
        let once = |_| {
            let sent_again = || sockopt::sent_again(sender.as_fd()).unwrap();
            let before = sent_again();
            let counted = counter.count(&mut transfer);
            (sent_again() == before).then_some(counted)
        };
        (0..10).find_map(once).expect("nothing sent twice, once in ten times")
    });
    let passed = |site| counted.bytes(site, User);
    assert_eq!(passed(Site::TcpSendmsg), BYTES as u64);
    assert_eq!(passed(Site::SkbZerocopyIterStream), BYTES as u64, "none of it copied by the send");
    // The receiver is on the same machine: the kernel takes a copy of its own, in a softirq, and it
    // is charged to the sender that lent the pages.
    let copied = counted.bytes(Site::SkbCopyUbufs, Paged);
    assert_eq!(copied, BYTES as u64, "of the machine's: {:?}", counted.machine.sites);
    assert_eq!(passed(Site::SimpleCopyToIter), BYTES as u64);
}

/// Why the test above, and calibration, ask for what was sent again.
#[test]
fn lent_pages_that_are_sent_again_are_copied_again() {
    let (sender, mut receiver) = tcp();
    sockopt::allow_zerocopy(sender.as_fd()).unwrap();
    let payload = vec![7; N];
    let sent_again = || sockopt::sent_again(sender.as_fd()).unwrap();
    let [own, _] = counting(|counter| {
        counter.count_once(|| {
            // A filter that looks past the end of a packet drops it (`convert_bpf_ld_abs`,
            // net/core/filter.c).
            sockopt::look_into(receiver.as_fd(), 1 << 20).unwrap();
            assert_eq!(send(&sender, &payload, sockopt::ZEROCOPY).unwrap(), N);
            wait_for("the segment a second time", || (sent_again() > 0).then_some(()));
            sockopt::remove(receiver.as_fd()).unwrap();
            receiver.read_exact(&mut vec![0; N]).unwrap();
        })
    });
    let copied = own.sites[&(Site::SkbCopyUbufs, Paged)].bytes;
    assert_eq!(copied, (1 + u64::from(sent_again())) * BYTES);
}

/// `struct tcp_zerocopy_receive` up to what the oldest kernels know of it
/// (include/uapi/linux/tcp.h).
#[repr(C)]
#[derive(Debug)]
struct ZerocopyReceive {
    address: u64,
    length: u32,
    recv_skip_hint: u32,
}

/// Maps the next whole pages that `socket` received to where it is mapped, and says how many bytes
/// that were and how many the socket has before the next such pages.
fn map_received(socket: &TcpStream, at: &Mapping) -> (usize, usize) {
    let mut request = ZerocopyReceive {
        address: at.address(),
        length: u32::try_from(at.len()).unwrap(),
        recv_skip_hint: 0,
    };
    let mut size = libc::socklen_t::try_from(size_of_val(&request)).unwrap();
    // SAFETY: the kernel reads and writes the structure, and replaces pages of the mapping, which
    // nothing refers to meanwhile.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_ZEROCOPY_RECEIVE,
            (&raw mut request).cast(),
            &raw mut size,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    (request.length as usize, request.recv_skip_hint as usize)
}

/// A pipe's own pages, handed to the socket by splice, are whole ones of nobody's: the receiver gets
/// them mapped. The rest it has to read.
#[test]
fn received_pages_are_mapped_not_copied() {
    let (near, mut far) = tcp();
    let (out, into) = pipe().unwrap();
    let mut into = File::from(into);
    let payload: Vec<u8> = (1..=8).flat_map(|page| [page; PAGE]).collect();
    let (mut mapped, mut read) = (0, 0);
    let mapping = Mapping::of_socket(far.as_fd(), payload.len() / PAGE);
    let counted = counting(|counter| {
        counter.count(|| {
            into.write_all(&payload).unwrap();
            let moved = splice(&out, None, &near, None, payload.len(), SpliceFlags::empty());
            assert_eq!(moved.unwrap(), payload.len());
            (mapped, read) = (0, 0);
            while mapped + read < payload.len() {
                let (length, skip) = map_received(&far, &mapping);
                let there = &payload[mapped + read..][..length];
                assert_eq!(mapping.content(length), there);
                mapped += length;
                let mut rest = vec![0; skip.min(payload.len() - mapped - read)];
                far.read_exact(&mut rest).unwrap();
                assert_eq!(rest, payload[mapped + read..][..rest.len()]);
                read += rest.len();
            }
        })
    });
    assert!(mapped >= PAGE, "{mapped} mapped, {read} read");
    assert_eq!(counted.bytes(Site::TcpZerocopyReceive, NoIter), mapped as u64);
    assert_eq!(counted.bytes(Site::SimpleCopyToIter, User), read as u64);
}
