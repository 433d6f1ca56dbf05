//! The site of what is spliced out of sockets, made to count a known number of bytes: by reference, and
//! those that are copied on the way.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    process::Command,
    sync::mpsc,
    thread,
};

use rustix::{
    net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with},
    pipe::{SpliceFlags, pipe, splice},
    thread::{UnshareFlags, unshare_unsafe},
};
use zc_common::{
    IterClass::{Kernel, None as NoIter, User},
    Site,
};

use crate::{
    counting::{Counted, counting},
    tcp_repair::{receive_by_hand, send_in_two_fragments},
};

const N: usize = 20_000;
const BYTES: u64 = 20_000;

/// A pipe that bytes are spliced into, and read from.
struct Drain(File, File);

impl Drain {
    fn new() -> Self {
        let (out, into) = pipe().unwrap();
        Self(out.into(), into.into())
    }

    /// Splices once, at most `bytes`; what came.
    fn once(&self, socket: impl AsFd, bytes: usize) -> Vec<u8> {
        let moved = splice(socket, None, &self.1, None, bytes, SpliceFlags::NONBLOCK).unwrap();
        let mut buffer = vec![0; moved];
        (&self.0).read_exact(&mut buffer).unwrap();
        buffer
    }

    /// Splices until so many bytes have come.
    fn all(&self, socket: impl AsFd, bytes: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < bytes {
            let left = bytes - all.len();
            let moved = splice(&socket, None, &self.1, None, left, SpliceFlags::empty()).unwrap();
            assert!(moved > 0);
            let mut buffer = vec![0; moved];
            (&self.0).read_exact(&mut buffer).unwrap();
            all.append(&mut buffer);
        }
        all
    }
}

/// Bytes of which each is told from its neighbours.
fn payload(bytes: usize) -> Vec<u8> {
    (0..=250).cycle().take(bytes).collect()
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn pages_of_a_tcp_connection_go_by_reference() {
    let ((mut near, far), drain) = (tcp(), Drain::new());
    let payload = payload(N);
    counting(|counter| {
        let counted = counter.count(|| {
            near.write_all(&payload).unwrap();
            assert_eq!(drain.all(&far, N), payload);
        });
        counted.expect(&[
            (Site::TcpSendmsg, User, BYTES),
            (Site::SkbSpliceBits, NoIter, BYTES),
            (Site::PipeRead, User, BYTES),
        ]);
    });
}

#[test]
fn the_linear_part_of_a_tcp_buffer_is_copied() {
    let drain = Drain::new();
    // Two whole pages, and the rest is linear.
    for (bytes, linear) in [(3000, 3000), (2 * 4096 + 500, 500)] {
        let payload = payload(bytes);
        let received = || {
            let (near, far) = tcp();
            receive_by_hand(&far, &payload);
            (near, far)
        };
        // From its start, and from inside of it.
        for start in [0, 100] {
            let counted = counting(|counter| {
                counter.count_prepared(&received, |(_near, far)| {
                    assert_eq!(drain.all(&*far, start), payload[..start]);
                    assert_eq!(drain.all(&*far, bytes - start), payload[start..]);
                })
            });
            counted.expect(&[
                (Site::SkbSpliceBits, NoIter, bytes as u64),
                (Site::SkbSpliceBits, Kernel, linear),
                (Site::PipeRead, User, bytes as u64),
            ]);
        }
    }
}

#[test]
fn buffers_that_hang_on_another_are_copied_each() {
    let (payload, drain) = (payload(3000), Drain::new());
    let counted = counting(|counter| {
        counter.count_prepared(
            || {
                let (near, far) = tcp();
                send_in_two_fragments(&near, &payload);
                (near, far)
            },
            |(_near, far)| {
                // The first ends inside one of the two.
                assert_eq!(drain.all(&*far, 2000), payload[..2000]);
                assert_eq!(drain.all(&*far, 1000), payload[2000..]);
            },
        )
    });
    counted.expect(&[
        (Site::SkbSpliceBits, NoIter, 3000),
        (Site::SkbSpliceBits, Kernel, 3000),
        (Site::PipeRead, User, 3000),
    ]);
}

#[test]
fn a_unix_stream_is_copied_as_far_as_it_has_no_pages() {
    let ((mut near, far), drain) = (UnixStream::pair().unwrap(), Drain::new());
    let payload = payload(N);
    counting(|counter| {
        // Beside the kernel's own part a page has room for 3776 bytes; what is more fills whole pages.
        for (bytes, linear) in [(100, 100), (3776, 3776), (3777, 0), (5000, 904), (N, 3616)] {
            let counted = counter.count(|| {
                near.write_all(&payload[..bytes]).unwrap();
                assert_eq!(drain.all(&far, bytes), payload[..bytes]);
            });
            let bytes = bytes as u64;
            counted.expect(&[
                (Site::SkbFromIter, User, bytes),
                (Site::SkbSpliceBits, NoIter, bytes),
                (Site::SkbSpliceBits, Kernel, linear),
                (Site::PipeRead, User, bytes),
            ]);
        }
    });
}

/// A pipe has room for sixteen parts. What the kernel copied for a seventeenth it copies again.
#[test]
fn what_the_pipe_has_no_room_for_is_copied_again() {
    let ((mut near, far), drain) = (UnixStream::pair().unwrap(), Drain::new());
    let payload = payload(20 * 100);
    counting(|counter| {
        let counted = counter.count(|| {
            payload.chunks(100).for_each(|message| near.write_all(message).unwrap());
            assert_eq!(drain.once(&far, 2000), payload[..1600]);
            assert_eq!(drain.once(&far, 2000), payload[1600..]);
        });
        counted.expect(&[
            (Site::SkbFromIter, User, 2000),
            (Site::SkbSpliceBits, NoIter, 2000),
            (Site::SkbSpliceBits, Kernel, 2100),
            (Site::PipeRead, User, 2000),
        ]);
    });
}

fn sh(script: &str) {
    let done = Command::new("/bin/sh").args(["-ec", script]).output().unwrap();
    assert!(done.status.success(), "{script}: {done:?}");
}

/// A connection from one network card to the other, which `cargo xtask test` gives each guest, joined by
/// a hub: the second is in a network namespace of its own, for as long as the second socket is there. And
/// a socket that can be had of all packets there.
fn through_network_cards() -> (TcpStream, TcpStream, impl Fn() -> File) {
    let (tell, told) = mpsc::channel();
    let (proceed, go_on) = mpsc::channel();
    let (tap, wish) = mpsc::channel::<mpsc::Sender<File>>();
    let (connected, far) = mpsc::channel();
    thread::spawn(move || {
        // SAFETY: only the network is this thread's own from now on, and no descriptor depends on it.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        tell.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
        go_on.recv().unwrap();
        sh("ip addr add 10.99.3.2/24 dev eth1; ip link set eth1 up");
        let listener = TcpListener::bind("10.99.3.2:9").unwrap();
        tell.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
        connected.send(listener.accept().unwrap().0).unwrap();
        drop(listener);
        for to in wish {
            to.send(every_packet()).unwrap();
        }
    });
    let there = told.recv().unwrap();
    sh(&format!(
        "modprobe vmxnet3; ip link set eth1 down; ip link set eth1 netns {there}; \
         ip addr add 10.99.3.1/24 dev eth0; ip link set eth0 up"
    ));
    proceed.send(()).unwrap();
    told.recv().unwrap();
    let near = TcpStream::connect("10.99.3.2:9").unwrap();
    near.set_nodelay(true).unwrap();
    let tapped = move || {
        let (to, from) = mpsc::channel();
        tap.send(to).unwrap();
        from.recv().unwrap()
    };
    (near, far.recv().unwrap(), tapped)
}

/// A socket that gets a reference to every packet (packet(7)).
fn every_packet() -> File {
    const ETH_P_ALL: u16 = 3;
    let protocol = std::num::NonZero::new(u32::from(ETH_P_ALL.to_be())).map(Protocol::from_raw);
    let flags = SocketFlags::empty();
    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, protocol).unwrap().into()
}

/// What a network card received lies in the linear part, but in a page that can be referred to, unless
/// somebody else refers to it already.
#[test]
fn a_linear_part_in_a_page_goes_by_reference() {
    const ONE_PACKET: usize = 1000;
    const FIRST_BUFFERS: usize = 3 << 20;
    let (mut near, far, tapped) = through_network_cards();
    let (drain, payload) = (Drain::new(), payload(N));
    let spliced =
        |counted: &Counted| [NoIter, Kernel].map(|class| counted.bytes(Site::SkbSpliceBits, class));
    // The driver's first buffers are no such pages, those that take their place are (`vmxnet3_rq_init`,
    // `vmxnet3_rq_rx_complete`, drivers/net/vmxnet3/vmxnet3_drv.c). It has 1024 of them.
    thread::scope(|scope| {
        scope.spawn(|| (&near).write_all(&vec![0; FIRST_BUFFERS]).unwrap());
        (&far).read_exact(&mut vec![0; FIRST_BUFFERS]).unwrap();
    });
    counting(|counter| {
        for packets in [1, 8] {
            let bytes = packets * ONE_PACKET;
            let counted = counter.count(|| {
                // Not in one, which the card would cut into fragments of IP packets.
                for packet in payload[..bytes].chunks(ONE_PACKET) {
                    near.write_all(packet).unwrap();
                }
                assert_eq!(drain.all(&far, bytes), payload[..bytes]);
            });
            assert_eq!(spliced(&counted), [bytes as u64, 0]);
        }
        let tap = tapped();
        let counted = counter.count(|| {
            near.write_all(&payload[..ONE_PACKET]).unwrap();
            assert_eq!(drain.all(&far, ONE_PACKET), payload[..ONE_PACKET]);
        });
        assert_eq!(spliced(&counted), [ONE_PACKET as u64; 2]);
        // Whether somebody still referred to it cannot be told: then nothing is.
        let mut tap = Some(tap);
        let counted = counter.count_prepared(
            || {
                let tap = tap.take().unwrap_or_else(&tapped);
                near.write_all(&payload[..ONE_PACKET]).unwrap();
                assert_eq!(far.peek(&mut [0; ONE_PACKET]).unwrap(), ONE_PACKET);
                drop(tap);
            },
            |()| assert_eq!(drain.all(&far, ONE_PACKET), payload[..ONE_PACKET]),
        );
        assert_eq!(spliced(&counted), [0, 0]);
    });
    drop((near, far));
    sh("ip link set eth0 down; ip addr del 10.99.3.1/24 dev eth0");
}
