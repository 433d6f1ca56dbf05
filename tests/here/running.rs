//! Processes that run already, and how a trace of them ends.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    held::Held,
    skip::needs,
    support::{Tracing, boundary, number, report, text, trace, tracepoints, zc},
};

/// A process that does nothing until it is ended.
fn idle() -> Held {
    Held::new(|| {})
}

#[test]
fn an_interrupt_ends_the_trace_and_not_its_target() {
    needs!(tracepoints());
    for (signal, ended) in [(Signal::INT, "interrupted"), (Signal::TERM, "terminated")] {
        let mut held = idle();
        let zc = Tracing::start(boundary("trace").args(["--json", "-p", &held.id()]));
        zc.signal(signal);
        let report = report(&zc.output());
        assert_eq!(report["run"]["ended"], ended);
        // It waits, and has returned from nothing.
        assert_eq!(report["total"]["syscalls"], 0);
        held.go();
        held.ended();
        held.reap();
    }
}

#[test]
fn a_trace_ends_when_its_time_is_over() {
    needs!(tracepoints());
    let held = idle();
    let report = trace(&["-p", &held.id(), "--duration", "1ms"]);
    assert_eq!(report["run"]["ended"], "the time was over");
    assert!(report["run"]["elapsed_seconds"].as_f64().unwrap() >= 0.001);
}

#[test]
fn a_target_that_is_killed_ends_the_trace_with_what_was_counted() {
    needs!(tracepoints());
    const CALLS: u64 = 100;
    let (mut done, say) = std::io::pipe().unwrap();
    let mut held = Held::new(move || {
        for _ in 0..CALLS {
            let _parent = rustix::process::getppid();
        }
        let _said = rustix::io::write(&say, &[1]);
        loop {
            rustix::thread::sched_yield();
        }
    });
    let zc = Tracing::start(boundary("trace").args(["--json", "-p", &held.id()]));
    held.go();
    done.read_exact(&mut [0]).unwrap();
    let pid = held.id();
    drop(held);
    let report = report(&zc.output());
    assert_eq!(report["run"]["ended"], "every traced process has ended");
    assert_eq!(report["processes"][0]["pid"].to_string(), pid);
    let call = crate::support::named(&report["syscalls"], "name", "getppid");
    assert_eq!(call["calls"], CALLS);
}

#[test]
fn intervals_are_lines_and_the_whole_is_the_last() {
    needs!(tracepoints());
    const CALLS: u64 = 50;
    let mut held = Held::new(|| {
        for _ in 0..CALLS {
            let _parent = rustix::process::getppid();
        }
    });
    let mut command = boundary("trace");
    command.args(["--json-lines", "--interval", "50ms", "-p", &held.id()]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> Option<Value> { Some(serde_json::from_str(&lines.next()?.unwrap()).unwrap()) };
    let mut reports = vec![next().unwrap()];
    held.go();
    reports.extend(std::iter::from_fn(next));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    held.reap();
    let whole = reports.pop().unwrap();
    assert_eq!(whole["total"]["syscalls"], CALLS + 1);
    assert!(whole["run"].get("interval").is_none());
    assert_eq!(text(&whole["run"]["ended"]), "every traced process has ended");
    for (index, report) in reports.iter().enumerate() {
        assert_eq!(report["run"]["interval"], index + 1);
        assert!(report["run"].get("ended").is_none());
    }
    assert_eq!(reports[0]["total"]["syscalls"], 0, "before it was let go");
    let counted: u64 = reports.iter().map(|report| number(&report["total"]["syscalls"])).sum();
    assert!(counted <= CALLS + 1, "{counted}");
}

#[test]
fn so_many_intervals_are_enough() {
    needs!(tracepoints());
    let held = idle();
    let mut command = boundary("trace");
    command.args(["--json-lines", "--interval", "1ms", "--count", "3", "-p", &held.id()]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let intervals: Vec<_> =
        reports.iter().map(|report| report["run"]["interval"].as_u64()).collect();
    assert_eq!(intervals, [Some(1), Some(2), Some(3), None]);
    assert_eq!(reports[3]["run"]["ended"], "the time was over");
}

#[test]
fn a_process_that_is_not_there_is_a_wrong_command_line() {
    needs!(tracepoints());
    let held = idle();
    let pid = held.id();
    drop(held);
    let output = zc().args(["trace", "-p", &pid]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&pid) && said.lines().count() == 1, "{said}");
}
