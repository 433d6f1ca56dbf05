//! System calls, their bytes, and what is at their ends, of a process whose calls are all known.

use std::{
    collections::BTreeMap,
    io::pipe,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::AsFd, unix::net::UnixStream},
};

use rustix::{
    fs::Access,
    net::{RecvFlags, SendFlags, recv, send},
};
use serde_json::{Value, json};

use crate::{
    held::{Held, exit, read_once, sure},
    skip::needs,
    support::{Tracing, boundary, list, named, number, report, text, tracepoints},
};

/// Bytes of a chunk, far less than any buffer that a socket has.
const CHUNK: usize = 16 << 10;

/// A connection to this process itself.
pub(crate) fn loopback() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (to, listener.accept().unwrap().0)
}

/// Sends `buffer` and receives it at the other end: one call each.
pub(crate) fn pass(to: impl AsFd, from: impl AsFd, buffer: &mut [u8]) {
    let sent = sure(send(to, buffer, SendFlags::empty()));
    let (_, received) = sure(recv(from, &mut *buffer, RecvFlags::WAITALL));
    if (sent, received) != (buffer.len(), buffer.len()) {
        exit(3);
    }
}

/// Traces what a process does when it is let go: the report, and the process, which has ended.
pub(crate) fn traced(mut held: Held, arguments: &[&str]) -> (Value, Held) {
    let mut command = boundary("trace");
    let zc = Tracing::start(command.args(["--json", "-p", &held.id()]).args(arguments));
    held.go();
    let report = report(&zc.output());
    held.ended();
    (report, held)
}

/// A flow's call and ends; its calls, failed ones and bytes.
type Flows<'a> = BTreeMap<[&'a str; 3], [u64; 3]>;

fn flows(of: &Value) -> Flows<'_> {
    let flow =
        |flow: &'_ Value| [number(&flow["calls"]), number(&flow["failed"]), number(&flow["bytes"])];
    let ends = ["call", "source", "sink"];
    list(&of["flows"]).iter().map(|f| (ends.map(|end| text(&f[end])), flow(f))).collect()
}

/// A system call's number of calls, of failed ones, and its bytes if it returns any.
fn calls(of: &Value) -> BTreeMap<&str, (u64, u64, Option<u64>)> {
    let call = |c: &Value| (number(&c["calls"]), number(&c["failed"]), c["bytes"].as_u64());
    list(&of["syscalls"]).iter().map(|c| (text(&c["name"]), call(c))).collect()
}

/// What the process below does, besides being let go by one byte through a pipe.
pub(crate) fn everything() -> Held {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 5 * 4096]).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let (to, from) = loopback();
    let (left, right) = UnixStream::pair().unwrap();
    let (reader, writer) = pipe().unwrap();
    let mut buffer = vec![7; CHUNK];
    Held::new(move || {
        for n in 0..5 {
            sure(rustix::io::pread(&file, &mut buffer[..4096], n * 4096));
        }
        for _ in 0..7 {
            let _parent = rustix::process::getppid();
        }
        for _ in 0..3 {
            pass(&to, &from, &mut buffer);
        }
        for _ in 0..2 {
            pass(&left, &right, &mut buffer[..1000]);
        }
        for _ in 0..4 {
            sure(rustix::io::write(&writer, &buffer[..512]));
            read_once(&reader, &mut buffer[..512]);
        }
        for _ in 0..6 {
            let _none = rustix::fs::access(c"/no/such/file", Access::EXISTS);
        }
    })
}

#[test]
fn calls_and_their_bytes_are_those_that_were_made() {
    needs!(tracepoints());
    let (report, held) = traced(everything(), &[]);
    let pid = held.pid();
    held.reap();
    let made = BTreeMap::from([
        ("pread64", (5, 0, Some(5 * 4096))),
        ("getppid", (7, 0, None)),
        ("sendto", (3 + 2, 0, Some(3 * 16384 + 2 * 1000))),
        ("recvfrom", (3 + 2, 0, Some(3 * 16384 + 2 * 1000))),
        ("write", (4, 0, Some(4 * 512))),
        ("read", (4 + 1, 0, Some(4 * 512 + 1))),
        ("access", (6, 6, None)),
    ]);
    assert_eq!(calls(&report), made);
    let ends = BTreeMap::from([
        (["pread64", "regular file", "memory"], [5, 0, 5 * 4096]),
        (["sendto", "memory", "TCP"], [3, 0, 3 * 16384]),
        (["recvfrom", "TCP", "memory"], [3, 0, 3 * 16384]),
        (["sendto", "memory", "unix socket"], [2, 0, 2 * 1000]),
        (["recvfrom", "unix socket", "memory"], [2, 0, 2 * 1000]),
        (["write", "memory", "pipe"], [4, 0, 4 * 512]),
        (["read", "pipe", "memory"], [5, 0, 4 * 512 + 1]),
    ]);
    assert_eq!(flows(&report), ends);

    // One process, which is all there is.
    let [process] = list(&report["processes"]) else { panic!("{:#}", report["processes"]) };
    assert_eq!(process["pid"], pid);
    assert_eq!((calls(process), flows(process)), (made, ends));
    for total in [&report["total"], &process["total"]] {
        let all = 5 + 7 + 5 + 5 + 4 + 5 + 6;
        let faults = number(&total["page_faults"]["user"]);
        assert_eq!(total["syscalls"], all);
        assert_eq!(total["mode_switches"], 2 * (all + faults));
        let causes = json!({ "system_calls": 2 * all, "page_faults": 2 * faults });
        assert_eq!(total["mode_switches_by_cause"], causes);
        assert_eq!(total["tasks"], json!({ "forks": 0, "execs": 0, "exits": 1 }));
        // What came in is as much as went out, but for the file and the byte that let it go.
        assert_eq!(total["moved_bytes"], 5 * 4096 + 3 * 16384 + 2 * 1000 + 4 * 512 + 1);
    }
}

#[test]
fn what_is_received_from_a_stream_is_copied_once() {
    needs!(tracepoints());
    let (report, held) = traced(everything(), &[]);
    held.reap();
    for of in [&report, &report["processes"][0]] {
        for flow in list(&of["flows"]) {
            let received = flow["call"] == "recvfrom";
            let copied =
                if received { json!({ "kernel_to_user": flow["bytes"] }) } else { json!({}) };
            assert_eq!(flow["copied"], copied, "{flow:#}");
            assert!(flow.get("copies_per_byte").is_none() && flow["verdict"] == "not observed");
            let by = if received { json!(["skb_copy_datagram_iovec"]) } else { json!([]) };
            assert_eq!(flow["copied_by"], by);
        }
    }
    let [site] = list(&report["sites"]) else { panic!("{:#}", report["sites"]) };
    assert_eq!(
        (&site["site"], &site["bytes"]),
        (&json!("datagram_tracepoint"), &json!(3 * 16384 + 2 * 1000))
    );
}

/// A datagram in one piece is copied without passing the tracepoint (`udp_recvmsg`, net/ipv4/udp.c).
#[test]
fn a_datagram_that_passes_no_tracepoint_is_not_observed() {
    needs!(tracepoints());
    let [to, from] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    to.connect(from.local_addr().unwrap()).unwrap();
    let mut buffer = vec![7; 700];
    let held = Held::new(move || {
        for _ in 0..3 {
            pass(&to, &from, &mut buffer);
        }
    });
    let (report, held) = traced(held, &[]);
    held.reap();
    let flow = named(&report["flows"], "source", "UDP");
    assert_eq!((&flow["bytes"], &flow["copied"]), (&json!(2100), &json!({})));
    assert_eq!(flow["verdict"], "not observed");
    assert!(flow.get("coverage").is_none(), "{flow:#}");
}

/// The kernel counts a task's page faults by itself, in both modes.
#[test]
fn page_faults_are_those_that_the_kernel_counts() {
    needs!(tracepoints());
    const PAGES: usize = 100;
    let held = Held::new(|| {
        use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};
        let (length, null) = (PAGES * 4096, std::ptr::null_mut());
        // SAFETY: new memory, wherever the kernel likes.
        let memory = sure(unsafe {
            mmap_anonymous(null, length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        });
        // SAFETY: the memory that was just mapped.
        let _whole = unsafe { madvise(memory, length, Advice::LinuxNoHugepage) };
        for page in 0..PAGES {
            let byte = memory.cast::<u8>().wrapping_add(page * 4096);
            // SAFETY: inside that memory, which nobody else uses.
            unsafe { byte.write_volatile(1) };
        }
    });
    let before = held.faults();
    let (report, held) = traced(held, &[]);
    let taken = held.faults() - before;
    held.reap();
    let faults = &report["total"]["page_faults"];
    let (user, kernel) = (number(&faults["user"]), number(&faults["kernel"]));
    assert!(user >= PAGES as u64, "{faults}");
    assert_eq!(user + kernel, taken);
    assert_eq!(report["total"]["mode_switches_by_cause"]["page_faults"], 2 * user);
}
