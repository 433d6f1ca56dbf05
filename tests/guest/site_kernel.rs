//! The sites of copies that no program asks for, inside the network stack and of memory, each made
//! to count a known number of bytes.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    time::Duration,
};

use rustix::{
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
    net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket},
};
use zc_common::{
    IterClass::{Linear, None as NoIter, Paged, User},
    Site,
};

use crate::{
    counting::counting,
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

/// Makes the kernel look at the four bytes from `offset` on of every datagram of `socket`, counted
/// from UDP's header (socket(7), SO_ATTACH_FILTER).
fn look_at(socket: RawFd, offset: u32) {
    /// `BPF_LD | BPF_W | BPF_ABS` and `BPF_RET | BPF_K` (include/uapi/linux/bpf_common.h).
    const CODES: [u16; 2] = [0x20, 0x06];
    let mut program = [
        libc::sock_filter { code: CODES[0], jt: 0, jf: 0, k: offset },
        libc::sock_filter { code: CODES[1], jt: 0, jf: 0, k: u32::MAX },
    ];
    let program = libc::sock_fprog { len: 2, filter: program.as_mut_ptr() };
    let length = libc::socklen_t::try_from(size_of_val(&program)).unwrap();
    let value = (&raw const program).cast();
    // SAFETY: the kernel reads the program during the call.
    let result = unsafe {
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, value, length)
    };
    assert_eq!(result, 0);
}

/// Four bytes in the part of a datagram where they lie: the kernel's copy reaches the fragments of
/// a datagram by calling itself, and each byte still counts once.
#[test]
fn a_part_of_a_datagram_in_fragments_is_copied_once() {
    let _small = mtu("lo", 1500);
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    near.connect(far.local_addr().unwrap()).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // In the last fragment.
    look_at(far.as_raw_fd(), 8 + 9990);
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
        assert_eq!(copied, 4, "{:?} {:?}", counted.own.sites, counted.machine.sites);
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

const PAGE: usize = 4096;

/// Memory of this process that is never backed by large pages.
struct Mapping(*mut libc::c_void, usize);

impl Mapping {
    fn anonymous(pages: usize) -> Self {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), pages * PAGE, prot, flags) }.unwrap();
        Self(start, pages * PAGE).small()
    }

    fn of(file: &File, pages: usize) -> Self {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice; nobody else has the file.
        let start =
            unsafe { mmap(std::ptr::null_mut(), pages * PAGE, prot, flags, file, 0) }.unwrap();
        Self(start, pages * PAGE).small()
    }

    fn small(self) -> Self {
        // SAFETY: a mapping of this type; the advice changes no content.
        unsafe { madvise(self.0, self.1, Advice::LinuxNoHugepage) }.unwrap();
        self
    }

    fn bytes(&self) -> impl Iterator<Item = *mut u8> {
        let start = self.0.cast::<u8>();
        (0..self.1).step_by(PAGE).map(move |offset| start.wrapping_add(offset))
    }

    fn write(&self) {
        for byte in self.bytes() {
            // SAFETY: inside the mapping, which is writable.
            unsafe { byte.write_volatile(1) };
        }
    }

    /// Reads `file` from its start into the whole of it.
    fn fill_from(&self, file: &File) -> isize {
        // SAFETY: the kernel writes inside the mapping.
        unsafe { libc::pread(file.as_raw_fd(), self.0, self.1, 0) }
    }

    fn read(&self) {
        for byte in self.bytes() {
            // SAFETY: inside the mapping, which is readable.
            unsafe { byte.read_volatile() };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nothing refers to any more.
        unsafe { munmap(self.0, self.1) }.unwrap();
    }
}

/// How many more bytes `site` counts when `work` is done with 192 pages instead of 64. What else this
/// process does to its own memory meanwhile only adds, so that the least of some tries is free of it.
fn for_128_pages(site: Site, mut work: impl FnMut(usize)) -> u64 {
    counting(|counter| {
        let mut least = |pages| {
            let tries = (0..3).map(|_| counter.count(|| work(pages)).bytes(site, NoIter));
            tries.min().unwrap()
        };
        let few = least(64);
        least(192) - few
    })
}

/// Lets a child share this process's memory for as long as `work` takes.
fn while_shared(work: impl FnOnce()) {
    // SAFETY: the child only stops itself.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        loop {
            // SAFETY: a signal to itself.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
    }
    // The pages that the child itself writes to are copied by now.
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), libc::WUNTRACED) }, child);
    work();
    // SAFETY: a signal to our own child.
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
}

#[test]
fn a_shared_page_is_copied_when_it_is_written() {
    let copied = for_128_pages(Site::WpPage, |pages| {
        let memory = Mapping::anonymous(pages);
        memory.write();
        while_shared(|| memory.write());
    });
    assert_eq!(copied, 128 * PAGE as u64);
    // Nobody else has them any more.
    let copied = for_128_pages(Site::WpPage, |pages| {
        let memory = Mapping::anonymous(pages);
        memory.write();
        while_shared(|| ());
        memory.write();
    });
    assert_eq!(copied, 0);
}

#[test]
fn the_page_of_zeros_is_not_copied() {
    let copied = for_128_pages(Site::WpPage, |pages| {
        let memory = Mapping::anonymous(pages);
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
    let written = |pages| Mapping::of(&file, pages).write();
    assert_eq!(for_128_pages(Site::CowFault, written), 128 * PAGE as u64);
    assert_eq!(for_128_pages(Site::WpPage, written), 0);
    // Read before: it is mapped, and then copied as any shared page.
    let read_and_written = |pages| {
        let memory = Mapping::of(&file, pages);
        memory.read();
        memory.write();
    };
    assert_eq!(for_128_pages(Site::WpPage, read_and_written), 128 * PAGE as u64);
    assert_eq!(for_128_pages(Site::CowFault, read_and_written), 0);
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
