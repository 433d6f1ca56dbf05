//! The main job: every style, exact.

use std::{collections::BTreeSet, fs};

use crate::{
    needs,
    report::{Lab, Lost, Machine, Side},
    support::{lab, scratch, small_lab},
};

const STYLES: [&str; 4] = ["read-send", "mmap-send", "sendfile", "splice"];

/// What each style copies in the sender, as multiples of the payload: UK, KU, KK.
fn sender_copies(style: &str) -> [u64; 3] {
    match style {
        "read-send" => [1, 1, 0],
        "mmap-send" => [1, 0, 0],
        "sendfile" | "splice" => [0, 0, 0],
        other => panic!("no theory for {other}"),
    }
}

/// System calls of the sender for `chunks` chunks, each of which fits a pipe.
fn sender_calls(style: &str, chunks: u64) -> u64 {
    match style {
        "read-send" | "splice" => 2 * chunks,
        _ => chunks,
    }
}

/// In how many places of the kernel each byte of the sender's calls can be seen: a file, a socket.
fn sender_ends(style: &str) -> u64 {
    if style == "mmap-send" { 1 } else { 2 }
}

/// Payload that the linear part of a TCP buffer on its way over loopback can take, at most: nothing
/// but headers lies there (`MAX_TCP_HEADER`, include/net/tcp.h), and the kernel's allocator gives no
/// more than this for them and its own part.
const LINEAR: u64 = 1024;

/// A short segment that meets a busy receiver waits in its backlog, made linear to save memory: the
/// one copy of payload in the kernel on this way. That is done to all of a segment or to none, and
/// only where it fits what its headers leave free (`skb_condense`, net/core/skbuff.c). So a full
/// segment never is, and each of `chunks` can end in a short one: 64 KiB in one of 53 bytes. The
/// rest is headers.
fn assert_machine(machine: &Machine, style: &str, chunks: u64) {
    let of = |site: &str, iterator: &str| -> [u64; 2] {
        let of = machine.sites.iter().filter(|s| (&*s.site, &*s.iterator) == (site, iterator));
        of.fold([0; 2], |[calls, bytes], s| [calls + s.calls, bytes + s.bytes])
    };
    let [segments, condensed] = of("__pskb_pull_tail", "none");
    assert!(segments <= chunks, "{style}: {segments} of {chunks}: {:?}", machine.sites);
    assert!(condensed <= segments * LINEAR, "{style}: {condensed} bytes: {:?}", machine.sites);
    assert_eq!(machine.kernel_to_kernel, condensed, "{style}: {:?}", machine.sites);
    assert_eq!(of("skb_copy_bits", "pages")[1], condensed, "{style}: {:?}", machine.sites);
    let headers: u64 =
        machine.sites.iter().filter(|s| s.iterator == "headers").map(|site| site.bytes).sum();
    assert_eq!(machine.aside, headers, "{style}: {:?}", machine.sites);
}

pub(crate) fn assert_exact(report: &Lab, bytes: u64, chunk: u64) {
    assert!(report.complete, "{:?}", report.completeness);
    assert_eq!(report.completeness.lost, Lost::nothing());
    if needs::preemption().is_err() {
        // No other task gets in while a program runs, so none is skipped for one.
        assert_eq!(report.completeness.discarded_runs, 0);
    }
    assert_eq!(report.completeness.calibration, "passed");
    assert_eq!(report.verdict, "verified");
    let chunks = bytes.div_ceil(chunk);
    for style in &report.styles {
        let name = style.style.as_str();
        assert_eq!(
            (style.verdict.as_str(), style.moved_bytes, style.hash_ok),
            ("verified", bytes, true),
            "{name}"
        );
        let copies = sender_copies(name).map(|copies| Some(copies * bytes));
        assert_eq!(style.sender.copied.all(), copies, "{name}");
        assert_eq!(style.receiver().copied.all(), [Some(0), Some(bytes), Some(0)], "{name}");
        assert_sites(name, &style.sender, bytes);
        assert_switches(&style.sender, sender_calls(name, chunks));
        assert_switches(style.receiver(), chunks);
        let machine = style.machine.as_ref().expect("socket buffer copies are watched");
        assert_machine(machine, name, chunks);
        assert_eq!((style.sender.aside, style.receiver().aside), (Some(0), Some(0)), "{name}");
        for (side, ends) in [(&style.sender, sender_ends(name)), (style.receiver(), 1)] {
            let coverage = side.coverage.as_ref().expect("it is known");
            assert_eq!(
                (coverage.returned_bytes, coverage.explained_bytes, coverage.ratio),
                (ends * bytes, ends * bytes, Some(1.0)),
                "{name}"
            );
        }
    }
}

/// The kernel's way for each style, under the names of any of the kernels; every site on it has
/// seen every byte.
fn assert_sites(style: &str, sender: &Side, bytes: u64) {
    let way: &[&[&str]] = match style {
        "read-send" => &[&["filemap_read", "generic_file_buffered_read"], &["tcp_sendmsg_locked"]],
        "mmap-send" => &[&["tcp_sendmsg_locked"]],
        _ => &[
            &["filemap_splice_read", "generic_file_splice_read"],
            &["splice_to_socket", "generic_splice_sendpage"],
            &["skb_splice_from_iter", "do_tcp_sendpages"],
        ],
    };
    for names in way {
        let passed = sender.sites.iter().filter(|site| names.contains(&site.function.as_str()));
        assert_eq!(passed.map(|site| site.bytes).sum::<u64>(), bytes, "{style}: {names:?}");
    }
}

fn assert_switches(side: &Side, calls: u64) {
    assert_eq!(side.syscalls, Some(calls));
    assert_eq!(side.page_faults.user, Some(0));
    assert_eq!(side.mode_switches, Some(2 * calls));
    assert_eq!(side.by_syscall.iter().map(|call| call.calls).sum::<u64>(), calls);
    // The kill(2) at the end of the window, in every run.
    assert!(side.fixed_syscalls.is_some_and(|fixed| fixed >= 1));
}

#[test]
fn every_style_is_exact() {
    let (status, report) = small_lab();
    assert_eq!(status, 0);
    assert_eq!((report.schema.as_str(), report.tier.as_str()), ("zc.lab/1", "sites"));
    assert_eq!(report.styles.iter().map(|s| s.style.as_str()).collect::<Vec<_>>(), STYLES);
    assert_exact(&report, 4 << 20, 64 << 10);
    // 64 chunks, two calls of two switches each; 4 MiB.
    assert_eq!(report.style("read-send").sender.mode_switches_per_mib, Some(64.0));
    // Faults while send copies from the mapping are the kernel's own: no mode switch.
    let mapped = report.style("mmap-send");
    assert!(mapped.sender.page_faults.kernel.is_some_and(|faults| faults > 0));
    assert_eq!(mapped.sender.copies_per_byte.user_to_kernel, Some(1.0));
}

/// More sizes and chunks: in the tests of the audit, whose sites are the same.
#[test]
fn bytes_one_by_one_are_exact() {
    let (status, report) = lab(&["--size", "999", "--chunk", "1"]);
    assert_eq!(status, 0);
    assert_exact(&report, 999, 1);
}

#[test]
fn a_chunk_larger_than_a_pipe_goes_through_it_in_rounds() {
    let (status, report) = lab(&["--size", "7M", "--chunk", "3M"]);
    assert_eq!((status, report.verdict.as_str()), (0, "verified"));
    // 7 MiB in rounds of 1 MiB less a page.
    assert_eq!(report.style("splice").sender.syscalls, Some(16));
    assert_eq!(report.style("sendfile").sender.syscalls, Some(3));
}

#[test]
fn a_cold_page_cache_changes_no_copy_but_is_read_from_the_disk() {
    const BYTES: u64 = 4 << 20;
    let (warm_status, warm) = small_lab();
    let before = bytes_read_from_disks();
    let (cold_status, cold) = lab(&["--size", "4M", "--cold"]);
    let after = bytes_read_from_disks();
    assert_eq!((warm_status, cold_status), (0, 0));
    assert_eq!((warm.plan.cold, cold.plan.cold), (false, true));
    for (report, read) in [(&warm, 0), (&cold, BYTES)] {
        assert_exact(report, BYTES, 64 << 10);
        assert_devices(report, read);
    }
    let styles = cold.styles.len() as u64;
    assert!(after - before >= styles * BYTES, "{} bytes for {styles} styles", after - before);
}

/// Each sender made the disk read `bytes`, nobody used it for anything else, and loopback is no
/// device.
fn assert_devices(report: &Lab, bytes: u64) {
    for style in &report.styles {
        let read = |side: &Side| side.block_io.as_ref().map(|io| io.read_bytes);
        let both = [&style.sender, style.receiver()].map(read);
        assert_eq!(both, [Some(bytes), Some(0)], "{}", style.style);
        let network = [style.sender.network_bytes, style.devices.network_bytes];
        assert_eq!(network, [Some(0); 2], "{}", style.style);
        assert_eq!(style.sender.network_buffers, Some(0), "{}", style.style);
    }
}

fn bytes_read_from_disks() -> u64 {
    let stats = fs::read_to_string("/proc/diskstats").unwrap();
    let disks = stats.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Whole disks only; field 6 counts sectors of 512 bytes (Documentation/admin-guide/iostats.rst).
    let whole = disks.filter(|fields| fields[2].starts_with("nvme") && !fields[2].contains('p'));
    whole.map(|fields| fields[5].parse::<u64>().unwrap() * 512).sum()
}

#[test]
fn ten_runs_give_the_same_counters() {
    let (status, report) = lab(&["--repeat", "10", "--size", "500K"]);
    assert_eq!(status, 0);
    for style in &report.styles {
        assert_eq!(style.runs.len(), 10);
        let counters: BTreeSet<_> = style
            .runs
            .iter()
            .map(|run| {
                let sides = [&run.sender, run.receiver()];
                (
                    run.moved_bytes,
                    sides.map(|side| (side.copied.all(), side.syscalls, side.mode_switches)),
                )
            })
            .collect();
        assert_eq!(counters.len(), 1, "{}: {counters:?}", style.style);
    }
}

#[test]
fn the_users_own_file_is_sent_from_its_start() {
    let folder = scratch();
    let path = folder.path().join("own file");
    fs::write(&path, vec![7; 300_000]).unwrap();
    let path = path.to_str().unwrap();
    let (status, report) = lab(&["sendfile", "--file", path]);
    assert_eq!((status, report.plan.size_bytes), (0, 300_000));
    assert_exact(&report, 300_000, 64 << 10);
    let (status, report) = lab(&["read-send", "--file", path, "--size", "70000"]);
    assert_eq!(status, 0);
    assert_exact(&report, 70_000, 64 << 10);
    assert_eq!(fs::metadata(path).unwrap().len(), 300_000);
}
