//! What each thread did, call by call and between which kinds of file, adds up to what all did.

use std::{
    arch::asm,
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::AsRawFd, unix::net::UnixStream},
    process::id,
    thread,
};

use io_uring::{IoUring, opcode, squeue::Flags, types::Fd};
use rustix::{
    fs::sendfile,
    io::pread,
    pipe::{SpliceFlags, pipe, tee},
};
use zc::{
    measure::{Engine, Loss},
    probes::attach::{Breakdown, Options, Probes},
    result::{
        Copied,
        trace::{self, Flow, TraceReport},
    },
};
use zc_common::Group;

use crate::{
    needs::{self, needs},
    support::{nothing_left_behind, scratch, wait_for},
    theory::{Kind, UNIX_IN_ONE_PIECE},
    transfers::Rig,
    unskipped::until_unskipped,
};

const OWN: Group = Group::FIRST;

/// How often the work is done again because the kernel skipped a program in it; see
/// [`crate::counting`].
const TRIES: usize = 8;

/// Counts what `work` does in this process.
fn count(options: &Options<'_>, mut work: impl FnMut()) -> TraceReport {
    until_unskipped(
        TRIES,
        || count_once(options, &mut work),
        |report| {
            let misses = &report.completeness.lost.recursion_misses;
            (!misses.is_empty()).then(|| format!("{misses:?}"))
        },
    )
}

fn count_once(options: &Options<'_>, work: &mut impl FnMut()) -> TraceReport {
    let mut engine = Engine::new(Probes::attach_with(options).unwrap());
    engine.watch(id(), OWN).unwrap();
    engine.arm(&[OWN, Group::MACHINE]).unwrap();
    // Once in vain: QEMU has not yet translated the programs, and while it does so a task is easily
    // preempted inside one, which the kernel then skips for every other task.
    work();
    engine.disarm().unwrap();
    let before = engine.breakdown().unwrap();
    let misses = engine.probes().recursion_misses().unwrap();
    engine.arm(&[OWN, Group::MACHINE]).unwrap();
    work();
    let counted = engine.disarm().unwrap();
    let breakdown = engine.breakdown().unwrap().since(&before);
    let probes = engine.probes();
    let loss = Loss {
        recursion_misses: probes.recursion_misses().unwrap().since(&misses),
        unlisted_counts: counted[&OWN].unlisted,
        ..Loss::default()
    };
    let report = trace::report(&trace::Input {
        run: trace::Run::default(),
        total: &counted[&OWN],
        machine: &counted[&Group::MACHINE],
        breakdown: &breakdown,
        loss: &loss,
        statuses: &probes.sites,
        meters: &probes.meters,
        live: false,
        threads: true,
    });
    drop(engine);
    nothing_left_behind();
    report
}

fn with_room() -> Options<'static> {
    Options { breakdown: Some(Breakdown { cells: 4096, threads: 64 }), ..Options::default() }
}

/// The one flow of `call` between these.
fn flow<'a>(report: &'a TraceReport, call: &str, source: &str, sink: &str) -> &'a Flow {
    let mut flows = report
        .flows
        .iter()
        .filter(|flow| (flow.call.as_str(), flow.source, flow.sink) == (call, source, sink));
    let flow = flows.next().unwrap_or_else(|| panic!("no {call} {source} {sink}: {report:#?}"));
    assert!(flows.next().is_none());
    flow
}

/// Bytes that such a call moved, and copied.
fn counted(report: &TraceReport, call: &str, source: &str, sink: &str) -> (u64, u64) {
    // What the standard library calls on a socket is its own business.
    let other = match call {
        "sendto" => "write",
        "recvfrom" => "read",
        call => call,
    };
    let is = |flow: &&Flow| {
        [call, other].contains(&flow.call.as_str()) && (flow.source, flow.sink) == (source, sink)
    };
    let found = report.flows.iter().find(is);
    let flow = found.unwrap_or_else(|| panic!("no {call} {source} {sink}: {report:#?}"));
    let Copied { user_to_kernel, kernel_to_user, kernel_to_kernel } = flow.copied;
    let copied: Option<u64> = [user_to_kernel, kernel_to_user, kernel_to_kernel].into_iter().sum();
    (flow.bytes.unwrap(), copied.unwrap())
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn flows_know_both_ends_of_a_call_and_their_copies() {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 50_000]).unwrap();
    let file = File::open(&path).unwrap();
    let mut zero = File::open("/dev/zero").unwrap();
    let mut null = File::options().write(true).open("/dev/null").unwrap();
    let (mut near, mut far) = connection();
    let (mut left, mut right) = UnixStream::pair().unwrap();
    let (reader, writer) = pipe().unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = datagrams.local_addr().unwrap();
    let mut buffer = vec![0; 60_000];
    let report = count(&with_room(), || {
        pread(&file, &mut buffer[..40_000], 0).unwrap();
        assert_eq!(sendfile(&near, &file, Some(&mut 0), 30_000).unwrap(), 30_000);
        far.read_exact(&mut buffer[..30_000]).unwrap();
        near.write_all(&buffer[..20_000]).unwrap();
        far.read_exact(&mut buffer[..20_000]).unwrap();
        left.write_all(&buffer[..10_000]).unwrap();
        right.read_exact(&mut buffer[..10_000]).unwrap();
        rustix::io::write(&writer, &buffer[..5_000]).unwrap();
        rustix::io::read(&reader, &mut buffer[..5_000]).unwrap();
        datagrams.send_to(&buffer[..700], address).unwrap();
        datagrams.recv(&mut buffer).unwrap();
        zero.read_exact(&mut buffer[..300]).unwrap();
        null.write_all(&buffer[..200]).unwrap();
        assert_eq!(sendfile(&null, &file, Some(&mut 0), 4_000).unwrap(), 4_000);
    });
    assert!(report.complete, "{:?}", report.completeness.problems);
    for (call, source, sink, bytes, copies) in [
        ("pread64", "regular file", "memory", 40_000, 1),
        ("sendfile", "regular file", "TCP", 30_000, 0),
        ("sendto", "memory", "TCP", 20_000, 1),
        ("recvfrom", "TCP", "memory", 50_000, 1),
        ("sendto", "memory", "unix socket", 10_000, 1),
        ("recvfrom", "unix socket", "memory", 10_000, 1),
        ("write", "memory", "pipe", 5_000, 1),
        ("read", "pipe", "memory", 5_000, 1),
        ("sendto", "memory", "UDP", 700, 1),
        ("recvfrom", "UDP", "memory", 700, 1),
        ("read", "character device", "memory", 300, 0),
        ("write", "memory", "character device", 200, 0),
        ("sendfile", "regular file", "character device", 4_000, 0),
    ] {
        assert_eq!(counted(&report, call, source, sink), (bytes, copies * bytes), "{call}");
    }
    let sendfile = flow(&report, "sendfile", "regular file", "TCP");
    assert_eq!(sendfile.verdict.to_string(), "zero-copy");
    assert_eq!(report.processes.len(), 1);
    assert_eq!(report.processes[0].pid, Some(id()));
}

/// Process id, by the number that 32-bit code calls it by.
fn getpid_as_32_bit_code_does() -> u32 {
    /// arch/x86/entry/syscalls/syscall_32.tbl; 20 is `writev` to 64-bit code.
    const GETPID: u32 = 20;
    let pid;
    // SAFETY: a system call that touches no memory; older kernels clear these registers.
    unsafe {
        asm!(
            "int 0x80",
            inlateout("eax") GETPID => pid,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
            options(nostack),
        );
    }
    pid
}

#[test]
fn calls_by_the_numbers_of_32_bit_code_are_told_apart() {
    let report = count(&with_room(), || {
        for _ in 0..7 {
            assert_eq!(getpid_as_32_bit_code_does(), id());
        }
    });
    assert!(report.complete, "{:?}", report.completeness.problems);
    let calls = |name| report.syscalls.iter().find(|row| row.name == name).map(|row| row.calls);
    assert_eq!(calls("(32-bit call)"), Some(7));
    assert_eq!(calls("writev"), None);
}

#[test]
fn flows_of_memory_and_pipes_know_both_ends_of_a_call() {
    const N: usize = 10_000;
    const BYTES: u64 = 10_000;
    const SPLICED: u64 = UNIX_IN_ONE_PIECE as u64;
    let folder = scratch();
    let mut rig = Rig::new(folder.path()).unwrap();
    let ((out, into), (other_out, other_into)) = (pipe().unwrap(), pipe().unwrap());
    let mut buffer = vec![0; N];
    let report = count(&with_room(), || {
        for kind in [Kind::VmspliceIn, Kind::VmspliceOut, Kind::ProcessRead, Kind::ProcessWrite] {
            rig.pass(kind, N).unwrap();
        }
        for kind in [Kind::TcpSplice, Kind::UnixSplice] {
            rig.pass(kind, UNIX_IN_ONE_PIECE).unwrap();
        }
        rustix::io::write(&into, &buffer).unwrap();
        assert_eq!(tee(&out, &other_into, N, SpliceFlags::empty()), Ok(N));
        for pipe in [&out, &other_out] {
            assert_eq!(rustix::io::read(pipe, &mut buffer), Ok(N));
        }
    });
    assert!(report.completeness.uncovered.is_empty(), "{:?}", report.completeness.uncovered);
    let copied = |call, source, sink| {
        let Flow { bytes, copied, .. } = flow(&report, call, source, sink);
        assert_eq!(*bytes, Some(if call == "splice" { SPLICED } else { BYTES }));
        [copied.user_to_kernel, copied.kernel_to_user, copied.kernel_to_kernel].map(Option::unwrap)
    };
    assert_eq!(copied("vmsplice", "memory", "pipe"), [0, 0, 0]);
    assert_eq!(copied("vmsplice", "pipe", "memory"), [0, BYTES, 0]);
    assert_eq!(copied("process_vm_readv", "another process", "memory"), [0, BYTES, 0]);
    assert_eq!(copied("process_vm_writev", "memory", "another process"), [BYTES, 0, 0]);
    assert_eq!(copied("tee", "pipe", "pipe"), [0, 0, 0]);
    assert_eq!(copied("splice", "TCP", "pipe"), [0, 0, 0]);
    assert_eq!(copied("splice", "unix socket", "pipe"), [0, 0, SPLICED]);
}

#[test]
fn what_a_kernel_thread_of_io_uring_copies_is_the_process_s() {
    needs!(needs::function("create_io_thread"));
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 30_000]).unwrap();
    let file = File::open(&path).unwrap();
    let mut buffer = vec![0; 30_000];
    let mut ring = IoUring::new(4).unwrap();
    let report = count(&with_room(), || {
        let read = opcode::Read::new(Fd(file.as_raw_fd()), buffer.as_mut_ptr(), 30_000);
        // SAFETY: the file and the buffer are there until it is completed, below.
        unsafe { ring.submission().push(&read.build().flags(Flags::ASYNC)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        assert_eq!(ring.completion().next().unwrap().result(), 30_000);
    });
    let worker = flow(&report, "(kernel worker)", "", "");
    assert_eq!(worker.copied.kernel_to_user, Some(30_000));
    assert_eq!(report.processes.len(), 1, "{:?}", report.processes);
}

#[test]
fn threads_are_told_apart_and_their_sums_are_the_process() {
    const THREADS: u64 = 4;
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 10_000]).unwrap();
    let file = File::open(&path).unwrap();
    // By name: those of other tests, and the kernel's workers of theirs, end when they like.
    let no_readers = || {
        let threads = fs::read_dir("/proc/self/task").unwrap();
        let mut names = threads.flat_map(|thread| fs::read(thread.unwrap().path().join("comm")));
        !names.any(|name| name.starts_with(b"reader "))
    };
    let report = count(&with_room(), || {
        thread::scope(|scope| {
            for n in 1..=THREADS {
                let file = &file;
                let read = move || {
                    for _ in 0..n {
                        pread(file, &mut [0; 1000], 0).unwrap();
                    }
                };
                thread::Builder::new()
                    .name(format!("reader {n}"))
                    .spawn_scoped(scope, read)
                    .unwrap();
            }
        });
        // A thread exits after it is waited for: what it does then is not the next run's.
        wait_for("end of the readers", || no_readers().then_some(()));
    });
    let process = &report.processes[0];
    for n in 1..=THREADS {
        let name = format!("reader {n}");
        let thread = process.threads.iter().find(|thread| thread.name == name).unwrap();
        let read = thread.flows.iter().find(|flow| flow.call == "pread64").unwrap();
        assert_eq!((read.calls, read.bytes), (n, Some(n * 1000)));
    }
    let all = process.flows.iter().find(|flow| flow.call == "pread64").unwrap();
    assert_eq!(all.bytes, Some(10_000));
}

#[test]
fn what_a_full_table_has_no_room_for_is_known_to_be_missing() {
    let options =
        Options { breakdown: Some(Breakdown { cells: 3, threads: 64 }), ..Options::default() };
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 1000]).unwrap();
    let report = count(&options, || {
        let file = File::open(&path).unwrap();
        pread(&file, &mut [0; 1000], 0).unwrap();
        drop(file);
        fs::metadata(&path).unwrap();
    });
    assert!(!report.complete);
    assert!(report.completeness.lost.unlisted_counts > 0);
    let problems = report.completeness.problems.join("; ");
    assert!(problems.contains("missing by thread"), "{problems}");
}
