//! What devices move, against what the kernel itself says of it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::UdpSocket,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Advice, fadvise};

use crate::{
    support::{scratch, sh},
    switches::count,
};

const BYTES: usize = 1 << 20;

/// `read_bytes` and `write_bytes` of this process (proc_pid_io(5)).
fn own_io() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    (value("read_bytes:"), value("write_bytes:"))
}

/// A file on the disk, `BYTES` long, of which nothing is in the page cache.
pub(crate) fn cold_file() -> (tempfile::TempDir, PathBuf) {
    let folder = scratch();
    let path = folder.path().join("file");
    let mut file = File::create(&path).unwrap();
    file.write_all(&vec![5; BYTES]).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    (folder, path)
}

fn open_direct(path: &Path) -> File {
    File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(path).unwrap()
}

/// Memory that a device can reach directly: aligned to its blocks.
#[repr(align(4096))]
struct Aligned([u8; BYTES]);

fn aligned() -> Box<Aligned> {
    Box::new(Aligned([6; BYTES]))
}

#[test]
fn a_cold_read_is_read_from_the_disk_once_and_a_warm_one_is_not() {
    let (_folder, path) = cold_file();
    let mut into = vec![0; BYTES];
    let read = |into: &mut [u8]| {
        let before = own_io();
        File::open(&path).unwrap().read_exact(into).unwrap();
        own_io().0 - before.0
    };
    let mut kernel = 0;
    let [cold, _] = count(|| kernel = read(&mut into));
    assert_eq!(cold.meters.block_io.read_bytes, kernel, "the kernel's own account");
    assert_eq!(kernel, BYTES as u64);
    let [warm, _] = count(|| kernel = read(&mut into));
    assert_eq!((warm.meters.block_io.read_bytes, kernel), (0, 0));
}

#[test]
fn direct_reads_and_writes_are_counted_to_the_byte() {
    let (_folder, path) = cold_file();
    let file = open_direct(&path);
    let mut buffer = aligned();
    let mut kernel = (0, 0);
    let mut account = |work: &mut dyn FnMut()| {
        let before = own_io();
        work();
        let after = own_io();
        kernel = (after.0 - before.0, after.1 - before.1);
    };
    let [read, _] = count(|| account(&mut || file.read_exact_at(&mut buffer.0, 0).unwrap()));
    let block_io = read.meters.block_io;
    assert_eq!((block_io.read_bytes, block_io.written_bytes), (BYTES as u64, 0));
    let [written, _] = count(|| account(&mut || file.write_all_at(&buffer.0, 0).unwrap()));
    let block_io = written.meters.block_io;
    assert_eq!((block_io.read_bytes, block_io.written_bytes), (0, BYTES as u64));
    assert_eq!(kernel, (0, BYTES as u64), "the kernel's own account");
}

#[test]
fn pages_written_back_by_fsync_are_its_callers_and_the_journal_is_nobodys() {
    let (_folder, path) = cold_file();
    let file = File::options().write(true).open(&path).unwrap();
    let [own, machine] = count(|| {
        file.write_all_at(&vec![7; BYTES], 0).unwrap();
        // The file grows, which goes to the journal.
        file.write_all_at(&[7; 4096], BYTES as u64).unwrap();
        file.sync_all().unwrap();
    });
    assert_eq!(own.meters.block_io.written_bytes, BYTES as u64 + 4096);
    assert!(machine.meters.block_io.written_bytes > 0, "{:?}", machine.meters.block_io);
}

/// Sends 100 datagrams of 1000 bytes out of network device `name`, to an address that nobody has;
/// the bytes that the device counted, that zc did for this process, and on nobody's account.
fn send_through(name: &str, network: &str) -> [u64; 3] {
    sh(&format!(
        "echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6; \
         ip addr add {network}.1/24 dev {name} && ip link set {name} up && \
         arp -i {name} -s {network}.2 02:00:00:00:00:02"
    ));
    let sent = || {
        let path = format!("/sys/class/net/{name}/statistics/tx_bytes");
        fs::read_to_string(path).unwrap().trim().parse::<u64>().unwrap()
    };
    let socket = UdpSocket::bind(format!("{network}.1:0")).unwrap();
    let to = format!("{network}.2:9");
    let before = sent();
    let [own, machine] = count(|| {
        for _ in 0..100 {
            socket.send_to(&[1; 1000], &to).unwrap();
        }
    });
    let device = sent() - before;
    sh(&format!("ip link set {name} down; ip addr del {network}.1/24 dev {name}"));
    [device, own.meters.network_bytes, machine.meters.network_bytes]
}

#[test]
fn what_is_handed_to_a_network_card_is_counted_with_its_headers() {
    // `cargo xtask test` gives each guest two of them, joined by a hub.
    // 14 bytes of Ethernet, 20 of IP, 8 of UDP.
    let bytes = 100 * (1000 + 14 + 20 + 8);
    assert_eq!(send_through("eth0", "10.99.1"), [bytes, bytes, 0]);
}

#[test]
fn a_device_without_hardware_is_none() {
    sh("ip link add zcveth type veth && ip link set veth0 up");
    let bytes = 100 * (1000 + 14 + 20 + 8);
    let counted = send_through("zcveth", "10.99.2");
    sh("ip link del zcveth");
    assert_eq!(counted, [bytes, 0, 0]);
}
