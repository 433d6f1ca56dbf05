//! A network namespace without a name, and the sockets through which it is set up.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::resume_unwind,
    thread,
};

use rustix::{
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};

use super::{
    error::{NetworkError, cannot},
    netlink::Netlink,
};

/// A network namespace. A socket belongs to the one that it was made in, whoever uses it.
pub(super) struct Namespace {
    descriptor: OwnedFd,
    /// Whether the calling threads are in it.
    own: bool,
    /// Asks and tells the kernel about its devices.
    pub(super) netlink: Netlink,
    /// For ioctl(2) on its devices (netdevice(7)).
    pub(super) control: OwnedFd,
}

impl Namespace {
    /// The calling thread's.
    ///
    /// # Errors
    /// The kernel's, for want of descriptors, or where there is no /proc.
    pub(super) fn own() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let control = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        let descriptor = File::open("/proc/thread-self/ns/net")?.into();
        Ok(Self { descriptor, own: true, netlink: Netlink::open()?, control })
    }

    /// A new one.
    ///
    /// # Errors
    /// The kernel's of unshare(2): `EPERM` without CAP_SYS_ADMIN.
    pub(super) fn new() -> Result<Self, NetworkError> {
        let made = in_thread(|| {
            // SAFETY: the thread shares its descriptors on; only its network becomes another one.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            Ok(Self { own: false, ..Self::own()? })
        });
        made.map_err(cannot("make a network namespace"))
    }

    /// Stands for it.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Does `work` in it. The calling thread stays where it is.
    ///
    /// # Errors
    /// The kernel's of setns(2).
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self.own {
            return Ok(work());
        }
        in_thread(|| {
            move_into_link_name_space(self.descriptor(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })
    }
}

/// Does `work` in a thread of its own, whose end lets go of the namespace that it is in.
fn in_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("zc-network".to_owned());
        thread.spawn_scoped(scope, work)?.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
