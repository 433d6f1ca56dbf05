//! `zc trace` inside a PID namespace, and from outside of one.

use std::{fs, path::Path, process::Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    support::{nothing_left_behind, processes, scratch, stderr, wait_for},
    tracing::{Report, TRIES, Traced, Tracer, flows, number, unskipped},
    unskipped::until_unskipped,
};

/// Runs a script in a PID namespace of its own, with its own /proc; `$0` is `argument`.
fn unshared(script: &str, argument: &Path) -> Command {
    let mut command = Command::new("/bin/busybox");
    command.args(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script]).arg(argument);
    command
}

/// Stops itself, then writes five bytes and a line feed.
const SUBJECT: &str = "sh -c 'kill -STOP $$; echo 12345 > $0/out' $0";

const WRITES: &str =
    "1 write: memory → regular file, 6 bytes, UK 6, one copy by generic_perform_write";

fn is_stopped(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("\nState:\tT")
}

#[test]
fn trace_finds_a_process_inside_a_namespace_by_its_outer_id() {
    let traced = unskipped(|| {
        let folder = scratch();
        let mut outside = unshared(&format!("{SUBJECT} & wait"), folder.path()).spawn().unwrap();
        let script = "kill -STOP $$; echo 12345 > $0/out";
        let subject = wait_for("subject", || {
            let found = processes(&["sh", "-c", script]);
            found.into_iter().find(|pid| is_stopped(*pid))
        });
        let tracer = Tracer::start(&["--json", "-p", &subject.to_string()]);
        kill_process(Pid::from_raw(subject).unwrap(), Signal::CONT).unwrap();
        let traced = Traced::of(tracer.wait());
        assert!(outside.wait().unwrap().success());
        assert_eq!(traced.report.0["processes"][0]["pid"], subject);
        traced
    });
    traced.expect_complete();
    assert_eq!(traced.report.ended(), "every traced process has ended");
    assert_eq!(flows(traced.report.process("sh")), [WRITES]);
}

/// Traces a process and a command inside: what zc says on stderr, and its two reports with the ids
/// that each of the two has inside.
fn trace_inside() -> [(Report, u64); 2] {
    let folder = scratch();
    let script = format!(
        "cd $0; : > said; {SUBJECT} & echo $! > there; \
         until grep -q '^State:.T' /proc/$!/status; do sleep 0.1; done; \
         (until grep -q tracing said; do sleep 0.1; done; kill -CONT $!) & \
         zc trace --json -o there.json -p $(cat there) 2> said; \
         zc trace --json -o command.json -- sh -c 'echo $$ > command; echo 12345 > out' 2>> said"
    );
    // Its exit status is that of the second, which fails if the kernel skips a program in it.
    unshared(&script, folder.path()).status().unwrap();
    nothing_left_behind();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let said = read("said");
    assert_eq!(said, "zc: tracing; Ctrl-C ends it\n");
    ["there", "command"].map(|name| {
        let report = Report::parse(&read(&format!("{name}.json")), &said);
        (report, read(name).trim().parse().unwrap())
    })
}

#[test]
fn trace_inside_a_namespace_takes_and_gives_the_ids_of_that_one() {
    let [there, command] = until_unskipped(TRIES, trace_inside, |both| {
        both.iter().find_map(|(report, _)| report.skips())
    });
    for (report, pid) in [&there, &command] {
        assert_eq!(report.0["complete"], true, "{}", report.problems());
        let process = report.process("sh");
        assert_eq!(number(&process["pid"]), *pid);
    }
    assert_eq!(flows(there.0.process("sh")), [WRITES]);
    assert_eq!(command.0.ended(), "the command ended, exit status 0");
}

#[test]
fn trace_inside_a_namespace_does_not_find_who_is_outside() {
    let folder = scratch();
    let script = format!("exec zc trace -p {}", std::process::id());
    let output = unshared(&script, folder.path()).output().unwrap();
    nothing_left_behind();
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("another PID namespace"), "{said}");
}
