//! Commands that zc starts.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    child::{self, THREADS},
    skip::needs,
    support::{boundary, list, named, number, report, trace, tracepoints},
};

/// A file of 20 000 bytes in a folder, and the path of another.
fn files() -> (tempfile::TempDir, [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let paths = ["from", "to"].map(path);
    fs::write(&paths[0], [7; 20_000]).unwrap();
    (folder, paths)
}

/// A shell's script that copies the first to the second in pieces of 1 000 bytes, in a child.
fn copies([from, to]: &[String; 2]) -> String {
    format!("dd if={from} of={to} bs=1000 2> /dev/null; exit 3")
}

#[test]
fn children_and_programs_are_followed() {
    needs!(tracepoints());
    let (_folder, paths) = files();
    let report = trace(&["--", "sh", "-c", &copies(&paths)]);
    assert_eq!(fs::read(&paths[1]).unwrap(), [7; 20_000]);
    assert_eq!(report["run"]["exit_status"], 3);
    assert_eq!(report["total"]["tasks"], json!({ "forks": 1, "execs": 2, "exits": 2 }));
    assert_eq!(list(&report["processes"]).len(), 2);
    let [shell, dd] = ["sh", "dd"].map(|name| named(&report["processes"], "name", name));
    // The program that a process ends as gives the name; all that it did is its own.
    assert_eq!(shell["total"]["tasks"], json!({ "forks": 1, "execs": 1, "exits": 1 }));
    assert_eq!(dd["total"]["tasks"], json!({ "forks": 0, "execs": 1, "exits": 1 }));
    let written = |of: &Value| -> Vec<_> {
        let to_file = |flow: &&Value| flow["call"] == "write" && flow["sink"] == "regular file";
        let flows = list(&of["flows"]).iter().filter(to_file);
        flows.map(|flow| [&flow["calls"], &flow["bytes"]].map(number)).collect()
    };
    assert_eq!(written(dd), [[20, 20_000]]);
    assert_eq!(written(shell), [[0; 2]; 0]);
    for key in ["syscalls", "mode_switches", "moved_bytes"] {
        assert_eq!(
            number(&report["total"][key]),
            number(&shell["total"][key]) + number(&dd["total"][key]),
            "{key}"
        );
    }
}

#[test]
fn children_are_left_out_on_request() {
    needs!(tracepoints());
    let (_folder, paths) = files();
    let report = trace(&["--no-follow", "--", "sh", "-c", &copies(&paths)]);
    assert_eq!(fs::read(&paths[1]).unwrap(), [7; 20_000]);
    assert_eq!(report["total"]["tasks"], json!({ "forks": 1, "execs": 1, "exits": 1 }));
    let [shell] = list(&report["processes"]) else { panic!("{:#}", report["processes"]) };
    assert_eq!(shell["name"], "sh");
}

#[test]
fn a_command_has_its_streams_and_its_exit_status() {
    needs!(tracepoints());
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut command = boundary("trace");
    command.args(["--json", "--exit-status", "--output"]).arg(report.path());
    let output =
        command.args(["--", "sh", "-c", "echo out; echo err >&2; exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
    let report: Value = serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap();
    let written: Vec<_> = list(&report["flows"])
        .iter()
        .filter(|flow| flow["call"] == "write")
        .map(|flow| (&flow["sink"], number(&flow["calls"]), number(&flow["bytes"])))
        .collect();
    assert_eq!(written, [(&json!("pipe"), 2, 8)]);
}

/// Without a terminal whose Ctrl-C both of them get, zc hands it on.
#[test]
fn an_interrupt_ends_the_command_and_is_followed_by_the_report() {
    needs!(tracepoints());
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut command = boundary("trace");
    command.args(["--json", "--output"]).arg(report.path());
    command.args(["--", "sh", "-c", "echo $$; exec sleep 1000"]);
    let mut zc = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(zc.stdout.as_mut().unwrap()).read_line(&mut pid).unwrap();
    kill_process(Pid::from_child(&zc), Signal::INT).unwrap();
    assert_eq!(zc.wait().unwrap().code(), Some(0));
    let report: Value = serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap();
    assert_eq!(report["run"]["ended"], "interrupted");
    assert_eq!(report["run"]["exit_status"], 128 + 2);
    assert_eq!(report["processes"][0]["pid"].to_string(), pid.trim());
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn each_thread_has_its_own_counts() {
    needs!(tracepoints());
    let (_folder, [path, _]) = files();
    let mut command = boundary("trace");
    command.args(["--json", "--threads"]).stdout(Stdio::piped());
    let said = tempfile::NamedTempFile::new().unwrap();
    command.arg("--output").arg(said.path());
    child::reading(&mut command, path.as_ref());
    let mut output = command.output().unwrap();
    output.stdout = fs::read(said.path()).unwrap();
    let report = report(&output);
    assert_eq!(report["run"]["exit_status"], 0);
    let [process] = list(&report["processes"]) else { panic!("{:#}", report["processes"]) };
    let mut total = 0;
    for n in 1..=THREADS {
        let thread = named(&process["threads"], "name", &child::name(n));
        let flow = named(&thread["flows"], "call", "pread64");
        let expected = (&json!(n), &json!(n * n * 100), &json!("regular file"));
        assert_eq!((&flow["calls"], &flow["bytes"], &flow["source"]), expected);
        total += number(&thread["total"]["syscalls"]);
        assert!(thread["tid"] != process["pid"]);
    }
    let others = list(&process["threads"])
        .iter()
        .filter(|thread| !(1..=THREADS).any(|n| thread["name"] == child::name(n)));
    total += others.map(|thread| number(&thread["total"]["syscalls"])).sum::<u64>();
    assert_eq!(process["total"]["syscalls"], total);
}
