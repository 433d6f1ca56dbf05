//! The workloads, in a process of their own, which tools attach to.

use std::{
    env,
    fs::File,
    io::{BufRead, BufReader, Write, stdin, stdout},
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, OwnedFd},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    fs::{SeekFrom, seek, sendfile},
    io::{pread, read},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketType, bind, connect, getsockname, listen, recv,
        send, socket,
        sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size},
    },
    process::getppid,
};
use zc_guest::bench::workload::{GETPPID, NGINX, PREAD_4K, READ_1, SENDFILE_64K, TCP_64K};

use crate::{clock::ticks, nginx::Client};

const CHUNK: usize = 64 << 10;

/// Rounds of a run: enough for the timer's few interrupts to vanish in the average.
pub(crate) fn rounds(workload: &str) -> u64 {
    match workload {
        TCP_64K | SENDFILE_64K | NGINX => 2_000,
        _ => 20_000,
    }
}

/// The process with the workloads. Dropping it ends it.
pub(crate) struct Worker {
    child: Child,
    into: ChildStdin,
    out: BufReader<ChildStdout>,
    /// `getppid` calls made so far.
    pub(crate) getppids: u64,
    /// Requests sent to nginx so far, but for the first one of the connection.
    pub(crate) requests: u64,
}

impl Worker {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("work")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the workloads")?;
        let into = child.stdin.take().context("no pipe")?;
        let out = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, into, out, getppids: 0, requests: 0 })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Instructions that `rounds` rounds take.
    pub(crate) fn run(&mut self, workload: &str, rounds: u64) -> Result<u64> {
        writeln!(self.into, "{rounds} {workload}")?;
        match workload {
            GETPPID => self.getppids += rounds,
            NGINX => self.requests += rounds,
            _ => {}
        }
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("{workload}: the workloads ended"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Does what [`Worker::run`] asks for until stdin ends.
pub(crate) fn work() -> Result<()> {
    let mut workloads = Workloads::prepare()?;
    for line in stdin().lines() {
        let line = line?;
        let (rounds, workload) = line.split_once(' ').context("no workload is named")?;
        let ticks = workloads.run(workload, rounds.parse()?)?;
        writeln!(stdout(), "{ticks}")?;
    }
    Ok(())
}

struct Workloads {
    file: File,
    sender: OwnedFd,
    receiver: OwnedFd,
    buffer: Vec<u8>,
    /// From the first request on.
    client: Option<Client>,
}

impl Workloads {
    fn prepare() -> Result<Self> {
        let path = "/scratch/zc-cost";
        let buffer = vec![7; CHUNK];
        std::fs::write(path, &buffer)?;
        let (sender, receiver) = connection()?;
        Ok(Self { file: File::open(path)?, sender, receiver, buffer, client: None })
    }

    fn run(&mut self, workload: &str, rounds: u64) -> Result<u64> {
        let Self { file, sender, receiver, buffer, client } = self;
        match workload {
            GETPPID => time(rounds, || Ok(usize::from(getppid().is_some())), 1),
            READ_1 => {
                seek(&*file, SeekFrom::Start(0))?;
                time(rounds, || read(&*file, &mut buffer[..1]), 1)
            }
            PREAD_4K => time(rounds, || pread(&*file, &mut buffer[..4096], 0), 4096),
            TCP_64K => time(
                rounds,
                || {
                    let sent = send(&*sender, buffer, SendFlags::DONTWAIT)?;
                    let (_, received) = recv(&*receiver, &mut buffer[..], RecvFlags::WAITALL)?;
                    Ok(sent.min(received))
                },
                CHUNK,
            ),
            SENDFILE_64K => time(
                rounds,
                || {
                    let sent = sendfile(&*sender, &*file, Some(&mut 0), CHUNK)?;
                    // TCP drops the bytes instead of copying them (tcp(7), MSG_TRUNC).
                    let flags = RecvFlags::WAITALL | RecvFlags::TRUNC;
                    let (_, dropped) = recv(&*receiver, &mut buffer[..], flags)?;
                    Ok(sent.min(dropped))
                },
                CHUNK,
            ),
            NGINX => {
                let client = match client {
                    Some(client) => client,
                    None => client.insert(Client::connect()?),
                };
                time(rounds, || client.ask().map(usize::from), 1)
            }
            other => bail!("no workload {other:?}"),
        }
    }
}

/// Ticks of a run, whose every round gives `expected`.
fn time(
    rounds: u64,
    mut round: impl FnMut() -> rustix::io::Result<usize>,
    expected: usize,
) -> Result<u64> {
    let mut right = 0;
    let before = ticks();
    for _ in 0..rounds {
        right += u64::from(round()? == expected);
    }
    let ticks = ticks() - before;
    ensure!(right == rounds, "{} of {rounds} rounds fell short", rounds - right);
    Ok(ticks)
}

/// Both ends of a loopback connection with room for a chunk, so that one thread can send it all and
/// then receive it all. The buffers are set before connecting: the window is negotiated then.
fn connection() -> Result<(OwnedFd, OwnedFd)> {
    let room = 4 * CHUNK;
    let [sender, listener] = [tcp(room)?, tcp(room)?];
    bind(&listener, &std::net::SocketAddr::from(([127, 0, 0, 1], 0)))?;
    listen(&listener, 1)?;
    connect(&sender, &getsockname(&listener)?)?;
    let (receiver, _) = TcpListener::from(listener).accept()?;
    // Each chunk leaves at once.
    let sender = TcpStream::from(sender);
    sender.set_nodelay(true)?;
    Ok((sender.into(), receiver.into()))
}

fn tcp(room: usize) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    set_socket_send_buffer_size(socket.as_fd(), room)?;
    set_socket_recv_buffer_size(socket.as_fd(), room)?;
    Ok(socket)
}
