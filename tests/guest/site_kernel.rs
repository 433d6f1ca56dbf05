//! The sites of copies that no program asks for, inside the network stack and of memory, made to count
//! a known number of bytes; only those that duplicate whole buffers could not be made to.

use std::{
    arch::asm,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    time::Duration,
};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket};
use zc::measure::sockopt;
use zc_common::{
    IterClass::{Linear, None as NoIter, Paged, User},
    Site,
};

use crate::{
    counting::counting,
    mapping::{Mapping, PAGE},
    needs::{self, needs},
    support::{mtu, scratch, wait_for},
};

/// An echo request with `bytes` of data behind its header (RFC 792).
fn echo_request(bytes: usize) -> Vec<u8> {
    let mut packet = vec![0; 8 + bytes];
    packet[0] = 8;
    let sum: u16 = !0x0800;
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// An echo request over loopback; returns when the reply has come.
fn ping(packet: &[u8], buffer: &mut [u8]) {
    let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).unwrap();
    let nowhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    assert_eq!(sendto(&socket, packet, SendFlags::empty(), &nowhere).unwrap(), packet.len());
    wait_for("reply", || {
        let received = recv(&socket, &mut *buffer, RecvFlags::empty()).unwrap().1;
        assert_eq!(received, 20 + packet.len());
        // The request comes back too; a reply is type 0.
        (buffer[20] == 0).then_some(())
    });
}

/// The kernel answers an echo request by copying and summing its data, in a softirq and for
/// nobody's socket: it is the machine's.
#[test]
fn an_echo_reply_is_copied_and_summed() {
    let mut buffer = vec![0; 65_000];
    let machine = |counted: &crate::counting::Counted, site, class| {
        counted.machine.sites.get(&(site, class)).map_or(0, |tally| tally.bytes)
    };
    counting(|counter| {
        let packet = echo_request(1000);
        let counted = counter.count(|| ping(&packet, &mut buffer));
        assert_eq!(machine(&counted, Site::SkbCsumBits, Linear), 1000);
        assert_eq!(machine(&counted, Site::SkbCsumBits, Paged), 0);
        assert_eq!(counted.bytes(Site::SkbCsumBits, Linear), 0, "not the interrupted task's");
        // Type and code were read before, to match security policies (`raw_probe_proto_opt`).
        assert_eq!(counted.bytes(Site::IpGetfrag, User), 1006);
        // The header of a large one lies in pages and is pulled out of them first.
        let packet = echo_request(30_000);
        let counted = counter.count(|| ping(&packet, &mut buffer));
        // On 5.10 it lies in the linear part from the start, with some of the data.
        let beside_the_header = machine(&counted, Site::SkbCsumBits, Linear);
        assert!(beside_the_header < 128, "{beside_the_header}");
        let rest = 30_000 - beside_the_header;
        assert_eq!(machine(&counted, Site::SkbCsumBits, Paged), rest);
        assert_eq!(counted.bytes(Site::IpGetfrag, User), 30_006);
        let pulled = machine(&counted, Site::PskbPullTail, NoIter);
        assert!(pulled >= 8 || beside_the_header > 0, "{pulled} {beside_the_header}");
        // Others look at the header where it lies. None of this is near the size of the data.
        let copied = machine(&counted, Site::SkbCopyBits, Paged);
        assert!(copied >= pulled && copied <= 256, "{copied} {pulled}");
    });
}

/// Some bytes in the part of a datagram where they lie: the kernel's copy reaches the fragments of
/// a datagram by calling itself, and each byte still counts once.
#[test]
fn a_part_of_a_datagram_in_fragments_is_copied_once() {
    let _small = mtu("lo", 1500);
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    near.connect(far.local_addr().unwrap()).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // In the last fragment.
    let looked_at = sockopt::look_into(far.as_fd(), 8 + 9990).unwrap() as u64;
    let (payload, mut buffer) = (vec![4; 10_000], vec![0; 10_000]);
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(near.send(&payload).unwrap(), 10_000);
            assert_eq!(far.recv(&mut buffer).unwrap(), 10_000);
        });
        let copied: u64 = [&counted.own, &counted.machine]
            .into_iter()
            .flat_map(|sample| &sample.sites)
            .filter(|((site, _), _)| *site == Site::SkbCopyBits)
            .map(|(_, tally)| tally.bytes)
            .sum();
        assert_eq!(copied, looked_at, "{:?} {:?}", counted.own.sites, counted.machine.sites);
    });
}

/// What makes the kernel duplicate whole buffers is rare (a driver without room for its header, a
/// retransmission of badly aligned data, tapping by netfilter) and is not made to happen here; the
/// bytes of the first two are counted at `skb_copy_bits`, as its other callers' are.
#[test]
fn duplicated_buffers_are_watched() {
    counting(|counter| {
        for site in [Site::SkbCopy, Site::SkbCopyExpand, Site::PskbCopy] {
            assert!(counter.function(site).is_some(), "{site:?}");
        }
    });
}

/// How many more bytes `site` counts when `work` is done with 192 pages instead of 64, prepared
/// before. What else this process does to its own memory meanwhile only adds, so that the least of
/// some tries is free of it.
fn for_128_pages<P>(site: Site, prepare: impl Fn(usize) -> P, work: impl Fn(&mut P)) -> u64 {
    counting(|counter| {
        let mut least = |pages| {
            let mut count = || counter.count_prepared(|| prepare(pages), &work).bytes(site, NoIter);
            (0..3).map(|_| count()).min().unwrap()
        };
        let few = least(64);
        least(192) - few
    })
}

/// A child that shares this process's memory until it is dropped. It writes to none, not even to its
/// stack: who writes to a shared page first gets the copy, so that one of the parent's own pages would
/// be copied on its behalf or not, as it happens.
pub(crate) struct Sharer(i32);

impl Sharer {
    pub(crate) fn start() -> Self {
        let child: i32;
        // SAFETY: fork(2) and, in the child, pause(2) for ever, with registers only. The kernel
        // changes none but those named here.
        unsafe {
            asm!(
                "syscall",
                "test eax, eax",
                "jnz 3f",
                "2:",
                "mov eax, {pause}",
                "syscall",
                "jmp 2b",
                "3:",
                pause = const libc::SYS_pause,
                inlateout("eax") i32::try_from(libc::SYS_fork).unwrap() => child,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        assert!(child > 0);
        Self(child)
    }

    pub(crate) fn id(&self) -> i32 {
        self.0
    }
}

impl Drop for Sharer {
    fn drop(&mut self) {
        // SAFETY: a signal to our own child.
        assert_eq!(unsafe { libc::kill(self.0, libc::SIGKILL) }, 0);
        // SAFETY: waits for our own child.
        assert_eq!(unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) }, self.0);
    }
}

#[test]
fn a_shared_page_is_copied_when_it_is_written() {
    let written = |pages| {
        let memory = Mapping::anonymous(pages);
        memory.write();
        memory
    };
    let shared = |pages| (written(pages), Sharer::start());
    let copied = for_128_pages(Site::WpPage, shared, |(memory, _)| memory.write());
    assert_eq!(copied, 128 * PAGE as u64);
    // Nobody else has them any more.
    let unshared = |pages| shared(pages).0;
    assert_eq!(for_128_pages(Site::WpPage, unshared, |memory| memory.write()), 0);
}

#[test]
fn the_page_of_zeros_is_not_copied() {
    let copied = for_128_pages(Site::WpPage, Mapping::anonymous, |memory| {
        memory.read();
        memory.write();
    });
    assert_eq!(copied, 0);
}

#[test]
fn a_private_file_page_is_copied_when_it_is_written() {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 192 * PAGE]).unwrap();
    let file = File::open(path).unwrap();
    // First touched by the write.
    let mapped = |pages| Mapping::of(&file, pages);
    let written = |memory: &mut Mapping| memory.write();
    assert_eq!(for_128_pages(Site::CowFault, mapped, written), 128 * PAGE as u64);
    assert_eq!(for_128_pages(Site::WpPage, mapped, written), 0);
    // Read before: it is mapped, and then copied as any shared page.
    let read_and_written = |memory: &mut Mapping| {
        memory.read();
        memory.write();
    };
    assert_eq!(for_128_pages(Site::WpPage, mapped, read_and_written), 128 * PAGE as u64);
    assert_eq!(for_128_pages(Site::CowFault, mapped, read_and_written), 0);
}

/// A boot with `swiotlb=force` makes every device use bounce buffers: what is read from a disk into
/// the program's own pages is then copied by the CPU after all. Before it a read's buffer is copied
/// too, since 5.18, so that a device that writes less leaves no old content behind.
#[test]
fn a_device_that_bounces_costs_a_copy() {
    const BYTES: u64 = 1 << 20;
    needs!(needs::boot_argument("swiotlb=force"));
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 1 << 20]).unwrap();
    let file = File::options().read(true).custom_flags(libc::O_DIRECT).open(path).unwrap();
    file.sync_all().unwrap();
    let memory = Mapping::anonymous((1 << 20) / PAGE);
    let bounced = counting(|counter| {
        let counted = counter.count(|| assert_eq!(memory.fill_from(&file), 1 << 20));
        counted.machine.sites[&(Site::SwiotlbBounce, NoIter)].bytes
    });
    assert!(bounced == BYTES || bounced == 2 * BYTES, "{bounced}");
}
