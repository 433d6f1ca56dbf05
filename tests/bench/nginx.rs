//! A server to observe: nginx with one worker, and a client that asks for the same file again and
//! again.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    net::{RecvFlags, SendFlags, recv, send},
    process::{Pid, Signal, kill_process},
};

const FOLDER: &str = "/scratch/zc-cost-nginx";

/// Nobody else listens in the guest.
const PORT: u16 = 8080;

/// Of the file: a page, so that a response is two small sends and what remains is nginx's own work.
const SIZE: usize = 4096;

/// `sendfile on` and a log are what Debian's own configuration has. One connection serves every
/// request of the boot.
const CONFIGURATION: &str = "daemon off; user root; worker_processes 1; pid nginx.pid;
events { worker_connections 64; }
http {
  sendfile on; access_log access.log; keepalive_requests 1000000000; keepalive_timeout 1d;
  server { listen 127.0.0.1:8080; root .; }
}
";

/// The server. Dropping it ends it.
pub(crate) struct Nginx {
    master: Child,
}

impl Nginx {
    pub(crate) fn start() -> Result<Self> {
        fs::create_dir_all(FOLDER)?;
        fs::write(format!("{FOLDER}/f"), [b'x'; SIZE])?;
        fs::write(format!("{FOLDER}/nginx.conf"), CONFIGURATION)?;
        let log = fs::File::create(format!("{FOLDER}/said"))?;
        let master = Command::new("nginx")
            .args(["-p", FOLDER, "-c", "nginx.conf", "-e", "error.log"])
            .current_dir(FOLDER)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start nginx")?;
        let nginx = Self { master };
        for _ in 0..600 {
            // It listens before it has workers, which come at once.
            if nginx.worker().is_ok() && Client::connect().is_ok() {
                return Ok(nginx);
            }
            sleep(Duration::from_millis(100));
        }
        bail!("nginx does not listen: {}", fs::read_to_string(format!("{FOLDER}/said"))?)
    }

    pub(crate) fn master(&self) -> u32 {
        self.master.id()
    }

    /// Its one worker.
    pub(crate) fn worker(&self) -> Result<u32> {
        let master = self.master();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        children.trim().parse().context("nginx has no worker")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Unlike a kill, this ends the worker too.
        let _gone = kill_process(Pid::from_child(&self.master), Signal::TERM);
        let _reaped = self.master.wait();
    }
}

/// A connection that stays.
pub(crate) struct Client {
    stream: TcpStream,
    /// Head and body; all responses are equally long.
    response: Vec<u8>,
}

impl Client {
    const REQUEST: &[u8] = b"GET /f HTTP/1.1\r\nHost: zc\r\n\r\n";

    /// Connects, and learns by a first request how long a response is.
    pub(crate) fn connect() -> Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT))?;
        stream.set_nodelay(true)?;
        stream.write_all(Self::REQUEST)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        ensure!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
        let mut response = head;
        let length = response.len() + SIZE;
        let start = response.len();
        response.resize(length, 0);
        stream.read_exact(&mut response[start..])?;
        Ok(Self { stream, response })
    }

    /// One request and its response: whether that is the right one.
    pub(crate) fn ask(&mut self) -> rustix::io::Result<bool> {
        let sent = send(&self.stream, Self::REQUEST, SendFlags::empty())?;
        let (_, received) = recv(&self.stream, &mut self.response[..], RecvFlags::WAITALL)?;
        let whole = (sent, received) == (Self::REQUEST.len(), self.response.len());
        Ok(whole && self.response.starts_with(b"HTTP/1.1 200 ") && self.response.ends_with(b"x"))
    }
}
