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
    Cost { copies, calls_a_chunk, by_payload: &[] }
}

const fn by_payload(by_payload: &'static [(u64, Copies, u64)]) -> Cost {
    Cost { copies: [0; 3], calls_a_chunk: 0, by_payload }
}

/// send, poll, recvmsg, for 32 KiB at once or, of chunks of 20 000 bytes, for each.
const LENT: Cost =
    by_payload(&[(1 << 20, [0, 0, 1 << 20], 3 * 32), (300_001, [0, 0, 300_001], 3 * 16)]);
const LENT_BY_RING: Cost =
    by_payload(&[(1 << 20, [0, 0, 1 << 20], 32), (300_001, [0, 0, 300_001], 16)]);
const TAKEN: Option<Cost> =
    Some(by_payload(&[(1 << 20, [0, 1 << 20, 0], 32), (300_001, [0, 300_001, 0], 16)]));

/// Sends of 16 KiB, with three calls each; 300 001 bytes are 18 of them and one of 5089.
const LENT_BY_PAGES: Cost =
    by_payload(&[(1 << 20, [0, 0, 1 << 20], 3 * 64), (300_001, [0, 0, 300_001], 3 * 19)]);

/// Of the 5089 bytes a page is mapped and 993 bytes are read.
const MAPPED: Option<Cost> =
    Some(by_payload(&[(1 << 20, [0; 3], 64), (300_001, [0, 993, 0], 18 + 2)]));

/// recv(2), or whatever else takes a chunk out of the kernel in a call.
const RECV: Option<Cost> = Some(cost([0, 1, 0], 1));

/// Calls of 32 KiB at most.
const ENCRYPTED: Cost = by_payload(&[(1 << 20, [0; 3], 32), (300_001, [0; 3], 16)]);

/// Records of 16 KiB at most, each with 29 bytes around: 64 of them; or 15 times two, and one of a byte.
const RECORDS: Option<Cost> = Some(by_payload(&[
    (1 << 20, [0, (1 << 20) + 64 * 29, 0], 17),
    (300_001, [0, 300_001 + 31 * 29, 0], 16),
]));

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
    // 5.10 has no TLS where it is built for clouds.
    Row { may_lack: &["ENOENT"], ..row("sendfile-tls", ENCRYPTED, RECORDS) },
    row("zerocopy-send", LENT, TAKEN),
    row("zerocopy-receive", LENT_BY_PAGES, MAPPED),
    row("uring-read-send", cost([1, 1, 0], 1), RECV),
    // From page cache to pinned pages the kernel copies with its own addresses.
    row("uring-fixed", cost([1, 0, 1], 1), RECV),
    row("uring-sqpoll", cost([1, 1, 0], 0), RECV),
    row("uring-splice", cost([0, 0, 0], 1), RECV),
    Row { may_lack: &["EINVAL"], ..row("uring-send-zc", LENT_BY_RING, TAKEN) },
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

impl Cost {
    /// Bytes copied, and system calls, for a payload of `bytes` in so many chunks.
    fn of(&self, bytes: u64, chunks: u64) -> (Copies, u64) {
        let exact = self.by_payload.iter().find(|(payload, ..)| *payload == bytes);
        let multiple = (self.copies.map(|times| times * bytes), self.calls_a_chunk * chunks);
        exact.map_or(multiple, |(_, copies, calls)| (*copies, *calls))
    }
}

/// What is wrong with what the kernel says itself of pages that were lent: that it copied them, on
/// loopback, of each send.
fn wrong_with_lent(name: &str, sender: &Side) -> Option<String> {
    let right = match &sender.lent {
        // From 6.2 on, a ring tells too.
        None => !name.starts_with("zerocopy-"),
        Some(lent) => {
            let copied = sender.copied.kernel_to_kernel > Some(0);
            lent.copied == lent.sends && lent.sends > 0 && copied
        }
    };
    (!right).then(|| format!("lent: {:?}", sender.lent))
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
        wrong.extend(wrong_with_lent(&style.style, &run.sender));
        let sides = [Some(&run.sender), run.receiver.as_ref()];
        for (side, cost) in sides.into_iter().zip([Some(&row.sender), row.receiver.as_ref()]) {
            match (side, cost) {
                (Some(side), Some(cost)) => {
                    let (copies, calls) = odd.unwrap_or_else(|| cost.of(bytes, chunks));
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

/// Sites, leaves and what the calls returned, to the byte.
#[test]
fn an_audit_agrees_on_every_style_in_odd_sizes() {
    let (bytes, chunk) = ODD;
    let (size, in_chunks) = (bytes.to_string(), chunk.to_string());
    let (status, report) = lab(&["--all", "--audit", "--size", &size, "--chunk", &in_chunks]);
    assert_all(&report, bytes, chunk);
    let measured = report.styles.iter().filter(|style| style.run.is_some());
    assert!(measured.into_iter().all(|style| style.audit.is_some()));
    assert_eq!((status, &*report.tier), (0, "audit"));
}

/// A request of a ring moves 1 MiB at most, and both sides go on in step.
#[test]
fn a_chunk_that_no_request_holds_comes_in_several() {
    let rings = ["uring-read-send", "uring-fixed", "uring-sqpoll"];
    let (status, report) = lab(&[&rings[..], &["--size", "3M", "--chunk", "2M"]].concat());
    for (style, enters) in report.styles.iter().zip([3, 3, 0]) {
        let run = style.run.as_ref().expect("it was measured");
        let calls = [run.sender.syscalls, run.receiver().syscalls];
        assert_eq!(calls, [Some(enters), Some(3)], "{}", style.style);
    }
    assert_eq!((status, &*report.verdict), (0, "verified"));
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
