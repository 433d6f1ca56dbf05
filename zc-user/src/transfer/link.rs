//! What lies between the two sides of a transfer, made by their parent.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    pipe::pipe,
};

use super::pipe_size;
use crate::network::Network;

/// What lies between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A TCP connection.
    Tcp,
    /// Two UDP sockets connected to each other.
    Udp,
    /// A pair of connected unix stream sockets.
    UnixStream,
    /// A pipe that holds a chunk.
    Pipe,
    /// The same, and what comes out of it is thrown away: nobody can say whether it was right.
    PipeToNowhere,
    /// A file that the sender writes, on the payload's file system. Nobody receives.
    File,
    /// Nothing: the payload ends in the sender's own memory. Nobody receives.
    OwnMemory,
    /// The sender's memory, into which the receiver reaches.
    ProcessMemory,
    /// Memory for a chunk that both have.
    SharedMemory,
}

/// How long a receiver waits for a datagram. Those of zc are on their way when it asks.
const LOST: Duration = Duration::from_secs(30);

/// The two ends, for the workers.
#[derive(Debug, Default)]
pub struct Ends {
    /// The sender's.
    pub sender: Option<OwnedFd>,
    /// The receiver's.
    pub receiver: Option<OwnedFd>,
}

/// What a link is made from.
pub struct Place<'a> {
    /// What TCP and UDP go over.
    pub network: &'a Network,
    /// The receiver's TCP port; 0 lets the kernel choose.
    pub port: u16,
    /// Where the payload lies.
    pub folder: &'a Path,
    /// Bytes asked for in a call.
    pub chunk: usize,
}

impl Link {
    /// For people: what the payload goes to.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::UnixStream => "unix socket",
            Self::Pipe => "pipe",
            Self::PipeToNowhere => "nowhere",
            Self::File => "file",
            Self::OwnMemory => "memory",
            Self::ProcessMemory => "process",
            Self::SharedMemory => "shared memory",
        }
    }

    /// Whether somebody else gets the payload.
    pub fn has_receiver(self) -> bool {
        !matches!(self, Self::File | Self::OwnMemory)
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the port is taken (`EADDRINUSE`) or the kernel refuses to make it.
    pub fn open(self, place: &Place<'_>) -> Result<Ends> {
        let both = |sender: OwnedFd, receiver: OwnedFd| Ends {
            sender: Some(sender),
            receiver: Some(receiver),
        };
        Ok(match self {
            Self::Tcp => {
                let (near, far) = place.network.connect(place.port)?;
                both(near.into(), far.into())
            }
            Self::Udp => {
                let (near, far) = place.network.udp()?;
                // A datagram that is lost never comes.
                far.set_read_timeout(Some(LOST))?;
                both(near.into(), far.into())
            }
            Self::UnixStream => {
                let (near, far) = UnixStream::pair().context("no unix sockets")?;
                both(near.into(), far.into())
            }
            Self::Pipe | Self::PipeToNowhere => {
                let (out, into) = pipe().context("no pipe")?;
                pipe_size::fit(&into, place.chunk).context("no pipe as large as a chunk")?;
                both(into, out)
            }
            Self::File => {
                let file = tempfile::tempfile_in(place.folder)
                    .with_context(|| format!("no new file in {}", place.folder.display()))?;
                Ends { sender: Some(file.into()), receiver: None }
            }
            Self::OwnMemory | Self::ProcessMemory => Ends::default(),
            Self::SharedMemory => {
                let memory = memfd_create("shared", MemfdFlags::CLOEXEC)?;
                ftruncate(&memory, place.chunk as u64)?;
                both(memory.try_clone()?, memory)
            }
        })
    }
}
