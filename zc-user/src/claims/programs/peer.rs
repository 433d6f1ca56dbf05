//! Whom a program talks to over loopback: zc itself, which is not traced.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::super::Unobservable;

/// How long one side waits for a byte of the other.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves one connection.
pub(super) struct Peer<T> {
    pub(super) port: u16,
    server: JoinHandle<io::Result<T>>,
}

/// What peers meet where there is no loopback, or who should come does not.
fn failed(error: impl Into<io::Error>) -> Unobservable {
    Unobservable::Lacking(format!("over loopback: {}", error.into()))
}

impl<T: Send + 'static> Peer<T> {
    fn start(
        serve: impl FnOnce(TcpStream) -> io::Result<T> + Send + 'static,
    ) -> Result<Self, Unobservable> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            patient(&stream)?;
            serve(stream)
        });
        Ok(Self { port, server })
    }

    /// What became of the connection. To be called when who should come has ended.
    ///
    /// # Errors
    /// That nobody came, or broke off.
    pub(super) fn result(self) -> Result<T, Unobservable> {
        // Where nobody has come, this is the one connection, and says nothing. It may be over by now.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.server.join().map_err(|_| failed(io::ErrorKind::Other))?.map_err(failed)
    }
}

impl Peer<Vec<u8>> {
    /// Takes all that comes.
    pub(super) fn sink() -> Result<Self, Unobservable> {
        Self::start(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            Ok(all)
        })
    }

    /// Takes the body of one HTTP request.
    pub(super) fn upload() -> Result<Self, Unobservable> {
        Self::start(|stream| {
            let mut reader = BufReader::new(stream);
            let mut length = None;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                    break;
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().ok();
                }
            }
            let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
            reader.read_exact(&mut body)?;
            let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            reader.into_inner().write_all(response)?;
            Ok(body)
        })
    }
}

impl Peer<()> {
    /// Sends `bytes` to whoever comes.
    pub(super) fn source(bytes: Vec<u8>) -> Result<Self, Unobservable> {
        Self::start(move |mut stream| stream.write_all(&bytes))
    }
}

/// A port of 127.0.0.1 that nobody uses.
pub(super) fn free_port() -> Result<u16, Unobservable> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    Ok(listener.local_addr().map_err(failed)?.port())
}

/// Whether somebody listens on a port of 127.0.0.1. A connection would tell too, but the server would have
/// to deal with it.
pub(super) fn listens(port: u16) -> bool {
    // The state, as include/net/tcp_states.h has it.
    const LISTEN: &str = "0A";
    let wanted = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&wanted) && words.nth(1) == Some(LISTEN)
    })
}

/// The answer of the server at `port` to a request of `path`: head and body. It closes the connection after
/// that, when it has counted what it sent.
pub(super) fn get(port: u16, path: &str) -> Result<(String, Vec<u8>), Unobservable> {
    let request = format!("GET {path} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    let mut head = exchange(port, request.as_bytes(), |_| Ok(())).map_err(failed)?;
    let end = head.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = head.split_off(end.ok_or_else(|| failed(io::ErrorKind::InvalidData))? + 4);
    Ok((String::from_utf8_lossy(&head).into_owned(), body))
}

/// Sends `bytes` to the server at `port`, and the end after them.
pub(super) fn send(port: u16, bytes: &[u8]) -> Result<(), Unobservable> {
    let end = |stream: &TcpStream| stream.shutdown(Shutdown::Write);
    exchange(port, bytes, end).map(drop).map_err(failed)
}

/// Sends `bytes` to the server at `port` and takes what comes until it closes the connection.
fn exchange(
    port: u16,
    bytes: &[u8],
    sent: impl FnOnce(&TcpStream) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    patient(&stream)?;
    stream.write_all(bytes)?;
    sent(&stream)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives() {
        let sink = Peer::sink().unwrap();
        send(sink.port, b"bytes").unwrap();
        assert_eq!(sink.result().unwrap(), b"bytes");
        let source = Peer::source(b"bytes".to_vec()).unwrap();
        assert_eq!(exchange(source.port, b"", |_| Ok(())).unwrap(), b"bytes");
        source.result().unwrap();
    }

    #[test]
    fn an_upload_is_answered() {
        let server = Peer::upload().unwrap();
        let request = b"PUT /f HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
        let answer = exchange(server.port, request, |_| Ok(())).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert_eq!(server.result().unwrap(), b"body");
    }

    #[test]
    fn head_and_body_are_told_apart() {
        let server = Peer::start(|mut stream| {
            let mut line = String::new();
            BufReader::new(stream.try_clone()?).read_line(&mut line)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbo\r\n\r\ndy")?;
            Ok(line)
        });
        let server = server.unwrap();
        let (head, body) = get(server.port, "/f").unwrap();
        assert_eq!((&*head, &*body), ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", &b"bo\r\n\r\ndy"[..]));
        assert_eq!(server.result().unwrap(), "GET /f HTTP/1.0\r\n");
    }

    #[test]
    fn nobody_who_comes_is_not_waited_for() {
        assert_eq!(Peer::sink().unwrap().result().unwrap(), b"");
        assert!(Peer::upload().unwrap().result().is_err());
    }

    #[test]
    fn a_listener_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        drop(listener);
        assert!(!listens(port));
    }
}
