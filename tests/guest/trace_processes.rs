//! `zc trace -p`: processes that run already.

use std::{
    fs::{self, File},
    process::{Command, id},
    sync::mpsc::channel,
    thread,
};

use rustix::{
    io::pread,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
    thread::gettid,
};

use crate::{
    following::stopped_shell,
    support::{nothing_left_behind, run, scratch, status, stderr, stdout},
    tracing::{Traced, Tracer, flows, unskipped},
};

/// Traces this process while two of its threads, and a shell, each started before zc, read; and a
/// program that is started later.
fn trace_itself() -> Traced {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 10_000]).unwrap();
    let file = File::open(&path).unwrap();
    let dd = format!("dd if={0} of={0}.out bs=1000 status=none", path.display());
    let mut shell = stopped_shell(&format!("exec {dd} count=3"));
    thread::scope(|scope| {
        let readers = [1, 2].map(|n| {
            let (go, wait) = channel();
            let file = &file;
            let read = move || {
                // Nobody sends anything; where zc does not start, the readers end all the same.
                let _gone = wait.recv() as Result<(), _>;
                (0..n).for_each(|_| assert_eq!(pread(file, &mut [0; 1000], 0).unwrap(), 1000));
            };
            let named = thread::Builder::new().name(format!("reader {n}"));
            (go, named.spawn_scoped(scope, read).unwrap())
        });
        let tracer = Tracer::start(&["--json", "--threads", "-p", &id().to_string()]);
        for (go, reader) in readers {
            drop(go);
            reader.join().unwrap();
        }
        kill_process(Pid::from_child(&shell), Signal::CONT).unwrap();
        assert!(shell.wait().unwrap().success());
        let mut words = dd.split(' ');
        let mut later = Command::new(words.next().unwrap());
        assert!(later.args(words).arg("count=4").status().unwrap().success());
        Traced::of(tracer.interrupt())
    })
}

#[test]
fn trace_finds_threads_and_children_that_were_there_before() {
    let traced = unskipped(trace_itself);
    traced.expect_complete();
    let report = &traced.report;
    assert_eq!(report.ended(), "interrupted");
    assert_eq!(stderr(&traced.output), "", "but for the line that it counts");
    // zc is this process's child too.
    assert_eq!(report.names(), ["dd", "dd", "zc-tests"]);
    let own = report.process("zc-tests");
    assert_eq!(own["pid"], id());
    let read = |n: u64| {
        let bytes = n * 1000;
        format!(
            "{n} pread64: regular file → memory, {bytes} bytes, KU {bytes}, one copy by filemap_read"
        )
    };
    let in_all: Vec<_> = flows(own).into_iter().filter(|line| line.contains("pread64")).collect();
    assert_eq!(in_all, [read(3)]);
    let threads = own["threads"].as_array().unwrap();
    for n in [1, 2] {
        let name = format!("reader {n}");
        let thread = threads.iter().find(|thread| thread["name"] == *name).unwrap();
        assert_eq!(flows(thread), [read(n)]);
    }
    let mut children: Vec<_> =
        report.processes("dd").iter().map(|process| flows(process)).collect();
    children.sort_unstable();
    let expected = [3, 4].map(|n| {
        vec![
            read(n).replace("pread64", "read"),
            format!(
                "{n} write: memory → regular file, {n}000 bytes, UK {n}000, one copy by generic_perform_write"
            ),
        ]
    });
    assert_eq!(children, expected);
}

/// Waits until a child has stopped itself, or ended.
pub(crate) fn wait_until_stopped(child: Pid) {
    waitid(WaitId::Pid(child), WaitIdOptions::STOPPED).unwrap();
}

/// Traces two shells by themselves, one of which is killed.
fn trace_two() -> Traced {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 10_000]).unwrap();
    let dd = format!("dd if={0} of={0}.out bs=1000 status=none", path.display());
    let out = folder.path().join("out");
    let out = out.display();
    let mut killed = stopped_shell(&format!("echo 12345 > {out}.a; {dd}; kill -STOP $$"));
    let mut ends = stopped_shell(&format!("{dd}; echo 123 > {out}.b"));
    let [first, second] = [&killed, &ends].map(Pid::from_child);
    let pids = format!("{},{}", killed.id(), ends.id());
    let tracer = Tracer::start(&["--json", "--no-follow", "-p", &pids]);
    for shell in [first, second] {
        kill_process(shell, Signal::CONT).unwrap();
    }
    wait_until_stopped(first);
    kill_process(first, Signal::KILL).unwrap();
    let traced = Traced::of(tracer.wait());
    assert!(!killed.wait().unwrap().success());
    assert!(ends.wait().unwrap().success());
    let name = format!("process {} (sh), {} (sh)", killed.id(), ends.id());
    assert_eq!(traced.report.0["run"]["target"], name);
    traced
}

#[test]
fn trace_ends_with_its_targets_though_one_is_killed_and_leaves_children_out_if_told() {
    let traced = unskipped(trace_two);
    traced.expect_complete();
    assert_eq!(traced.report.ended(), "every traced process has ended");
    let mut shells: Vec<_> =
        traced.report.processes("sh").iter().map(|process| flows(process)).collect();
    shells.sort_unstable();
    let write = |bytes| {
        vec![format!(
            "1 write: memory → regular file, {bytes} bytes, UK {bytes}, one copy by generic_perform_write"
        )]
    };
    assert_eq!(shells, [write(4), write(6)]);
    assert_eq!(traced.report.names(), ["sh", "sh"]);
}

#[test]
fn trace_names_what_is_no_process() {
    let thread = thread::spawn(gettid).join().unwrap().as_raw_nonzero();
    // It has ended, and its id is nobody's for long.
    for (pids, says) in [
        (thread.to_string(), format!("no process {thread}")),
        ("1,999999".into(), "no process 999999".into()),
        ("2".into(), "process 2 (kthreadd) is a thread of the kernel".into()),
        ("1,1".into(), "process 1 is given twice".into()),
        ("0".into(), "process ids start at 1".into()),
        ("-7".into(), "process ids start at 1".into()),
        ("x".into(), "not a process id".into()),
        ("99999999999".into(), "no process id is that large".into()),
    ] {
        let output = run(&["trace", "-p", &pids]);
        assert_refused(&output, &says);
    }
    let own = Command::new("/bin/sh").args(["-c", "exec zc trace -p $$"]).output().unwrap();
    assert_refused(&own, "is zc itself");
    let (send, receive) = channel();
    thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        scope.spawn(move || {
            send.send(gettid().as_raw_nonzero()).unwrap();
            let _gone = wait.recv();
        });
        let tid = receive.recv().unwrap();
        let output = run(&["trace", "-p", &tid.to_string()]);
        drop(done);
        let says = format!("{tid} is a thread of process {} (zc-tests): give {}", id(), id());
        assert_refused(&output, &says);
    });
}

/// One clear line, and the status of a wrong command line.
#[track_caller]
pub(crate) fn assert_refused(output: &std::process::Output, says: &str) {
    let said = stderr(output);
    assert_eq!((status(output), said.lines().count()), (64, 1), "{said}");
    assert!(said.starts_with("zc: ") && said.contains(says), "no {says:?} in {said}");
    assert_eq!(stdout(output), "");
    nothing_left_behind();
}
