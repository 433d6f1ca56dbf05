//! Every style, on this kernel: verified, or not supported here with the kernel's own word for it.

use std::collections::BTreeMap;

use crate::{
    report::{Lab, Side, Style},
    support::lab,
    theory::Copies,
};

/// What a process must cost, in multiples of the payload and of the number of chunks: copies from
/// user to kernel, from kernel to user, inside the kernel; system calls.
struct Cost {
    copies: Copies,
    calls_a_chunk: u64,
}

/// What a style must cost, written out from the kernel's code, apart from its own formula.
struct Row {
    style: &'static str,
    sender: Cost,
    receiver: Option<Cost>,
    /// Bytes that go in one call at most, where that is less than a chunk may be.
    at_most: u64,
    /// Bytes copied and calls in [`ODD`] sizes, where it moves whole blocks only.
    in_odd_sizes: Option<(Copies, u64)>,
    /// With which words of the kernel's it may say that it is not supported.
    may_lack: &'static [&'static str],
}

/// Payload and chunk: a chunk that is no whole number of pages, and a payload that is no whole number of
/// chunks.
const ODD: (u64, u64) = (300_001, 20_000);

const fn cost(copies: Copies, calls_a_chunk: u64) -> Cost {
    Cost { copies, calls_a_chunk }
}

/// recv(2), or whatever else takes a chunk out of the kernel in a call.
const RECV: Option<Cost> = Some(cost([0, 1, 0], 1));

const fn row(style: &'static str, sender: Cost, receiver: Option<Cost>) -> Row {
    Row { style, sender, receiver, at_most: u64::MAX, in_odd_sizes: None, may_lack: &[] }
}

/// A row of a style without a receiver.
const fn alone(style: &'static str, copies: Copies, calls_a_chunk: u64) -> Row {
    row(style, cost(copies, calls_a_chunk), None)
}

const TABLE: &[Row] = &[
    row("read-send", cost([1, 1, 0], 2), RECV),
    row("mmap-send", cost([1, 0, 0], 1), RECV),
    row("sendfile", cost([0, 0, 0], 1), RECV),
    row("splice", cost([0, 0, 0], 2), RECV),
    row("tee", cost([0, 0, 0], 4), RECV),
    // A datagram is shorter than 64 KiB by its headers.
    Row { at_most: 65_507, ..row("udp", cost([1, 1, 0], 2), RECV) },
    row("unix-stream", cost([1, 1, 0], 2), RECV),
    row("pipe", cost([1, 1, 0], 2), RECV),
    row("vmsplice", cost([0, 0, 0], 1), RECV),
    row("vmsplice-gift", cost([0, 0, 0], 1), RECV),
    row("vmsplice-back", cost([1, 0, 0], 1), RECV),
    row("process-vm-readv", cost([0, 0, 0], 0), RECV),
    row("shared-memory", cost([0, 1, 0], 1), Some(cost([0, 0, 0], 0))),
    alone("read-write", [1, 1, 0], 2),
    alone("buffered", [1, 1, 0], 2),
    alone("readv-writev", [1, 1, 0], 2),
    alone("pread", [0, 1, 0], 1),
    alone("mmap-read", [0, 0, 0], 0),
    alone("sendfile-file", [0, 0, 1], 1),
    alone("splice-file", [0, 0, 1], 2),
    alone("copy-file-range", [0, 0, 1], 1),
    // ext4 shares no blocks.
    Row { may_lack: &["EOPNOTSUPP"], ..alone("reflink", [0, 0, 0], 1) },
    // 73 blocks of 4096 bytes, 4 in a call, there and back; 993 bytes are left.
    Row { in_odd_sizes: Some(([993, 993, 0], 40)), ..alone("direct", [0, 0, 0], 2) },
];

/// What is wrong with a side that has to copy so many bytes with so many `calls`.
fn wrong_with(side: &Side, copies: Copies, calls: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let copies = copies.map(Some);
    if side.copied.all() != copies {
        wrong.push(format!("copied {:?}, not {copies:?}: {:?}", side.copied.all(), side.sites));
    }
    if side.syscalls != Some(calls) {
        wrong.push(format!("{:?} calls, not {calls}: {:?}", side.syscalls, side.by_syscall));
    }
    if side.page_faults.user != Some(0) {
        wrong.push(format!("page faults {:?}", side.page_faults));
    }
    let coverage = side.coverage.as_ref().map(|all| [all.returned_bytes, all.explained_bytes]);
    if coverage.is_none_or(|[returned, explained]| returned != explained) {
        wrong.push(format!("returned and explained: {coverage:?}, {:?}", side.sites));
    }
    wrong
}

/// What is wrong with `style`, a line each.
fn wrong(style: &Style, row: &Row, bytes: u64, chunk: u64) -> Vec<String> {
    let chunks = bytes.div_ceil(chunk.min(row.at_most));
    if let Some(lacking) = &style.not_supported {
        println!("{}: not supported here: {} in the {}", style.style, lacking.errno, lacking.side);
        let told = row.may_lack.contains(&&*lacking.errno) && !lacking.reason.is_empty();
        return if told { Vec::new() } else { vec![format!("{lacking:?}")] };
    }
    let odd = row.in_odd_sizes.filter(|_| (bytes, chunk) == ODD);
    let mut wrong = Vec::new();
    for run in &style.runs {
        let outcome = (&*run.verdict, run.moved_bytes, run.hash_ok);
        if outcome != ("verified", bytes, true) {
            wrong.push(format!("{outcome:?}"));
        }
        let sides = [Some(&run.sender), run.receiver.as_ref()];
        for (side, cost) in sides.into_iter().zip([Some(&row.sender), row.receiver.as_ref()]) {
            match (side, cost) {
                (Some(side), Some(cost)) => {
                    let (copies, calls) = odd
                        .unwrap_or((cost.copies.map(|n| n * bytes), cost.calls_a_chunk * chunks));
                    wrong.extend(wrong_with(side, copies, calls));
                }
                (None, None) => {}
                _ => wrong.push("a receiver too few or too many".into()),
            }
        }
    }
    if let Some(audit) = style.audit.as_ref().filter(|audit| audit.verdict != "verified") {
        wrong.push(format!("audit: {:?}", audit.lines));
    }
    wrong
}

fn assert_all(report: &Lab, bytes: u64, chunk: u64) {
    let rows: BTreeMap<_, _> = TABLE.iter().map(|row| (row.style, row)).collect();
    assert_eq!(rows.len(), report.styles.len(), "a row for each style");
    let wrong: Vec<_> = report
        .styles
        .iter()
        .flat_map(|style| {
            let wrong = wrong(style, rows[&*style.style], bytes, chunk);
            wrong.into_iter().map(|what| format!("{}: {what}", style.style))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        (&*report.verdict, report.complete, &*report.completeness.calibration),
        ("verified", true, "passed"),
        "{:?}",
        report.completeness
    );
}

#[test]
fn every_style_is_verified_or_says_what_the_kernel_lacks() {
    let (status, report) = lab(&["--all", "--size", "1M"]);
    assert_all(&report, 1 << 20, 64 << 10);
    assert_eq!(status, 0);
}

#[test]
fn every_style_is_exact_in_odd_sizes() {
    let (bytes, chunk) = ODD;
    let (size, in_chunks) = (bytes.to_string(), chunk.to_string());
    let (status, report) = lab(&["--all", "--size", &size, "--chunk", &in_chunks]);
    assert_all(&report, bytes, chunk);
    assert_eq!(status, 0);
}

/// Sites, leaves and what the calls returned, to the byte.
#[test]
fn an_audit_agrees_on_every_style() {
    let (status, report) = lab(&["--all", "--size", "256K", "--audit"]);
    assert_all(&report, 256 << 10, 64 << 10);
    let measured = report.styles.iter().filter(|style| style.run.is_some());
    assert!(measured.into_iter().all(|style| style.audit.is_some()));
    assert_eq!((status, &*report.tier), (0, "audit"));
}
