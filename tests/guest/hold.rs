//! `zc worker hold`, which the benchmark measures.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    following::stopped_shell,
    support::{nothing_left_behind, scratch, zc},
    unskipped::LongSlices,
};

#[test]
fn it_counts_a_process_and_its_children_until_stdin_ends() {
    let _slices = LongSlices::set();
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, vec![1; 100_000]).unwrap();
    let mut shell = stopped_shell(&format!("dd if={} of=/dev/null bs=1000", file.display()));
    let mut hold = zc()
        .args(["worker", "hold", "--pid", &shell.id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(hold.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "\"armed\"\n");
    kill_process(Pid::from_child(&shell), Signal::CONT).unwrap();
    assert!(shell.wait().unwrap().success());
    drop(hold.stdin.take());
    line.clear();
    said.read_to_string(&mut line).unwrap();
    assert!(hold.wait().unwrap().success());
    nothing_left_behind();
    let counts: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(counts["lost"], json!([]));
    assert_eq!(counts["site_bytes"]["FilemapRead[User]"], json!(100_000), "{counts}");
    // A hundred of them write, and three lines say so.
    assert!(counts["calls"]["write"].as_u64().unwrap() > 100, "{counts}");
}
