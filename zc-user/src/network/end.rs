//! One end: a device with an address, in a namespace.

use std::{io, net::Ipv4Addr};

use rustix::{io::Errno, net::netdevice::name_to_index};

use super::{
    device::Device,
    error::{NetworkError, cannot},
    namespace::Namespace,
    netlink::Request,
};

/// One end.
pub(super) struct End {
    namespace: Namespace,
    pub(super) device: Device,
    pub(super) address: Ipv4Addr,
}

impl End {
    /// The device of this name, which is to have this address.
    ///
    /// # Errors
    /// When a socket cannot be duplicated.
    pub(super) fn new(
        namespace: Namespace,
        name: &str,
        address: Ipv4Addr,
    ) -> Result<Self, NetworkError> {
        let device = Device::new(name, &namespace).map_err(cannot("duplicate a socket"))?;
        Ok(Self { namespace, device, address })
    }

    /// Does `work` in its namespace.
    ///
    /// # Errors
    /// The kernel's of setns(2).
    pub(super) fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, NetworkError> {
        self.namespace.inside(work).map_err(cannot("enter a network namespace"))
    }

    /// Gives the device its address, makes `peer` known to it, and switches it on.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn set_up(&self, peer: &Self) -> Result<(), NetworkError> {
        let name = &self.device.name;
        self.try_set_up(peer).map_err(cannot(format!("set up {name}")))
    }

    fn try_set_up(&self, peer: &Self) -> io::Result<()> {
        let netlink = &self.namespace.netlink;
        let index = name_to_index(&self.namespace.control, &self.device.name)?;
        // Nothing is sent but what the ends send. IPv6 would look for routers and neighbours; without an
        // address it does not. A kernel without IPv6 knows no such setting.
        match netlink.carry_out(&Request::no_ipv6_address(index)) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {}
            done => done?,
        }
        netlink.carry_out(&Request::address(index, self.address))?;
        self.device.switch_on()?;
        // ARP would ask now and then.
        netlink.carry_out(&Request::neighbour(index, peer.address, &peer.device.hardware()?))
    }
}
