//! rtnetlink(7): asking the kernel about the network devices of a namespace, and telling it what to do
//! with them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_ERROR, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute,
        LinkInfo, LinkMessage,
    },
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Bits of the two addresses' common network.
const PREFIX: u8 = 30;

/// Where the answer to a request has its error number (`struct nlmsgerr` after `struct nlmsghdr`,
/// include/uapi/linux/netlink.h), and its type.
const ERROR: std::ops::Range<usize> = 16..20;
const TYPE: std::ops::Range<usize> = 4..6;

/// The kernel fills a buffer of at most so many bytes at once (`netlink_recvmsg`,
/// net/netlink/af_netlink.c).
const BUFFER: usize = 32 << 10;

/// A socket to talk with the kernel. It is about the namespace that it was opened in.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// For the calling thread's namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn open() -> io::Result<Self> {
        let family = rustix::net::AddressFamily::NETLINK;
        // No protocol is protocol 0, NETLINK_ROUTE.
        Ok(Self(socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Does what is asked for. Allocates nothing, so that it can be called after fork(2).
    ///
    /// # Errors
    /// The kernel's answer.
    pub(super) fn carry_out(&self, request: &Request) -> io::Result<()> {
        send(&self.0, &request.0, SendFlags::empty())?;
        // An error's answer has the request in it; the rest of it is not needed.
        let mut answer = [0_u8; 64];
        recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        let kind = [answer[TYPE.start], answer[TYPE.start + 1]];
        let mut code = [0; 4];
        code.copy_from_slice(&answer[ERROR]);
        match (u16::from_ne_bytes(kind), i32::from_ne_bytes(code)) {
            (NLMSG_ERROR, 0) => Ok(()),
            (NLMSG_ERROR, code) => Err(io::Error::from_raw_os_error(-code)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// All devices.
    ///
    /// # Errors
    /// The kernel's; an answer that cannot be read.
    pub(super) fn links(&self) -> io::Result<Vec<LinkMessage>> {
        let all = self.list(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let link = |message| match message {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        };
        Ok(all.into_iter().filter_map(link).collect())
    }

    /// All addresses.
    ///
    /// # Errors
    /// The kernel's; an answer that cannot be read.
    pub(super) fn addresses(&self) -> io::Result<Vec<AddressMessage>> {
        let all = self.list(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        let address = |message| match message {
            RouteNetlinkMessage::NewAddress(address) => Some(address),
            _ => None,
        };
        Ok(all.into_iter().filter_map(address).collect())
    }

    fn list(&self, what: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let request = Request::new(what, NLM_F_DUMP);
        send(&self.0, &request.0, SendFlags::empty())?;
        let mut buffer = vec![0; BUFFER];
        let mut list = Vec::new();
        loop {
            let (_, length) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            while !rest.is_empty() {
                let message = NetlinkMessage::deserialize(rest).map_err(io::Error::other)?;
                // Each begins at a multiple of four bytes.
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => list.push(message),
                    NetlinkPayload::Done(_) => return Ok(list),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Something to be done, in the bytes that the kernel takes.
pub(super) struct Request(Vec<u8>);

impl Request {
    fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        Self(bytes)
    }

    /// Moves the device called `name` to another namespace, where it keeps its name. The descriptor has to
    /// be open when the request is carried out.
    pub(super) fn move_to(name: &str, namespace: BorrowedFd<'_>) -> Self {
        let mut link = LinkMessage::default();
        link.attributes = in_namespace(name, namespace);
        Self::new(RouteNetlinkMessage::SetLink(link), NLM_F_ACK)
    }

    /// Makes two virtual devices that are joined, the second in another namespace.
    pub(super) fn veth(names: [&str; 2], namespace: BorrowedFd<'_>) -> Self {
        let mut peer = LinkMessage::default();
        peer.attributes = in_namespace(names[1], namespace);
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(names[0].to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        Self::new(RouteNetlinkMessage::NewLink(link), flags)
    }

    /// Lets device `index` have no IPv6 address of its own making.
    pub(super) fn no_ipv6_address(index: u32) -> Self {
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])])];
        Self::new(RouteNetlinkMessage::SetLink(link), NLM_F_ACK)
    }

    /// Gives device `index` an address.
    pub(super) fn address(index: u32, address: Ipv4Addr) -> Self {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = PREFIX;
        message.header.index = index;
        let address = IpAddr::V4(address);
        message.attributes =
            vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        Self::new(RouteNetlinkMessage::NewAddress(message), flags)
    }

    /// Tells device `index` which hardware has an address.
    pub(super) fn neighbour(index: u32, address: Ipv4Addr, hardware: &[u8]) -> Self {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)),
            NeighbourAttribute::LinkLayerAddress(hardware.to_vec()),
        ];
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        Self::new(RouteNetlinkMessage::NewNeighbour(message), flags)
    }
}

fn in_namespace(name: &str, namespace: BorrowedFd<'_>) -> Vec<LinkAttribute> {
    let namespace = LinkAttribute::NetNsFd(namespace.as_raw_fd());
    vec![LinkAttribute::IfName(name.to_owned()), namespace]
}
