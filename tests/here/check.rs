//! `zc check` where copies are not observed.

use std::process::Output;

use crate::{
    counts::{loopback, pass},
    held::Held,
    skip::needs,
    support::{Tracing, boundary, tracepoints},
};

/// Bytes that pass the connection below.
const BYTES: usize = 4 * 8192;

/// What `zc check` says of a process that sends and receives.
fn check(expectations: &[&str]) -> Output {
    let (to, from) = loopback();
    let mut buffer = vec![7; 8192];
    let mut held = Held::new(move || {
        for _ in 0..4 {
            pass(&to, &from, &mut buffer);
        }
    });
    let mut command = boundary("check");
    for expectation in expectations {
        command.args(["--expect", expectation]);
    }
    let zc = Tracing::start(command.args(["-p", &held.id()]));
    held.go();
    let output = zc.output();
    held.reap();
    output
}

/// Its exit status and the line about the first expectation.
fn answer(expectation: &str) -> (Option<i32>, String) {
    let output = check(&[expectation]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().next().unwrap_or_default().to_owned();
    assert!(line.starts_with(expectation), "{text}");
    (output.status.code(), line)
}

#[test]
fn a_claim_about_copies_ends_with_the_reason_why_it_is_not_known() {
    needs!(tracepoints());
    for expectation in [
        "copies_per_byte <= 1",
        "user_to_kernel < 1",
        "sent.copied <= 1000000",
        "syscalls.sendto.copied >= 0",
    ] {
        let (status, line) = answer(expectation);
        assert_eq!(status, Some(2), "{line}");
        assert!(
            line.contains("not observed") && line.contains("no kernel function is probed"),
            "{line}"
        );
    }
    let (status, line) = answer("interrupts.user < 1");
    assert!(status == Some(2) && line.contains("interrupts: "), "{line}");
    let (status, line) = answer("block_io.read_bytes < 1");
    assert!(status == Some(2) && line.contains("block I/O: "), "{line}");
    let (status, line) = answer("coverage > 99%");
    assert!(status == Some(2) && line.contains("no kernel function is probed"), "{line}");
}

#[test]
fn calls_and_bytes_hold_or_do_not() {
    needs!(tracepoints());
    let holds = [
        format!("syscalls.recvfrom.bytes == {BYTES}"),
        format!("received.bytes == {BYTES}"),
        format!("received.copied == {BYTES}"),
        "received.copies_per_byte == 1".to_owned(),
        "syscalls.sendto.calls == 4 and syscalls == 9".to_owned(),
        "mode_switches >= 18".to_owned(),
    ];
    let output = check(&holds.each_ref().map(String::as_str));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for (line, asked) in text.lines().zip(&holds) {
        assert!(line.starts_with(&format!("{asked}: holds")), "{text}");
    }
    for fails in [format!("syscalls.recvfrom.bytes < {BYTES}"), "received.copied < 1".to_owned()] {
        let (status, line) = answer(&fails);
        assert_eq!(status, Some(1), "{line}");
    }
}

#[test]
fn what_is_not_known_does_not_hide_what_does_not_hold() {
    needs!(tracepoints());
    let output = check(&["copies_per_byte <= 1", "syscalls.sendto.calls == 5"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}
