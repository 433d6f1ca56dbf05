//! One side of a transfer, in a process of its own: `zc worker`, started by `zc lab`.
//!
//! A worker stops itself (SIGSTOP) before and after each run and goes on when the parent says so.
//! The kernel delivers that signal after the `kill` call's exit was traced, so a run's window
//! holds the transfer and exactly one `kill`, with no race about what falls inside; the empty run
//! has the same `kill`.

use std::{
    fs::File,
    io::{Seek, Write, stdout},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    num::NonZeroI32,
    os::fd::{AsFd, BorrowedFd},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{
    Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal,
};
use serde::{Deserialize, Serialize};

use super::{OwnMemory, Sending, Style, receive::receive};
use crate::report::text::one_line;

/// What a worker tells its parent, a line each, in JSON on its stdout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// The receiver's port.
    Listening(u16),
    /// A run is over.
    Moved {
        /// Payload bytes sent or received.
        bytes: u64,
        /// What of it went through this worker's memory.
        own: OwnMemory,
        /// BLAKE3 of what was received; the sender has none.
        hash: Option<String>,
    },
    /// This worker gives up.
    Failed(String),
}

/// Runs a worker's `work` and reports its failure to process `parent`, which started it.
///
/// # Errors
/// When `parent` is not, or no more, this process's parent; what `work` failed with; where even
/// that could not be reported, why not.
pub fn run(parent: i32, work: impl FnOnce() -> Result<()>) -> Result<()> {
    // Nothing is left behind when the parent is killed, also when that was a moment ago.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(Pid::as_raw_nonzero).map(NonZeroI32::get) != Some(parent) {
        bail!("process {parent}, which started this worker, is gone");
    }
    work().or_else(|error| say(&Message::Failed(one_line(error.as_ref()))).and(Err(error)))
}

/// Sends the file on stdin to `peer`, once for each of `runs` (bytes).
///
/// # Errors
/// When nobody listens at `peer`, there is no memory for a chunk, the file ended early (`ENODATA`
/// of the style) or cannot be rewound, the kernel refuses a call of the style, or the parent does
/// not hear.
pub fn send(style: &Style, peer: SocketAddr, chunk: usize, runs: &[u64]) -> Result<()> {
    let mut file = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let socket = TcpStream::connect(peer).with_context(|| format!("cannot connect to {peer}"))?;
    let mut buffer = touched(chunk)?;
    let gate = Gate::new();
    for &bytes in runs {
        file.rewind()?;
        let mut sending = Sending {
            file: file.as_fd(),
            socket: socket.as_fd(),
            bytes,
            chunk,
            buffer: &mut buffer,
            moved: OwnMemory::default(),
        };
        gate.wait()?;
        let sent = (style.send)(&mut sending);
        gate.wait()?;
        let own = sending.moved;
        let bytes = sent.map_err(|errno| match errno {
            rustix::io::Errno::NODATA => anyhow!("the file ended early: was it truncated?"),
            errno => anyhow!("{} failed: {errno}", style.name),
        })?;
        say(&Message::Moved { bytes, own, hash: None })?;
    }
    Ok(())
}

/// Receives once for each of `runs` (bytes) on the loopback `port`; 0 lets the kernel choose.
///
/// # Errors
/// When the port is taken (`EADDRINUSE`) or not to be had, there is no memory for a chunk, the
/// sender hung up early (`ECONNRESET`), or the parent does not hear.
pub fn receive_all(port: u16, chunk: usize, runs: &[u64]) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!("port {port} is taken: choose another --port, or leave it out")
        }
        _ => anyhow!("cannot listen on {address}: {error}"),
    })?;
    say(&Message::Listening(listener.local_addr()?.port()))?;
    let (socket, _) = listener.accept().context("nobody connected")?;
    let mut buffer = touched(chunk)?;
    let gate = Gate::new();
    for &bytes in runs {
        receive_once(&gate, socket.as_fd(), bytes, &mut buffer)?;
    }
    Ok(())
}

fn receive_once(gate: &Gate, socket: BorrowedFd<'_>, bytes: u64, buffer: &mut [u8]) -> Result<()> {
    let mut hasher = blake3::Hasher::new();
    gate.wait()?;
    let received = receive(socket, bytes, buffer, &mut hasher);
    gate.wait()?;
    let bytes = received.context("recv failed")?;
    let own = OwnMemory { into: bytes, out_of: 0 };
    say(&Message::Moved { bytes, own, hash: Some(hasher.finalize().to_hex().to_string()) })
}

/// Stops this process until the parent lets it go on.
struct Gate(Pid);

impl Gate {
    fn new() -> Self {
        Self(getpid())
    }

    fn wait(&self) -> Result<()> {
        kill_process(self.0, Signal::STOP).context("cannot stop at the gate")
    }
}

/// Memory whose pages are there already: first touches would be page faults in the window.
fn touched(bytes: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(bytes).is_err() {
        bail!("no memory for a chunk of {bytes} bytes: choose a smaller --chunk");
    }
    buffer.resize(bytes, 1);
    Ok(buffer)
}

fn say(message: &Message) -> Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    out.flush().map_err(Into::into)
}
