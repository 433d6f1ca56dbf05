//! `zc trace` of processes that nobody gives by id: by name, by control group, all.
//!
//! The processes have a name that is made to do harm: it must reach no output as it is.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    needs::needs,
    support::{nothing_left_behind, scratch, status, stdout},
    trace_processes::wait_until_stopped,
    tracing::{Report, Traced, Tracer, flows, number, unskipped},
};

/// Fifteen bytes at most, which the kernel keeps.
pub(crate) const HOSTILE: &[u8] = b"=\x1b[31m\n\"\xff,&<%";

/// How it is shown.
const SHOWN: &str = "=\\u{1b}[31m\\u{a}\"\u{fffd},&<%";

/// A program of this name, which is busybox.
fn hostile(folder: &Path) -> PathBuf {
    let program = folder.join(OsStr::from_bytes(HOSTILE));
    symlink("/bin/busybox", &program).unwrap();
    program
}

/// A shell in `program`, which has stopped itself. `$0` is `argument`.
fn stopped(program: &Path, script: &str, argument: &Path) -> Child {
    let mut shell = Command::new(program);
    shell.arg0("sh").args(["-c", script]).arg(argument);
    let shell = shell.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until_stopped(pid(&shell));
    shell
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn go_on(child: &Child) {
    kill_process(pid(child), Signal::CONT).unwrap();
}

/// Traces a process that has the name already, two that take it, and a stranger.
fn trace_by_name() -> Traced {
    let folder = scratch();
    let program = hostile(folder.path());
    let out = folder.path().join("out");
    let out = out.display();
    let rename: String = HOSTILE.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let sh = Path::new("/bin/sh");
    let stop = "kill -STOP $$; echo";
    let mut children = [
        stopped(&program, &format!("{stop} 12345 > {out}"), &program),
        stopped(
            sh,
            &format!("{stop} 1 > {out}; printf '{rename}' > /proc/$$/comm; echo 22 > {out}"),
            &program,
        ),
        // busybox has no applet of that name, says so, and ends.
        stopped(sh, &format!("{stop} 333 > {out}; exec \"$0\""), &program),
    ];
    let arguments = ["--json", "--comm"].map(OsStr::new);
    let tracer = Tracer::start(&[&arguments[..], &[OsStr::from_bytes(HOSTILE)]].concat());
    for child in &mut children {
        go_on(child);
        child.wait().unwrap();
    }
    assert!(Command::new("/bin/true").status().unwrap().success());
    Traced::of(tracer.interrupt())
}

#[test]
fn trace_by_name_finds_who_has_it_and_who_takes_it_whatever_is_in_it() {
    let traced = unskipped(trace_by_name);
    traced.expect_complete();
    let name = String::from_utf8_lossy(HOSTILE);
    let report = &traced.report;
    assert_eq!(report.names(), [&*name; 3]);
    let calls = |process: &Value, name| {
        let calls = process["syscalls"].as_array().unwrap();
        calls.iter().filter(|call| call["name"] == name).map(|call| number(&call["calls"])).sum()
    };
    let mut seen: Vec<(u64, Vec<String>)> = report
        .processes(&name)
        .iter()
        .map(|process| (calls(process, "execve"), flows(process)))
        .collect();
    seen.sort_unstable();
    let write = |bytes| {
        format!(
            "1 write: memory → regular file, {bytes} bytes, UK {bytes}, one copy by generic_perform_write"
        )
    };
    assert_eq!(seen[0], (0, vec![write(6)]));
    // The write of 13 bytes to /proc that gave it the name is its first, and what /proc takes passes no
    // site.
    let renamed = "2 write: memory → regular file, 16 bytes, UK not observed, KU not observed, \
                   KK not observed, not observed";
    assert_eq!(seen[1], (0, vec![renamed.to_owned()]));
    assert_eq!(seen[2].0, 1);
}

/// Moves a process into a control group.
fn put(child: &Child, group: &Path) {
    fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
}

/// Removes a control group and the one above it.
fn remove(group: &Path) {
    fs::remove_dir(group).unwrap();
    fs::remove_dir(group.parent().unwrap()).unwrap();
}

#[test]
fn trace_counts_what_a_process_does_inside_a_control_group() {
    let root = Path::new("/sys/fs/cgroup");
    let group = root.join("outer/inner");
    fs::create_dir_all(&group).unwrap();
    let folder = scratch();
    let program = hostile(folder.path());
    let script = format!(
        "cd {}; kill -STOP $$; echo 1 > a; kill -STOP $$; echo 22 > a; kill -STOP $$; echo 333 > a",
        folder.path().display()
    );
    let mut text = String::new();
    // The kernel may skip a program; then all is done once more.
    for _ in 0..8 {
        let mut child = stopped(&program, &script, &program);
        let tracer = match Tracer::try_start(&["--threads", "--cgroup", "outer"]) {
            Ok(tracer) => tracer,
            Err(said) => {
                child.kill().unwrap();
                child.wait().unwrap();
                remove(&group);
                nothing_left_behind();
                assert_eq!(said.lines().count(), 1, "{said}");
                assert!(said.contains("does not tell probes who is in a control group"), "{said}");
                needs!(Err::<(), _>(said));
                return;
            }
        };
        for place in [None, Some(&*group), Some(root)] {
            if let Some(place) = place {
                put(&child, place);
            }
            go_on(&child);
            if place != Some(root) {
                wait_until_stopped(pid(&child));
            }
        }
        assert!(child.wait().unwrap().success());
        let output = tracer.interrupt();
        text = stdout(&output);
        if status(&output) == 0 {
            break;
        }
        assert!(text.contains("lost to nested probes"), "{text}");
    }
    remove(&group);
    assert!(text.contains("control group /sys/fs/cgroup/outer: "), "{text}");
    let rows: Vec<_> = text.lines().filter(|line| line.contains('→')).collect();
    assert_eq!(rows.len(), 1, "{text}");
    let words: Vec<_> = rows[0].split_whitespace().collect();
    let expected = "write: memory → regular file 1 3 UK 3 1 one copy generic_perform_write";
    assert_eq!(words.join(" "), expected);
    assert!(text.contains(SHOWN), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

const STORM: u64 = 300;

/// A shell that starts many short-lived programs, each of which reads 1000 bytes of `file`.
fn storm(file: &Path, programs: u64) -> Child {
    let script = format!(
        "kill -STOP $$; i=0; while [ $i -lt {programs} ]; do \
         /bin/dd if={0} of={0}.out bs=1000 count=1 status=none; i=$((i+1)); done",
        file.display()
    );
    stopped(Path::new("/bin/sh"), &script, file)
}

/// Runs `cat` of a file, as process `pid`.
fn as_process(pid: u32, file: &Path) {
    fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
    let mut child = Command::new("/bin/cat").arg(file).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(child.id(), pid, "the number is used again");
    assert!(child.wait().unwrap().success());
}

fn trace_everyone() -> (Traced, u32) {
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, vec![1; 1000]).unwrap();
    let mut shell = storm(&file, STORM);
    let tracer = Tracer::start(&["--all", "--json"]);
    go_on(&shell);
    assert!(shell.wait().unwrap().success());
    let pid = shell.id() + 2 * u32::try_from(STORM).unwrap();
    as_process(pid, &file);
    as_process(pid, &file);
    (Traced::of(tracer.interrupt()), pid)
}

#[test]
fn trace_lists_each_of_many_short_lived_processes_and_not_itself() {
    let (traced, used) = trace_everyone();
    let report = &traced.report;
    // Among so many, a kernel that preempts skips a program each time: it is said, and all are listed.
    let skipped = report.skipped();
    assert_eq!(status(&traced.output), if skipped { 2 } else { 0 }, "{}", report.problems());
    let programs = report.processes("dd");
    assert_eq!(programs.len() as u64, STORM);
    for program in programs.iter().filter(|_| !skipped) {
        assert_eq!(
            flows(program),
            [
                "1 read: regular file → memory, 1000 bytes, KU 1000, one copy by filemap_read",
                "1 write: memory → regular file, 1000 bytes, UK 1000, one copy by generic_perform_write",
            ]
        );
    }
    let mut ids: Vec<_> = programs.iter().map(|program| number(&program["pid"])).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, STORM);
    assert!(report.processes("zc").is_empty());
    // Two processes had the same id, one after the other.
    let twice = report.processes("cat");
    let pids: Vec<_> = twice.iter().map(|process| number(&process["pid"])).collect();
    assert_eq!(pids, [u64::from(used); 2]);
}

/// Where the table is too small, the sums of all are still those of all, and what only the table
/// could tell is absent.
#[test]
fn trace_of_more_threads_than_it_has_room_for_knows_what_it_does_not_know() {
    const PROGRAMS: u64 = 60;
    let trace = || {
        let folder = scratch();
        let file = folder.path().join("file");
        fs::write(&file, vec![1; 1000]).unwrap();
        let mut shell = storm(&file, PROGRAMS);
        let pid = shell.id().to_string();
        let tracer = Tracer::start(&["--json", "--max-threads", "16", "-p", &pid]);
        go_on(&shell);
        assert!(shell.wait().unwrap().success());
        Traced::of(tracer.wait())
    };
    let Traced { output, report } = trace();
    let skipped = report.skipped();
    assert_eq!(status(&output), 2);
    let Report(report) = &report;
    assert_eq!(report["complete"], false);
    assert!(number(&report["completeness"]["lost"]["unlisted_counts"]) > 0);
    let total = &report["total"];
    if !skipped {
        assert_eq!(total["copied"]["kernel_to_user"], PROGRAMS * 1000, "{total}");
        assert_eq!(total["tasks"]["execs"], PROGRAMS);
        assert_eq!(total["tasks"]["exits"], PROGRAMS + 1);
    }
    for absent in ["moved_bytes", "copies_per_byte", "copies_per_byte_bounds", "coverage"] {
        assert_eq!(total[absent], Value::Null, "{absent}");
    }
    let listed = report["processes"].as_array().unwrap().len() as u64;
    assert!((2..PROGRAMS).contains(&listed), "{listed}");
}

#[test]
fn trace_by_name_has_the_new_name_of_whom_something_interrupts_as_it_takes_it() {
    const CHILDREN: usize = 400;
    let (_until_dropped, dropped) = mpsc::channel::<()>();
    // A timer interrupt and two context switches as often as can be.
    thread::spawn(move || {
        while dropped.recv_timeout(Duration::from_micros(1)) == Err(RecvTimeoutError::Timeout) {}
    });
    let tracer = Tracer::start(&["--json", "--comm", "wanted"].map(OsStr::new));
    let child = "sh -c 'printf wanted > /proc/$$/comm'";
    let script = format!("for n in $(seq {CHILDREN}); do {child}; done");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    let report = Traced::of(tracer.interrupt()).report;
    let names = report.names();
    let wrong: Vec<_> = names.iter().filter(|name| **name != "wanted").collect();
    assert_eq!((names.len(), wrong), (CHILDREN, vec![]));
}
