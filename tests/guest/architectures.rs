//! The textbook's three architectures, on two network cards.

use serde_json::Value;

use crate::{
    pages::{Left, left},
    report::{Architectures, Lab, Way},
    support::{lab, run, status, stderr, stdout},
};

const BYTES: u64 = 1 << 20;
const CHUNKS: u64 = 16;

/// The report over cards, which is shown as a page too.
pub(crate) fn over_cards() -> Left {
    left("architectures", &["lab", "architectures", "--path", "nic", "--size", "1M"])
}

fn over_loopback() -> Value {
    let output = run(&["lab", "architectures", "--size", "1M", "--json"]);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn architectures(report: Value) -> Architectures {
    let report: Architectures = serde_json::from_value(report).unwrap();
    assert_eq!((&*report.schema, &*report.verdict), ("zc.architectures/1", "verified"));
    assert!(report.complete && report.architectures.iter().all(|one| one.problems.is_empty()));
    assert_eq!((report.size_bytes, report.chunk_bytes), (BYTES, 64 << 10));
    let names: Vec<_> = report.architectures.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["ordinary copy", "first zero copy", "full zero copy"]);
    report
}

/// What the CPU copied from user to kernel, from kernel to user and inside the kernel, in payloads.
fn copies(way: &Way) -> [u64; 3] {
    way.cpu_copied_bytes.all().map(|bytes| {
        let bytes = bytes.expect("it was counted");
        assert_eq!(bytes % BYTES, 0, "{way:?}");
        bytes / BYTES
    })
}

#[test]
fn over_cards_the_cpu_copies_twice_once_and_never_and_every_byte_of_dma_is_accounted_for() {
    let report = architectures(over_cards().json);
    let expected =
        [([1, 1, 0], 2.0, true, 4), ([0, 0, 1], 1.0, false, 2), ([0, 0, 0], 0.0, true, 2)];
    for (one, (copied, per_byte, gather, switches)) in report.architectures.iter().zip(expected) {
        let way = &one.sender;
        assert_eq!(copies(way), copied, "{}", one.name);
        assert_eq!(way.cpu_copies_per_byte, Some(per_byte));
        assert_eq!(way.disk_dma_bytes, Some(BYTES), "{}", one.name);
        let [card, headers] = [way.nic_dma_bytes, way.nic_header_bytes].map(Option::unwrap);
        assert_eq!(card - headers, BYTES, "{}: {card} bytes, {headers} of headers", one.name);
        assert!(headers > 0);
        assert_eq!(way.mode_switches, Some(switches * CHUNKS), "{}", one.name);
        assert_eq!(way.syscalls, Some(switches / 2 * CHUNKS));
        assert_eq!((&*one.network.path, one.network.sender.gather), ("nic", Some(gather)));
        assert_eq!(one.network.sender.driver.as_deref(), Some("vmxnet3"));
        assert_eq!(one.style.verdict, "verified");
    }
}

#[test]
fn over_loopback_the_report_says_what_is_different_there() {
    let report = architectures(over_loopback());
    for one in &report.architectures {
        assert_eq!((one.sender.nic_dma_bytes, one.sender.disk_dma_bytes), (Some(0), Some(BYTES)));
    }
    assert_eq!(copies(&report.architectures[1].sender), [0, 0, 0], "loopback always gathers");
    let output = run(&["lab", "architectures", "--size", "64K"]);
    let text = stdout(&output);
    assert!(text.contains("Loopback has no card and no DMA"), "{text}");
}

#[test]
fn architectures_run_alone() {
    for (arguments, says) in [
        (&["lab", "architectures", "sendfile"][..], "alone"),
        (&["lab", "architectures", "--gather", "on"], "--gather"),
        (&["lab", "architectures", "--audit"], "--audit"),
    ] {
        let output = run(arguments);
        assert_eq!(status(&output), 64);
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

/// Each style that sends over the network, over each network: what a device does not gather is copied
/// once more.
#[test]
fn styles_over_other_networks_are_verified_too() {
    let sent = |path, gather| -> Lab {
        let size = ["read-send", "sendfile", "tee", "--size", "256K"];
        let over = ["--path", path, "--gather", gather];
        let (status, report) = lab(&[&size[..], &over].concat());
        assert_eq!((status, &*report.verdict), (0, "verified"), "{path}, gather {gather}");
        report
    };
    for path in ["veth", "nic"] {
        for (gather, times) in [("on", 0), ("off", 1)] {
            for style in &sent(path, gather).styles {
                let inside = style.sender.copied.all()[2];
                assert_eq!(inside, Some(times * (256 << 10)), "{}: {path}, {gather}", style.style);
            }
        }
    }
}
