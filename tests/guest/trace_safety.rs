//! `zc trace` where somebody kills it, and without root.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rustix::process::{Signal, kill_process};

use crate::{
    support::{nothing_left_behind, scratch, status, stderr, stdout, wait_for},
    tracing::{Report, flows, trace},
    unskipped::LongSlices,
    user::{Privilege, as_user},
};

fn content(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    (!text.is_empty()).then_some(text)
}

#[test]
fn trace_that_is_killed_leaves_nothing_and_its_command_goes_on() {
    let folder = scratch();
    let script = "cd $0; echo $$ > started; until [ -e go ]; do sleep 0.1; done; echo $$ > done";
    let mut zc = trace(&["--", "sh", "-c", script]).arg(folder.path()).spawn().unwrap();
    let pid = wait_for("command", || content(folder.path(), "started"));
    kill_process(rustix::process::Pid::from_child(&zc), Signal::KILL).unwrap();
    zc.wait().unwrap();
    nothing_left_behind();
    fs::write(folder.path().join("go"), "").unwrap();
    let done = wait_for("end of the command", || content(folder.path(), "done"));
    assert_eq!(done, pid);
}

#[test]
fn trace_needs_two_capabilities_which_its_command_does_not_get() {
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let report = folder.path().join("report");
    let script = "grep Cap /proc/self/status; id -u; echo 12345 > $0/out";
    let traced = |privilege| {
        let mut command = as_user(trace(&["--json", "-o"]), privilege);
        command.arg(&report).args(["--", "sh", "-c", script]).arg(folder.path());
        let output = command.output().unwrap();
        nothing_left_behind();
        output
    };
    let refused = traced(Privilege::None);
    let said = stderr(&refused);
    assert_eq!((status(&refused), said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("CAP_BPF and CAP_PERFMON"), "{said}");
    assert_eq!(stdout(&refused), "", "nothing of the command has run");
    assert!(!folder.path().join("out").exists() && !report.exists());

    let _slices = LongSlices::set();
    let output = traced(Privilege::Tracing);
    let said = stdout(&output);
    let lines: Vec<_> = said.lines().collect();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(lines.contains(&&*format!("{set}:\t0000000000000000")), "{said}");
    }
    assert_eq!(lines.last(), Some(&"1000"), "{said}");
    let report = Report::parse(&fs::read_to_string(&report).unwrap(), &stderr(&output));
    assert_eq!(status(&output), if report.skipped() { 2 } else { 0 }, "{}", report.problems());
    if report.skipped() {
        return;
    }
    let write = "1 write: memory → regular file, 6 bytes, UK 6, one copy by generic_perform_write";
    let of_shell = flows(report.process("sh"));
    assert!(of_shell.iter().any(|flow| flow == write), "{of_shell:?}");
}
