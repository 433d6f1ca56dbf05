//! A network device, asked and set by ioctl(2) (netdevice(7); include/uapi/linux/ethtool.h).

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use libc::{
    IFF_RUNNING, IFF_UP, IFNAMSIZ, SIOCETHTOOL, SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFMTU,
    SIOCSIFFLAGS, c_char, c_int, c_short, ifreq,
};

use super::namespace::Namespace;

/// Commands of `SIOCETHTOOL` (include/uapi/linux/ethtool.h).
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_GSG: u32 = 0x18;
const ETHTOOL_SSG: u32 = 0x19;
const ETHTOOL_GTSO: u32 = 0x1e;
const ETHTOOL_GGSO: u32 = 0x23;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// A device. But for its driver's name nothing here allocates, so that it can be used after fork(2).
pub(super) struct Device {
    pub(super) name: String,
    /// The same for the kernel.
    c_name: [c_char; IFNAMSIZ],
    control: OwnedFd,
}

impl Device {
    /// The device of this name in `namespace`, if there is any.
    ///
    /// # Errors
    /// The kernel's for want of descriptors; `ENODEV` of a name that none can have.
    pub(super) fn new(name: &str, namespace: &Namespace) -> io::Result<Self> {
        let mut c_name = [0; IFNAMSIZ];
        if name.len() >= IFNAMSIZ {
            return Err(rustix::io::Errno::NODEV.into());
        }
        for (to, from) in c_name.iter_mut().zip(name.bytes()) {
            *to = c_char::from_ne_bytes([from]);
        }
        Ok(Self { name: name.to_owned(), c_name, control: namespace.control.try_clone()? })
    }

    /// Whether it takes a packet from several places of memory at once.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` where there is no such device.
    pub(super) fn gathers(&self) -> io::Result<bool> {
        self.feature(ETHTOOL_GSG)
    }

    /// Lets it, or not.
    ///
    /// # Errors
    /// The kernel's: `EOPNOTSUPP` where this is fixed. One that something else keeps it from is none.
    pub(super) fn set_gather(&self, on: bool) -> io::Result<()> {
        self.value(ETHTOOL_SSG, on.into()).map(drop)
    }

    /// Whether it makes the checksums of what it sends.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn makes_checksums(&self) -> io::Result<bool> {
        self.feature(ETHTOOL_GTXCSUM)
    }

    /// Whether it cuts what it sends into TCP segments.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn segments(&self) -> io::Result<bool> {
        self.feature(ETHTOOL_GTSO)
    }

    /// Whether the kernel cuts what it sends into segments only just before it.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn segments_late(&self) -> io::Result<bool> {
        self.feature(ETHTOOL_GGSO)
    }

    /// The name of its driver.
    ///
    /// # Errors
    /// The kernel's: `EOPNOTSUPP` where it has none.
    pub(super) fn driver(&self) -> io::Result<String> {
        let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
        let mut request = self.request();
        request.ifr_ifru.ifru_data = (&raw mut info).cast();
        // SAFETY: the command fills in a `struct ethtool_drvinfo`, which `info` is.
        unsafe { self.ioctl(SIOCETHTOOL, &mut request) }?;
        let name = CStr::from_bytes_until_nul(&info.driver).map_err(io::Error::other)?;
        Ok(name.to_string_lossy().into_owned())
    }

    /// Bytes of the largest packet.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn mtu(&self) -> io::Result<u32> {
        let request = self.ask(SIOCGIFMTU)?;
        // SAFETY: the kernel has filled in this one of the union's fields.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        u32::try_from(mtu).map_err(io::Error::other)
    }

    /// Its hardware address, as of Ethernet.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn hardware(&self) -> io::Result<[u8; 6]> {
        let request = self.ask(SIOCGIFHWADDR)?;
        // SAFETY: the kernel has filled in this one of the union's fields.
        let address = unsafe { request.ifr_ifru.ifru_hwaddr };
        let mut bytes = [0; 6];
        for (to, from) in bytes.iter_mut().zip(address.sa_data) {
            [*to] = from.to_ne_bytes();
        }
        Ok(bytes)
    }

    /// Whether it is switched on.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn is_on(&self) -> io::Result<bool> {
        Ok(c_int::from(self.flags()?) & IFF_UP != 0)
    }

    /// Whether it sees another device.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn has_link(&self) -> io::Result<bool> {
        Ok(c_int::from(self.flags()?) & IFF_RUNNING != 0)
    }

    /// Switches it on.
    ///
    /// # Errors
    /// The kernel's and the driver's.
    pub(super) fn switch_on(&self) -> io::Result<()> {
        let up = c_short::try_from(IFF_UP).map_err(io::Error::other)?;
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = self.flags()? | up;
        // SAFETY: the command takes the flags from `request`.
        unsafe { self.ioctl(SIOCSIFFLAGS, &mut request) }
    }

    fn flags(&self) -> io::Result<c_short> {
        let request = self.ask(SIOCGIFFLAGS)?;
        // SAFETY: the kernel has filled in this one of the union's fields.
        Ok(unsafe { request.ifr_ifru.ifru_flags })
    }

    fn feature(&self, command: u32) -> io::Result<bool> {
        self.value(command, 0).map(|value| value != 0)
    }

    /// A command that takes and gives a number.
    fn value(&self, command: u32, data: u32) -> io::Result<u32> {
        let mut value = Value { command, data };
        let mut request = self.request();
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the command reads and writes a `struct ethtool_value`, which `value` is.
        unsafe { self.ioctl(SIOCETHTOOL, &mut request) }?;
        Ok(value.data)
    }

    /// A command that fills in the request itself.
    fn ask(&self, command: libc::c_ulong) -> io::Result<ifreq> {
        let mut request = self.request();
        // SAFETY: the commands of netdevice(7) that are asked here have no other memory to write to.
        unsafe { self.ioctl(command, &mut request) }?;
        Ok(request)
    }

    fn request(&self) -> ifreq {
        // SAFETY: a plain C struct for which all-zero bytes are valid.
        let mut request: ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.c_name;
        request
    }

    /// # Safety
    /// What `request` points to, if anything, is what `command` reads and writes.
    unsafe fn ioctl(&self, command: libc::c_ulong, request: &mut ifreq) -> io::Result<()> {
        let request = std::ptr::from_mut(request);
        // SAFETY: all commands of network devices take a `struct ifreq`; the rest is the caller's.
        let result =
            unsafe { libc::ioctl(self.control.as_raw_fd(), command as libc::Ioctl, request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}
