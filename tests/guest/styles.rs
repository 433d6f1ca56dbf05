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
    /// With which words of the kernel's it may say that it is not supported.
    may_lack: &'static [&'static str],
}

const fn cost(copies: Copies, calls_a_chunk: u64) -> Cost {
    Cost { copies, calls_a_chunk }
}

/// recv(2).
const RECV: Option<Cost> = Some(cost([0, 1, 0], 1));

const fn row(style: &'static str, sender: Cost, receiver: Option<Cost>) -> Row {
    Row { style, sender, receiver, may_lack: &[] }
}

const TABLE: &[Row] = &[
    row("read-send", cost([1, 1, 0], 2), RECV),
    row("mmap-send", cost([1, 0, 0], 1), RECV),
    row("sendfile", cost([0, 0, 0], 1), RECV),
    row("splice", cost([0, 0, 0], 2), RECV),
];

fn assert_side(name: &str, side: &Side, cost: &Cost, bytes: u64, chunks: u64) {
    let copies = cost.copies.map(|times| Some(times * bytes));
    assert_eq!(side.copied.all(), copies, "{name}");
    assert_eq!(side.syscalls, Some(cost.calls_a_chunk * chunks), "{name}: {:?}", side.by_syscall);
    let coverage = side.coverage.as_ref().expect("it is known");
    assert_eq!(coverage.returned_bytes, coverage.explained_bytes, "{name}");
}

fn assert_style(style: &Style, row: &Row, bytes: u64, chunks: u64) {
    let name = &style.style;
    if let Some(lacking) = &style.not_supported {
        println!("{name}: not supported here: {} in the {}", lacking.errno, lacking.side);
        assert!(row.may_lack.contains(&&*lacking.errno), "{name}: {lacking:?}");
        assert!(style.runs.is_empty() && !lacking.reason.is_empty());
        return;
    }
    for run in &style.runs {
        assert_eq!(
            (&*run.verdict, run.moved_bytes, run.hash_ok),
            ("verified", bytes, true),
            "{name}"
        );
        assert_side(name, &run.sender, &row.sender, bytes, chunks);
        assert_eq!(run.receiver.is_some(), row.receiver.is_some(), "{name}");
        if let (Some(side), Some(cost)) = (&run.receiver, &row.receiver) {
            assert_side(name, side, cost, bytes, chunks);
        }
    }
}

fn assert_all(report: &Lab, bytes: u64, chunks: u64) {
    let rows: BTreeMap<_, _> = TABLE.iter().map(|row| (row.style, row)).collect();
    assert_eq!(rows.len(), report.styles.len(), "a row for each style");
    for style in &report.styles {
        assert_style(style, rows[&*style.style], bytes, chunks);
    }
    assert_eq!(
        (&*report.verdict, report.complete),
        ("verified", true),
        "{:?}",
        report.completeness
    );
}

#[test]
fn every_style_is_verified_or_says_what_the_kernel_lacks() {
    let (status, report) = lab(&["--all", "--size", "1M"]);
    assert_all(&report, 1 << 20, 16);
    assert_eq!(status, 0);
}

#[test]
fn every_style_is_exact_in_odd_sizes() {
    // A chunk that is no whole number of pages, and a payload that is no whole number of chunks.
    let (status, report) = lab(&["--all", "--size", "300001", "--chunk", "20000"]);
    assert_all(&report, 300_001, 16);
    assert_eq!(status, 0);
}

/// Sites, leaves and what the calls returned, to the byte.
#[test]
fn an_audit_agrees_on_every_style() {
    let (status, report) = lab(&["--all", "--size", "256K", "--audit"]);
    assert_all(&report, 256 << 10, 4);
    for style in report.styles.iter().filter(|style| style.run.is_some()) {
        let audit = style.audit.as_ref().expect("every style is audited");
        assert_eq!(audit.verdict, "verified", "{}: {:?}", style.style, audit.lines);
    }
    assert_eq!((status, &*report.tier), (0, "audit"));
}
