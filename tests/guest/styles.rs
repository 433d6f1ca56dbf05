//! Every style, on this kernel: verified, or not supported here with the kernel's own word for it.

use std::{collections::BTreeMap, fs};

use crate::{
    needs::needs,
    report::{Lab, Side, Style},
    support::{lab, set},
    theory::Copies,
};

/// What a process must cost, in multiples of the payload and of the number of chunks: copies from
/// user to kernel, from kernel to user, inside the kernel; system calls.
struct Cost {
    copies: Copies,
    calls_a_chunk: u64,
    /// Where it is no multiple: bytes copied and calls, for each payload that the tests send.
    by_payload: &'static [(u64, Copies, u64)],
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
    Cost { copies, calls_a_chunk, by_payload: &[] }
}

const fn by_payload(by_payload: &'static [(u64, Copies, u64)]) -> Cost {
    Cost { copies: [0; 3], calls_a_chunk: 0, by_payload }
}

/// send, poll, recvmsg, for 32 KiB at once or, of chunks of 20 000 bytes, for each.
const LENT: Cost = by_payload(&[
    (1 << 20, [0, 0, 1 << 20], 3 * 32),
    (300_001, [0, 0, 300_001], 3 * 16),
    (256 << 10, [0, 0, 256 << 10], 3 * 8),
]);
const LENT_BY_RING: Cost = by_payload(&[
    (1 << 20, [0, 0, 1 << 20], 32),
    (300_001, [0, 0, 300_001], 16),
    (256 << 10, [0, 0, 256 << 10], 8),
]);
const TAKEN: Option<Cost> = Some(by_payload(&[
    (1 << 20, [0, 1 << 20, 0], 32),
    (300_001, [0, 300_001, 0], 16),
    (256 << 10, [0, 256 << 10, 0], 8),
]));

/// Sends of 16 KiB, with three calls each; 300 001 bytes are 18 of them and one of 5089.
const LENT_BY_PAGES: Cost = by_payload(&[
    (1 << 20, [0, 0, 1 << 20], 3 * 64),
    (300_001, [0, 0, 300_001], 3 * 19),
    (256 << 10, [0, 0, 256 << 10], 3 * 16),
]);

/// Of the 5089 bytes a page is mapped and 993 bytes are read.
const MAPPED: Option<Cost> = Some(by_payload(&[
    (1 << 20, [0; 3], 64),
    (300_001, [0, 993, 0], 18 + 2),
    (256 << 10, [0; 3], 16),
]));

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
    row("zerocopy-send", LENT, TAKEN),
    row("zerocopy-receive", LENT_BY_PAGES, MAPPED),
    row("uring-read-send", cost([1, 1, 0], 1), RECV),
    // From page cache to pinned pages the kernel copies with its own addresses.
    row("uring-fixed", cost([1, 0, 1], 1), RECV),
    row("uring-sqpoll", cost([1, 1, 0], 0), RECV),
    row("uring-splice", cost([0, 0, 0], 1), RECV),
    Row { may_lack: &["EINVAL"], ..row("uring-send-zc", LENT_BY_RING, TAKEN) },
];

fn assert_side(name: &str, side: &Side, cost: &Cost, bytes: u64, chunks: u64) {
    let exact = cost.by_payload.iter().find(|(payload, ..)| *payload == bytes);
    let multiple = (cost.copies.map(|times| times * bytes), cost.calls_a_chunk * chunks);
    let (copies, calls) = exact.map_or(multiple, |(_, copies, calls)| (*copies, *calls));
    assert_eq!(side.copied.all(), copies.map(Some), "{name}");
    assert_eq!(side.syscalls, Some(calls), "{name}: {:?}", side.by_syscall);
    let coverage = side.coverage.as_ref().expect("it is known");
    assert_eq!(coverage.returned_bytes, coverage.explained_bytes, "{name}");
}

/// Of pages that were lent, the kernel says itself that it copied them: on loopback, of each send.
fn assert_lent(name: &str, sender: &Side) {
    let Some(lent) = &sender.lent else {
        // From 6.2 on, a ring tells too.
        return assert!(!name.starts_with("zerocopy-"), "{name}");
    };
    assert_eq!(lent.copied, lent.sends, "{name}");
    assert!(lent.sends > 0 && sender.copied.kernel_to_kernel > Some(0), "{name}");
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
        assert_lent(name, &run.sender);
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

#[test]
fn a_style_that_the_machine_forbids_says_so() {
    const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";
    needs!(fs::metadata(DISABLED).map(drop).map_err(|error| format!("{DISABLED}: {error}")));
    let forbidden = set(DISABLED, "2");
    let (status, report) = lab(&["uring-read-send", "uring-splice", "--size", "64K"]);
    drop(forbidden);
    for style in &report.styles {
        let why = style.not_supported.as_ref().expect("it cannot make a ring");
        assert_eq!((&*why.errno, &*why.side), ("EPERM", "sender"), "{}", style.style);
        assert!(style.run.is_none() && style.runs.is_empty());
    }
    assert_eq!((status, &*report.verdict), (2, "not observed"));
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
