//! Something to send to, which keeps what came.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

/// A server for one connection.
pub(crate) struct Sink {
    pub(crate) port: u16,
    server: JoinHandle<io::Result<Vec<u8>>>,
}

impl Sink {
    /// Takes all that comes.
    pub(crate) fn of_anything() -> Self {
        Self::start(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).map(|_| all)
        })
    }

    /// Takes the body of one HTTP request.
    pub(crate) fn of_an_upload() -> Self {
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

    fn start(serve: impl FnOnce(TcpStream) -> io::Result<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback is up");
        let port = listener.local_addr().expect("it is bound").port();
        let server = thread::spawn(move || serve(listener.accept()?.0));
        Self { port, server }
    }

    /// What came.
    pub(crate) fn received(self) -> Vec<u8> {
        self.server.join().expect("the sink does not panic").expect("a sender came")
    }
}
