//! Somebody kills a part of it mid-run.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::{nothing_left_behind, processes, status, stderr, stdout, wait_for, zc};

/// A lab that takes long enough to be hit in the middle.
fn start(arguments: &[&str]) -> Child {
    zc().args(["lab", "--size", "16M", "--repeat", "200"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // As a shell does with a job of its own.
        .process_group(0)
        .spawn()
        .expect("zc starts")
}

/// Waits for the lab's sender; its process id.
fn sender() -> i32 {
    wait_for("sender", || processes(&["worker", "sender"]).first().copied())
}

/// Waits until the sender of `child` moves bytes, then sends `signal` to the `role` worker.
fn kill_worker(child: Child, role: &str, signal: Signal) -> Output {
    let sender = sender();
    // It has read half a run by now; the warm-up is shorter than that.
    wait_for("transfer", || {
        let io = std::fs::read_to_string(format!("/proc/{sender}/io")).ok()?;
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: "))?;
        (read.trim().parse::<u64>().ok()? > 8 << 20).then_some(())
    });
    let victim = processes(&["worker", role])[0];
    kill_process(Pid::from_raw(victim).unwrap(), signal).unwrap();
    let output = child.wait_with_output().expect("zc ends by itself");
    nothing_left_behind();
    output
}

fn assert_one_line(output: &Output, says: &[&str]) {
    let said = stderr(output);
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in says {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(stdout(output), "", "no report of a run that did not end");
}

fn assert_interrupted(child: Child) {
    let output = child.wait_with_output().unwrap();
    nothing_left_behind();
    assert_eq!(status(&output), 130);
    assert_one_line(&output, &["interrupted"]);
}

#[test]
fn a_killed_receiver_ends_the_run_with_its_name() {
    let output = kill_worker(start(&["read-send"]), "receiver", Signal::KILL);
    assert_eq!(status(&output), 2);
    assert_one_line(&output, &["read-send", "the receiver", "killed by signal 9"]);
}

#[test]
fn a_killed_sender_ends_the_run_with_its_name() {
    let output = kill_worker(start(&["read-send", "--json"]), "sender", Signal::KILL);
    assert_eq!(status(&output), 2);
    assert_one_line(&output, &["read-send", "the sender", "killed by signal 9"]);
}

#[test]
fn an_interrupt_before_any_style_is_done_says_so() {
    let child = start(&["read-send"]);
    let own = Pid::from_child(&child);
    sender();
    kill_process(own, Signal::INT).unwrap();
    assert_interrupted(child);
}

#[test]
fn ctrl_c_at_a_terminal_goes_to_the_whole_job_and_is_an_interrupt_all_the_same() {
    let child = start(&["splice"]);
    let job = Pid::from_child(&child);
    sender();
    kill_process_group(job, Signal::INT).unwrap();
    assert_interrupted(child);
}

#[test]
fn an_interrupt_later_reports_the_styles_that_are_done() {
    let child = zc()
        .args(["lab", "sendfile", "read-send", "--size", "4M", "--repeat", "30"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("second style", || processes(&["--style=read-send"]).first().copied());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    nothing_left_behind();
    assert_eq!(status(&output), 130);
    let text = stdout(&output);
    assert!(text.contains("sendfile") && !text.contains("read-send:"), "{text}");
    assert!(text.contains("incomplete: interrupted"), "{text}");
}

#[test]
fn a_killed_zc_leaves_nothing() {
    let mut child = start(&["splice"]);
    sender();
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_left_behind();
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let output = start(&["read-send", "--timeout", "3"]).wait_with_output().unwrap();
    nothing_left_behind();
    assert_eq!(status(&output), 2);
    assert_one_line(&output, &["not done after 3 s", "--timeout"]);
}
