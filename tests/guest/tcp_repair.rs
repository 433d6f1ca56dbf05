//! TCP connections whose state is set by hand (`TCP_REPAIR`, tcp_repair(7) of CRIU), and packets made by
//! hand for them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    os::fd::AsRawFd,
};

use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, send, sendto, socket};

/// include/uapi/linux/tcp.h.
const RECEIVE_QUEUE: libc::c_int = 1;
const SEND_QUEUE: libc::c_int = 2;

fn set(connection: &TcpStream, option: libc::c_int, value: libc::c_int) {
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap();
    // SAFETY: the kernel reads an integer.
    let result = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(connection.as_raw_fd(), libc::IPPROTO_TCP, option, value, size)
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// The number of the next byte of one of a connection's queues.
fn next_byte(connection: &TcpStream, queue: libc::c_int) -> u32 {
    set(connection, libc::TCP_REPAIR_QUEUE, queue);
    let mut value: u32 = 0;
    let mut size = libc::socklen_t::try_from(size_of_val(&value)).unwrap();
    // SAFETY: the kernel writes an integer.
    let result = unsafe {
        libc::getsockopt(
            connection.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUEUE_SEQ,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    value
}

/// Puts `bytes` where they are as if they had been received. The kernel makes one buffer of them: of no
/// more than a page its linear part holds all, of more what is over whole pages (`tcp_send_rcvq`,
/// net/ipv4/tcp_input.c).
pub(crate) fn receive_by_hand(connection: &TcpStream, bytes: &[u8]) {
    set(connection, libc::TCP_REPAIR, 1);
    set(connection, libc::TCP_REPAIR_QUEUE, RECEIVE_QUEUE);
    assert_eq!(send(connection, bytes, SendFlags::empty()).unwrap(), bytes.len());
    // Off, and nothing is sent to the other side.
    set(connection, libc::TCP_REPAIR, -1);
}

/// The Internet's checksum of some bytes, the last of which may be half a word (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| [pair[0], pair.get(1).copied().unwrap_or(0)]);
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(word))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

fn address(of: io::Result<std::net::SocketAddr>) -> SocketAddrV4 {
    match of.unwrap() {
        std::net::SocketAddr::V4(address) => address,
        other => panic!("{other} is no IPv4 address"),
    }
}

/// A segment with `payload` as `near` would send it next (RFC 9293); it sends none itself from now on.
fn segment(near: &TcpStream, payload: &[u8]) -> Vec<u8> {
    const ACK_AND_PUSH: u8 = 0x18;
    set(near, libc::TCP_REPAIR, 1);
    let (from, to) = (address(near.local_addr()), address(near.peer_addr()));
    let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    segment.extend(next_byte(near, SEND_QUEUE).to_be_bytes());
    segment.extend(next_byte(near, RECEIVE_QUEUE).to_be_bytes());
    // A header of five words; the window, the checksum, nothing urgent.
    segment.extend([5 << 4, ACK_AND_PUSH, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    let length = u16::try_from(segment.len()).unwrap().to_be_bytes();
    let addresses = [from.ip().octets(), to.ip().octets()].concat();
    let pseudo = [&addresses[..], &[0, 6], &length, &segment].concat();
    segment[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    segment
}

/// Sends `payload` as one segment of `near`, a connection over loopback, in two fragments of an IP packet
/// (RFC 791). The kernel puts them together to one buffer on which another one hangs.
pub(crate) fn send_in_two_fragments(near: &TcpStream, payload: &[u8]) {
    const MORE_FRAGMENTS: u16 = 0x2000;
    const TCP: u8 = 6;
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).unwrap();
    let segment = segment(near, payload);
    // Offsets are in eights.
    let (first, second) = segment.split_at(segment.len() / 2 / 8 * 8);
    let at = u16::try_from(first.len() / 8).unwrap();
    for (part, fragment) in [(first, MORE_FRAGMENTS), (second, at)] {
        let [high, low] = fragment.to_be_bytes();
        // The kernel fills in the length and the checksum. Both parts are of the packet number 1.
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, high, low, 64, TCP, 0, 0];
        packet.extend([Ipv4Addr::LOCALHOST.octets(); 2].concat());
        packet.extend(part);
        let nowhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let sent = sendto(&raw, &packet, SendFlags::empty(), &nowhere);
        assert_eq!(sent.unwrap(), packet.len());
    }
}
