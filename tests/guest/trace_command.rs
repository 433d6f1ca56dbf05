//! `zc trace -- COMMAND`: a program from its first instruction to its exit status.

use std::{
    collections::BTreeMap, fs, io::Write, os::unix::fs::PermissionsExt, path::Path, process::Stdio,
    sync::OnceLock,
};

use serde_json::Value;

use crate::{
    support::{nothing_left_behind, scratch, status, stderr, stdout},
    trace_processes::assert_refused,
    tracing::{Report, Traced, flows, number, trace, unskipped, unskipped_text},
};

/// Reads, passes through a pipe, writes; copies by `sendfile`; says who and where it is.
const SCRIPT: &str = "\
/bin/id -u; /bin/cat; cd $0; \
/bin/dd if=in bs=100000 status=none | /bin/dd bs=100000 iflag=fullblock of=out status=none; \
/bin/cp in copy; exit 7";

/// Settings of the kernel, but for what only tells a state or changes with each look.
fn settings() -> BTreeMap<String, Vec<u8>> {
    const STATES: [&str; 8] = [
        "/kernel/random/",
        "/kernel/ns_last_pid",
        "/fs/dentry-state",
        "/fs/file-nr",
        "/fs/inode-",
        "/fs/aio-nr",
        "/kernel/pty/nr",
        "/kernel/tainted",
    ];
    let mut settings = BTreeMap::new();
    let mut folders = vec![Path::new("/proc/sys").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if !STATES.iter().any(|state| name.contains(state)) {
                // Some can only be written.
                settings.insert(name, fs::read(path).unwrap_or_default());
            }
        }
    }
    settings
}

/// One run for all tests that look at it, by a user who called `sudo`: what it printed, its report,
/// and the settings before and after.
fn pipeline() -> &'static Traced {
    static RUN: OnceLock<Traced> = OnceLock::new();
    RUN.get_or_init(|| unskipped(run_pipeline))
}

fn run_pipeline() -> Traced {
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(folder.path().join("in"), vec![1; 1_000_000]).unwrap();
    let report = folder.path().join("report");
    let mut command = trace(&["--json", "--exit-status", "--output"]);
    command.arg(&report).args(["--", "sh", "-c", SCRIPT]).arg(folder.path());
    command.env("SUDO_UID", "1000").env("SUDO_GID", "1000").stdin(Stdio::piped());
    let before = settings();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from stdin\n").unwrap();
    let output = child.wait_with_output().unwrap();
    nothing_left_behind();
    assert!(before == settings(), "a setting of the kernel has changed");
    let text = fs::read_to_string(&report).unwrap();
    for name in ["out", "copy"] {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), vec![1; 1_000_000], "{name}");
    }
    let report = Report::parse(&text, &stderr(&output));
    Traced { output, report }
}

#[test]
fn trace_runs_a_command_as_who_called_sudo_with_its_streams_and_exit_status() {
    let Traced { output, report } = pipeline();
    assert_eq!(status(output), 7);
    assert_eq!(stdout(output), "1000\nfrom stdin\n");
    assert_eq!(stderr(output), "");
    assert_eq!(report.ended(), "the command ended, exit status 7");
    assert_eq!(report.0["run"]["exit_status"], 7);
    assert_eq!(report.0["complete"], true, "{}", report.problems());
}

/// The flows of a process. Into how many pieces a pipe parts what goes through it depends on who runs
/// when: how many calls there were is left out.
fn ways(process: &Value) -> Vec<String> {
    let without_calls = |flow: String| flow.split_once(' ').map(|(_, way)| way.to_owned()).unwrap();
    let mut ways: Vec<_> = flows(process).into_iter().map(without_calls).collect();
    ways.sort_unstable();
    ways
}

#[test]
fn trace_tells_which_way_each_byte_of_a_pipeline_went() {
    let report = &pipeline().report;
    assert_eq!(report.names(), ["cat", "cp", "dd", "dd", "id", "sh"]);
    let flows_of = |name| {
        let mut all: Vec<_> = report.processes(name).iter().map(|process| ways(process)).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(
        flows_of("dd"),
        [
            vec![
                "read: pipe → memory, 1000000 bytes, KU 1000000, one copy by anon_pipe_read",
                "write: memory → regular file, 1000000 bytes, UK 1000000, one copy by generic_perform_write",
            ],
            vec![
                "read: regular file → memory, 1000000 bytes, KU 1000000, one copy by filemap_read",
                "write: memory → pipe, 1000000 bytes, UK 1000000, one copy by anon_pipe_write",
            ],
        ]
    );
    assert_eq!(
        flows_of("cp"),
        [[
            "sendfile: regular file → regular file, 1000000 bytes, KK 1000000, one copy by generic_perform_write"
        ]]
    );
    assert_eq!(
        flows_of("cat"),
        [[
            "read: pipe → memory, 11 bytes, KU 11, one copy by anon_pipe_read",
            "write: memory → pipe, 11 bytes, UK 11, one copy by anon_pipe_write",
        ]]
    );
}

#[test]
fn trace_counts_a_command_from_its_execve_on() {
    let report = &pipeline().report;
    let shell = report.process("sh");
    let calls = shell["syscalls"].as_array().unwrap();
    let of = |name: &str| calls.iter().find(|call| call["name"] == name);
    // Its own; each program's is that program's.
    assert_eq!(number(&of("execve").unwrap()["calls"]), 1);
    assert_eq!(shell["total"]["tasks"]["execs"], 1);
    // What zc's helper does before: it asks for its capabilities and becomes the user.
    for name in ["capget", "capset", "setgroups", "setresuid"] {
        assert!(of(name).is_none(), "{name}");
    }
    assert_eq!(number(&report.0["total"]["tasks"]["execs"]), 6);
    assert_eq!(number(&report.0["total"]["tasks"]["exits"]), 6);
}

#[test]
fn trace_shows_a_killed_command_in_plain_text() {
    let folder = scratch();
    let path = folder.path().join("in");
    fs::write(&path, vec![1; 10_000]).unwrap();
    let script = format!(
        "id -u >&2; dd if={0} of={0}.out bs=5000 count=1 status=none; kill -9 $$",
        path.display()
    );
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let arguments = ["--exit-status", "--user", "nobody", "--top", "1", "--", "sh", "-c", &script];
    let output = unskipped_text(|| trace(&arguments).output().unwrap());
    assert_eq!(status(&output), 128 + 9);
    assert_eq!(stderr(&output), "65534\n");
    let text = stdout(&output);
    assert!(text.contains(" s, the command was killed by signal 9\n"), "{text}");
    assert!(text.contains(" more flows (--top, --min-bytes)\n"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    let rows: Vec<_> = text.lines().filter(|line| line.contains('→')).collect();
    assert_eq!(rows.len(), 1, "{text}");
}

#[test]
fn trace_names_a_command_that_is_not_there() {
    let output = trace(&["--", "no\x1bsuch"]).output().unwrap();
    assert_refused(&output, "cannot run no\\u{1b}such: No such file or directory");
    let output = trace(&["--user", "nosuch", "--", "true"]).output().unwrap();
    assert_refused(&output, "no user nosuch");
    let output = trace(&["--", ""]).output().unwrap();
    assert_refused(&output, "the command has no name");
}
