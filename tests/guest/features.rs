//! Features of network devices and the namespaces that they are in, asked of the kernel itself.

use std::{
    collections::BTreeSet,
    fs,
    fs::File,
    net::UdpSocket,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Blocks of 32 features: available, asked for, active, fixed (`struct ethtool_get_features_block`,
/// include/uapi/linux/ethtool.h).
pub(crate) type Features = [[u32; 4]; BLOCKS];

/// There are at most 64 (`netdev_features_t`, include/linux/netdev_features.h).
const BLOCKS: usize = 2;
const SIZE: u32 = 2;

/// `NETIF_F_SG_BIT`, in the first block.
const SCATTER_GATHER: u32 = 0;

const ACTIVE: usize = 2;

/// `struct ethtool_gfeatures`.
#[repr(C)]
struct Request {
    command: u32,
    size: u32,
    blocks: Features,
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

const ETHTOOL_SSG: u32 = 0x19;
const ETHTOOL_GFEATURES: u32 = 0x3a;

/// Features of a device in this thread's namespace, if it is there.
pub(crate) fn features(device: &str) -> Option<Features> {
    let mut features = Request { command: ETHTOOL_GFEATURES, size: SIZE, blocks: [[0; 4]; BLOCKS] };
    // SAFETY: the kernel fills in as many blocks as the request says that there are.
    unsafe { ethtool(device, (&raw mut features).cast()) }.then_some(features.blocks)
}

/// Whether a device in this thread's namespace takes a packet from several places of memory.
pub(crate) fn scatter_gather(device: &str) -> Option<bool> {
    features(device).map(|blocks| blocks[0][ACTIVE] & 1 << SCATTER_GATHER != 0)
}

/// Lets it, or not.
pub(crate) fn set_scatter_gather(device: &str, on: bool) {
    let mut value = Value { command: ETHTOOL_SSG, data: on.into() };
    // SAFETY: the command reads such a structure.
    assert!(unsafe { ethtool(device, (&raw mut value).cast()) });
}

/// Whether the device in this thread's namespace did it.
///
/// # Safety
/// `command` is what the command in it reads and writes.
unsafe fn ethtool(device: &str, command: *mut libc::c_char) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // SAFETY: a plain C struct for which all-zero bytes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = command;
    // SAFETY: the rest is the caller's.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) == 0 }
}

/// The network namespaces that a thread is in or a descriptor stands for.
pub(crate) fn namespaces() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut see = |link: PathBuf| {
        // A thread may have ended meanwhile; a kernel thread has no descriptors.
        let target = fs::read_link(link).unwrap_or_default().to_string_lossy().into_owned();
        if target.starts_with("net:[") {
            found.insert(target);
        }
    };
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let list =
            |folder| fs::read_dir(process.path().join(folder)).into_iter().flatten().flatten();
        list("task").for_each(|thread| see(thread.path().join("ns/net")));
        list("fd").for_each(|descriptor| see(descriptor.path()));
    }
    found
}

/// Does `work` in a namespace that this process has a descriptor of, or is in.
pub(crate) fn in_namespace<T: Send>(
    namespace: &str,
    work: impl FnOnce() -> Option<T> + Send,
) -> Option<T> {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten().map(|link| link.path());
    let is_it =
        |link: &PathBuf| fs::read_link(link).is_ok_and(|target| target == Path::new(namespace));
    let namespace = File::open(links.into_iter().find(is_it)?).unwrap();
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            work()
        });
        inside.join().unwrap()
    })
}
