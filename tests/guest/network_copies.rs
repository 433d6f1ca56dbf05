//! What the CPU copies on each path: the textbook's DMA gather, and pages lent to a device.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    net::TcpStream,
    os::fd::{AsFd, AsRawFd},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::sendfile,
    net::send,
};
use zc::{
    measure::{Sample, sockopt},
    network::{Network, NicOptions, Path},
};
use zc_common::{
    Group,
    IterClass::{self, None as NoIter, Paged},
    Site,
};

use crate::{
    counting::{Counted, counting},
    support::scratch,
};

const N: usize = 1 << 20;
const BYTES: u64 = 1 << 20;

/// Ethernet's, IP's and TCP's with its timestamps.
const HEADERS: u64 = 14 + 20 + 32;

/// A connection over `path`.
fn connect(path: Path, gather: bool) -> (Network, TcpStream, TcpStream) {
    let network = Network::open(path, &NicOptions::default()).unwrap();
    network.set_gather(gather).unwrap();
    let (near, far) = network.connect(0).unwrap();
    sockopt::allow_zerocopy(near.as_fd()).unwrap();
    (network, near, far)
}

/// What this process and the machine did when `work` sent [`N`] bytes and another thread received them,
/// for the second time. What a busy machine sends again it copies again: then all is done once more.
fn second_time(near: &TcpStream, mut far: &TcpStream, work: impl Fn()) -> [Sample; 2] {
    let transfer = || {
        thread::scope(|scope| {
            let receiver = scope.spawn(move || far.read_exact(&mut vec![0; N]).unwrap());
            work();
            receiver.join().unwrap();
        });
    };
    let sent_again = || sockopt::sent_again(near.as_fd()).unwrap();
    counting(|counter| {
        counter.engine().watch(std::process::id(), Group::traced(1).unwrap()).unwrap();
        transfer();
        let once = |_| {
            let before = sent_again();
            let Counted { own, machine, .. } = counter.count(transfer);
            (sent_again() == before).then_some([own, machine])
        };
        (0..20).find_map(once).expect("nothing sent twice, once in twenty times")
    })
}

fn bytes(sample: &Sample, site: Site, class: IterClass) -> u64 {
    sample.sites.get(&(site, class)).map_or(0, |tally| tally.bytes)
}

/// What `sendfile` makes the CPU copy, counted by the sender and by nobody.
fn sent_file(path: Path, gather: bool) -> [Sample; 2] {
    let folder = scratch();
    let name = folder.path().join("file");
    std::fs::write(&name, vec![7; N]).unwrap();
    let file = File::open(&name).unwrap();
    let (_network, near, far) = connect(path, gather);
    second_time(&near, &far, || {
        let mut at = 0;
        while at < BYTES {
            sendfile(&near, &file, Some(&mut at), 64 << 10).unwrap();
        }
    })
}

#[test]
fn a_card_that_gathers_takes_the_file_from_the_page_cache() {
    let [own, machine] = sent_file(Path::Nic, true);
    let copied = bytes(&own, Site::SkbCopyBits, Paged);
    // vmxnet3 has packets of at most 128 bytes in one piece (`vmxnet3_parse_hdr`,
    // drivers/net/vmxnet3/vmxnet3_drv.c), as the end of a chunk may be one.
    assert_eq!(copied, bytes(&own, Site::PskbPullTail, NoIter));
    assert!(copied < 16 * 128, "{copied}");
    assert_eq!(bytes(&machine, Site::SkbCopyBits, Paged), 0);
    assert!(own.meters.network_bytes > BYTES, "{}", own.meters.network_bytes);
}

#[test]
fn one_that_does_not_gather_has_each_byte_copied_once() {
    for path in [Path::Veth, Path::Nic] {
        let [own, machine] = sent_file(path, false);
        let tally = &own.sites[&(Site::SkbCopyBits, Paged)];
        assert_eq!(
            (tally.bytes, bytes(&machine, Site::SkbCopyBits, Paged)),
            (BYTES, 0),
            "{path:?}"
        );
        // Each packet is copied when it is made.
        let least = if path == Path::Nic { BYTES + tally.calls * HEADERS } else { 0 };
        let counted = own.meters.network_bytes;
        assert!(counted >= least && counted <= least + least / 10, "{counted} {least}");
    }
}

/// Lends [`N`] bytes in one send; the sender's counts, and whether the kernel says that it has copied them.
fn lent(path: Path) -> ([Sample; 2], bool) {
    let payload = vec![5; N];
    let (_network, near, far) = connect(path, true);
    let said = Cell::new(false);
    let counted = second_time(&near, &far, || {
        let sent = send(&near, &payload, sockopt::ZEROCOPY);
        assert_eq!(sent.unwrap(), N);
        said.set(copied(&near).unwrap());
    });
    (counted, said.get())
}

/// Waits for the notice that lent pages are free again, which says whether they were copied after all
/// (Documentation/networking/msg_zerocopy.rst).
fn copied(near: &TcpStream) -> io::Result<bool> {
    // An error queue is always looked for.
    poll(&mut [PollFd::new(near, PollFlags::empty())], None)?;
    let mut control = [0_u64; 32];
    // SAFETY: a plain C struct for which all-zero bytes are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the message has room for control messages, and for no data.
    if unsafe { libc::recvmsg(near.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled the message in.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    assert!(!header.is_null());
    // SAFETY: there is one.
    let data = unsafe { libc::CMSG_DATA(header) }.cast::<libc::sock_extended_err>();
    // SAFETY: what an error queue gives is such a structure (`ip_recv_error`, net/ipv4/ip_sockglue.c).
    let notice = unsafe { data.read_unaligned() };
    assert_eq!(notice.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    Ok(u32::from(notice.ee_code) & SO_EE_CODE_ZEROCOPY_COPIED != 0)
}

/// include/uapi/linux/errqueue.h.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
const SO_EE_CODE_ZEROCOPY_COPIED: u32 = 1;

#[test]
fn pages_lent_to_a_receiver_on_this_machine_are_copied_and_the_kernel_says_so() {
    for path in [Path::Loopback, Path::Veth] {
        let ([own, machine], said) = lent(path);
        let at = |sample| bytes(sample, Site::SkbCopyUbufs, Paged);
        assert_eq!((at(&own), at(&machine), said), (BYTES, 0, true), "{path:?}");
    }
}

#[test]
fn pages_lent_to_a_card_that_gathers_are_not_copied() {
    let ([own, machine], said) = lent(Path::Nic);
    for sample in [&own, &machine] {
        assert_eq!(bytes(sample, Site::SkbCopyUbufs, Paged), 0);
    }
    let copied = bytes(&own, Site::SkbCopyBits, Paged);
    assert!(copied < 16 * 128 && !said, "{copied} {said}");
}
