//! What lies between the two ends of a transfer: loopback, a veth pair, or two network cards that are
//! joined back to back.
//!
//! But for loopback each end has a network namespace of its own, or the kernel would take the short way
//! from one address of the machine to the other. The namespaces have no name: they go with the last
//! descriptor, socket and process that is in them. Cards are put back by a [`guard`].

mod device;
mod end;
mod error;
mod facts;
mod find;
mod guard;
mod namespace;
mod netlink;

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    str::FromStr,
    thread::sleep,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use self::{
    end::End,
    error::cannot,
    guard::{Card, Guard},
    namespace::Namespace,
    netlink::Request,
};
pub use self::{
    error::NetworkError,
    facts::{EndFacts, Facts},
};

/// How bytes get from the sender to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Over the loopback device, which hands the sender's pages to the receiver.
    Loopback,
    /// Over a pair of virtual devices, each of which hands what it sends to the other.
    Veth,
    /// Over two network cards that are joined by a cable.
    Nic,
}

/// Which cards [`Path::Nic`] goes over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NicOptions {
    /// The sender's and the receiver's; without them, the only two that nobody uses.
    pub names: Option<[String; 2]>,
}

impl FromStr for NicOptions {
    type Err = String;

    /// Reads `SENDER,RECEIVER`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(',') {
            Some((sender, receiver))
                if !sender.is_empty() && !receiver.is_empty() && !receiver.contains(',') =>
            {
                Ok(Self { names: Some([sender.to_owned(), receiver.to_owned()]) })
            }
            _ => Err("write the names of two network cards, as in eth0,eth1".to_owned()),
        }
    }
}

/// How long cards may take until they see each other, which takes real ones some seconds.
const LINK_DEADLINE: Duration = Duration::from_secs(10);

/// How long a connection may take from one end to the other.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How often a card is asked whether it sees the other.
const LINK_POLL: Duration = Duration::from_millis(5);

/// Addresses of the range for tests of networks (RFC 2544), which nobody has. The namespaces have no
/// other network that they could clash with.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)];

/// Two ends that reach each other. Dropping it takes everything back; so does the end of this
/// process, however it ends.
pub struct Network {
    path: Path,
    /// Before the ends: what it waits for is put back while the namespaces are still there.
    _guard: Option<Guard>,
    sender: End,
    receiver: End,
}

impl Network {
    /// Makes the ends ready and checks that they reach each other.
    ///
    /// # Errors
    /// No two cards that are free, or not the named ones; not the capabilities that it takes; the kernel's
    /// own for each step; [`NetworkError::NotJoined`].
    pub fn open(path: Path, options: &NicOptions) -> Result<Self, NetworkError> {
        match path {
            Path::Loopback => Self::loopback(),
            Path::Veth => Self::veth(),
            Path::Nic => Self::nic(options),
        }
    }

    fn loopback() -> Result<Self, NetworkError> {
        let end = || {
            let namespace = Namespace::own().map_err(cannot("open sockets"))?;
            End::new(namespace, "lo", Ipv4Addr::LOCALHOST)
        };
        Ok(Self { path: Path::Loopback, _guard: None, sender: end()?, receiver: end()? })
    }

    /// The pair needs no guard: a namespace takes its virtual devices along when it goes.
    fn veth() -> Result<Self, NetworkError> {
        let names = ["zc-sender", "zc-receiver"];
        let [near, far] = [Namespace::new()?, Namespace::new()?];
        near.netlink
            .carry_out(&Request::veth(names, far.descriptor()))
            .map_err(cannot("make a veth pair (kernel module veth)"))?;
        let sender = End::new(near, names[0], ADDRESSES[0])?;
        let receiver = End::new(far, names[1], ADDRESSES[1])?;
        Self::join(Path::Veth, None, sender, receiver)
    }

    fn nic(options: &NicOptions) -> Result<Self, NetworkError> {
        let home = Namespace::own().map_err(cannot("open sockets"))?;
        let [near, far] = find::pair(&home.netlink, options)?;
        let places = [Namespace::new()?, Namespace::new()?];
        let card = |name: &str, place: &Namespace| {
            Card::new(name, &home, place).map_err(cannot(format!("take note of {name}")))
        };
        let cards = [card(&near, &places[0])?, card(&far, &places[1])?];
        // From here on somebody puts back what follows.
        let guard = Guard::start(&cards).map_err(cannot("start a process"))?;
        for (name, place) in [&near, &far].into_iter().zip(&places) {
            home.netlink
                .carry_out(&Request::move_to(name, place.descriptor()))
                .map_err(cannot(format!("move {name} to a namespace of its own")))?;
        }
        let [here, there] = places;
        let sender = End::new(here, &near, ADDRESSES[0])?;
        let receiver = End::new(there, &far, ADDRESSES[1])?;
        Self::join(Path::Nic, Some(guard), sender, receiver)
    }

    fn join(
        path: Path,
        guard: Option<Guard>,
        sender: End,
        receiver: End,
    ) -> Result<Self, NetworkError> {
        let network = Self { path, _guard: guard, sender, receiver };
        let Self { sender, receiver, .. } = &network;
        sender.set_up(receiver)?;
        receiver.set_up(sender)?;
        network.wait_for_link()?;
        network.connect(0)?;
        Ok(network)
    }

    /// Waits until both devices see the other.
    fn wait_for_link(&self) -> Result<(), NetworkError> {
        let start = Instant::now();
        for end in [&self.sender, &self.receiver] {
            let device = &end.device;
            while !device
                .has_link()
                .map_err(cannot(format!("ask {} for its state", device.name)))?
            {
                if start.elapsed() > LINK_DEADLINE {
                    return Err(self.not_joined(format!(
                        "{} has no link after {} s",
                        device.name,
                        LINK_DEADLINE.as_secs()
                    )));
                }
                sleep(LINK_POLL);
            }
        }
        Ok(())
    }

    fn not_joined(&self, why: String) -> NetworkError {
        let [sender, receiver] = [&self.sender, &self.receiver].map(|end| end.device.name.clone());
        NetworkError::NotJoined { sender, receiver, why }
    }

    /// A new connection: the sender's and the receiver's socket. The receiver's has this port, or any
    /// where it is 0.
    ///
    /// # Errors
    /// [`NetworkError::PortTaken`]; [`NetworkError::NotJoined`] where cards do not reach each other; else
    /// the kernel's.
    pub fn connect(&self, port: u16) -> Result<(TcpStream, TcpStream), NetworkError> {
        let to = (self.receiver.address, port);
        let listener = self.receiver.inside(|| TcpListener::bind(to))?;
        let listener = listener.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => NetworkError::PortTaken(port),
            _ => cannot(format!("listen on {}:{port}", to.0))(error),
        })?;
        let to = listener.local_addr().map_err(cannot("ask for a port"))?;
        let near = self.sender.inside(|| TcpStream::connect_timeout(&to, CONNECT_DEADLINE))?;
        let near = near.map_err(|error| match self.path {
            Path::Nic => self.not_joined(format!("no connection: {error}")),
            _ => cannot(format!("connect to {to}"))(error),
        })?;
        let far = accept(&listener, &near).map_err(cannot("accept a connection"))?;
        Ok((near, far))
    }

    /// Two sockets, the sender's and the receiver's, each connected to the other.
    ///
    /// # Errors
    /// The kernel's.
    pub fn udp(&self) -> Result<(UdpSocket, UdpSocket), NetworkError> {
        let bind = |end: &End| {
            let socket = end.inside(|| UdpSocket::bind((end.address, 0)))?;
            socket.map_err(cannot("open a UDP socket"))
        };
        let (near, far) = (bind(&self.sender)?, bind(&self.receiver)?);
        let connect = |from: &UdpSocket, to: &UdpSocket| from.connect(to.local_addr()?);
        connect(&near, &far).and_then(|()| connect(&far, &near)).map_err(cannot("connect"))?;
        Ok((near, far))
    }

    /// Lets the sender's device take a packet from several places of memory at once, or not, in which case
    /// the kernel first copies it to one place. With it go segmentation by the device and by the kernel
    /// just before it (TSO, GSO), which the kernel switches on again when it can.
    ///
    /// # Errors
    /// [`NetworkError::Gather`] where the device cannot.
    pub fn set_gather(&self, on: bool) -> Result<(), NetworkError> {
        let device = &self.sender.device;
        let refused = |why: String| NetworkError::Gather {
            device: device.name.clone(),
            state: if on { "on" } else { "off" },
            why,
        };
        let state = || device.gathers().map_err(|error| refused(error.to_string()));
        if state()? == on {
            return Ok(());
        }
        device.set_gather(on).map_err(|error| refused(error.to_string()))?;
        // The kernel also takes a wish that something else keeps it from granting.
        if state()? == on {
            Ok(())
        } else {
            Err(refused("another of its features does not let it".to_owned()))
        }
    }

    /// What the devices are, and how they are set now.
    pub fn facts(&self) -> Facts {
        let [sender, receiver] = [&self.sender, &self.receiver].map(|end| (&end.device).into());
        Facts { path: self.path, sender, receiver }
    }
}

/// The other end of `near`, which is connected to `listener`. On loopback a stranger may have come first.
fn accept(listener: &TcpListener, near: &TcpStream) -> io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let wanted = near.local_addr()?;
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((far, from)) if from == wanted => return Ok(far),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = CONNECT_DEADLINE.saturating_sub(start.elapsed());
                let left = Timespec::try_from(left).map_err(io::Error::other)?;
                let mut sockets = [PollFd::new(listener, PollFlags::IN)];
                if poll(&mut sockets, Some(&left))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn loopback() -> Network {
        Network::open(Path::Loopback, &NicOptions::default()).unwrap()
    }

    #[test]
    fn two_names_make_a_pair() {
        let names = |text: &str| NicOptions::from_str(text).map(|options| options.names);
        assert_eq!(names("eth0,eth1"), Ok(Some(["eth0".to_owned(), "eth1".to_owned()])));
        for bad in ["", "eth0", "eth0,", ",eth1", "a,b,c"] {
            assert!(names(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn loopback_connects_both_ways() {
        let network = loopback();
        let (mut near, mut far) = network.connect(0).unwrap();
        near.write_all(b"there").unwrap();
        far.write_all(b"back").unwrap();
        let (mut there, mut back) = ([0; 5], [0; 4]);
        far.read_exact(&mut there).unwrap();
        near.read_exact(&mut back).unwrap();
        assert_eq!((&there, &back), (b"there", b"back"));
        let (near, far) = network.udp().unwrap();
        near.send(b"there").unwrap();
        assert_eq!(far.recv(&mut there).unwrap(), 5);
        far.send(b"back").unwrap();
        assert_eq!(near.recv(&mut back).unwrap(), 4);
    }

    #[test]
    fn a_taken_port_says_what_to_do() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = loopback().connect(port).unwrap_err();
        assert!(matches!(error, NetworkError::PortTaken(at) if at == port));
        let said = format!("port {port} is taken: choose another --port, or leave it out");
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn a_stranger_is_not_taken_for_the_other_end() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        let _stranger = TcpStream::connect(to).unwrap();
        let near = TcpStream::connect(to).unwrap();
        let far = accept(&listener, &near).unwrap();
        assert_eq!(far.peer_addr().unwrap(), near.local_addr().unwrap());
    }

    #[test]
    fn loopback_gathers_and_cannot_be_told_not_to() {
        let network = loopback();
        let facts = network.facts();
        assert_eq!((facts.path, facts.sender.device.as_str()), (Path::Loopback, "lo"));
        assert_eq!(facts.sender.gather, Some(true));
        network.set_gather(true).unwrap();
        let error = network.set_gather(false).unwrap_err();
        assert!(matches!(error, NetworkError::Gather { .. }), "{error}");
        assert!(error.to_string().contains("lo"), "{error}");
    }
}
