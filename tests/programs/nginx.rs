//! nginx, which says by itself what it sent.

use std::fs;

use super::{
    account::bytes,
    observe::{Seen, listening, serving},
    report::Copied,
    room::{Room, SIZE, free_port},
};

/// What a worker did for one request of `file`.
struct Served {
    seen: Seen,
    /// Of the file.
    size: u64,
    /// By the access log: the body as it was sent, and all of the response.
    body: u64,
    sent: u64,
    /// What was written to the log.
    logged: u64,
}

/// A text that gzip makes much smaller, as the file `text`.
const TEXT: &str = "text";

/// Starts nginx with `settings` and fetches `file` from it.
fn serve(settings: &str, file: &str) -> Served {
    let room = Room::new();
    let lines: String = (0..100_000).map(|line| format!("line {line} of a text\n")).collect();
    room.write(TEXT, lines.as_bytes());
    let port = free_port();
    room.write("nginx.conf", configuration(settings, port).as_bytes());
    let folder = room.path().to_str().expect("it is UTF-8");
    let nginx = ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"];
    let nginx = listening(&room, &nginx, port);
    let url = format!("http://127.0.0.1:{port}/{file}");
    let seen = serving(&room, worker(nginx.0.id()), || {
        room.run(&["curl", "--silent", "--compressed", "--output", "g", &url]);
    });
    room.assert_same(file, "g");
    let log = String::from_utf8(room.read("access.log")).expect("it is UTF-8");
    let [body, sent] = log.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("not one request: {log}");
    };
    let number = |text: &str| text.parse().expect("a number of bytes");
    let (size, logged) = (room.read(file).len() as u64, log.len() as u64);
    Served { seen, size, body: number(body), sent: number(sent), logged }
}

fn configuration(settings: &str, port: u16) -> String {
    format!(
        "daemon off; user root; worker_processes 1; pid nginx.pid;
         events {{ worker_connections 64; }}
         http {{
           default_type text/html;
           log_format account '$body_bytes_sent $bytes_sent';
           access_log access.log account;
           {settings}
           server {{ listen 127.0.0.1:{port}; root .; }}
         }}"
    )
}

/// The one worker of the master process.
fn worker(master: u32) -> u32 {
    super::wait::wait_for("worker", || {
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        children.expect("nginx runs").trim().parse().ok()
    })
}

/// Fails unless the calls sent and logged what the access log has, and copied only what they moved
/// between process and kernel.
fn assert_accounted(served: &Served) {
    let calls = &served.seen.calls;
    assert_eq!(bytes(calls, "sendfile") + bytes(calls, "writev"), served.sent);
    assert_eq!(bytes(calls, "write"), served.logged);
    served.seen.assert_copied(0);
}

#[test]
fn with_sendfile_the_body_is_not_copied() {
    let served = serve("sendfile on;", "f");
    assert_accounted(&served);
    assert_eq!((served.body, served.size), (SIZE, SIZE));
    assert_eq!(bytes(&served.seen.calls, "sendfile"), SIZE);
    let flow = served.seen.trace.flow("sendfile", "regular file", "TCP");
    assert_eq!(flow.copied.all(), Some(Copied::NONE), "{flow:?}");
    assert_eq!((flow.copies_per_byte, &*flow.verdict), (Some(0.0), "zero-copy"), "{flow:?}");
}

#[test]
fn without_sendfile_it_is_copied_twice() {
    let served = serve("sendfile off;", "f");
    assert_accounted(&served);
    assert_eq!((served.body, bytes(&served.seen.calls, "pread64")), (SIZE, SIZE));
    assert_eq!(bytes(&served.seen.calls, "sendfile"), 0);
}

#[test]
fn with_gzip_the_file_and_the_smaller_body_are_copied() {
    let served = serve("sendfile on; gzip on; gzip_comp_level 1;", TEXT);
    assert_accounted(&served);
    assert!(served.body < served.size, "{} bytes of {}", served.body, served.size);
    assert_eq!(bytes(&served.seen.calls, "pread64"), served.size);
    assert_eq!(bytes(&served.seen.calls, "sendfile"), 0);
}
