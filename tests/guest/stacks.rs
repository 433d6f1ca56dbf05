//! Kernel stacks of the copies: where they end, that no byte is missing, and what is lost of them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use rustix::fs::sendfile;
use zc::{
    measure::{Counted, Engine},
    probes::attach::{Options, Probes, StackRoom},
    stacks::{Names, StackSample, Symbols, copy_stacks},
};
use zc_common::{Group, IterClass, Site, StackLoss, Tally};

use crate::{
    losses::{count, own},
    report::{Side, SideStacks, Style},
    support::{
        KPTR_RESTRICT, lab, nothing_left_behind, parsed, run, scratch, set, shared, status, stderr,
        stdout, wait_for,
    },
};

/// A small lab that shows the kernel's ways.
pub(crate) const STACKS: &[&str] =
    &["lab", "read-send", "sendfile", "--json", "--stacks", "--size", "1M"];

/// Probes with so much room for stacks.
fn engine(room: StackRoom) -> Engine {
    Engine::new(Probes::attach_with(&Options { stacks: Some(room), ..Options::default() }).unwrap())
}

/// Reads, writes, sends, receives and hands on.
fn transfers() {
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, [1; 40_000]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    sender.write_all(&fs::read(&path).unwrap()).unwrap();
    receiver.read_exact(&mut [0; 40_000]).unwrap();
    let sent = sendfile(&sender, File::open(&path).unwrap(), None, 20_000).unwrap();
    assert_eq!(sent, 20_000);
    receiver.read_exact(&mut [0; 20_000]).unwrap();
}

/// Bytes by site and iterator, as the stacks have them.
fn by_site(sample: &StackSample) -> BTreeMap<(Site, IterClass), u64> {
    let mut bytes = BTreeMap::new();
    for stack in &sample.stacks {
        *bytes.entry((stack.site, stack.class)).or_default() += stack.tally.bytes;
    }
    bytes
}

/// The same as the sites have counted.
fn counted_by_site(counted: &Counted, group: Group) -> BTreeMap<(Site, IterClass), u64> {
    let sites = counted.samples[&group].sites.iter().filter(|(_, tally)| tally.bytes > 0);
    sites.map(|(key, tally)| (*key, tally.bytes)).collect()
}

#[test]
fn stacks_hold_every_byte_and_end_in_the_function_of_their_site() {
    let mut engine = engine(StackRoom::default());
    let symbols = Symbols::of_kernel();
    let counted = count(&mut engine, transfers);
    let functions = engine.probes().functions;
    drop(engine);
    nothing_left_behind();
    assert_eq!(symbols.hidden(), None);
    for group in [own(), Group::MACHINE] {
        let sample = &counted.stacks[&group];
        assert_eq!(sample.lost, BTreeMap::new());
        assert_eq!(by_site(sample), counted_by_site(&counted, group));
        for stack in &sample.stacks {
            let name = |address: &u64| symbols.at(address - 1).map_or("", |symbol| symbol.name);
            let names: Vec<_> = stack.frames.iter().map(name).collect();
            let (probe, rest) = names.split_at(stack.probe_frames);
            assert!(probe.iter().all(|name| name.starts_with("bpf_")), "{names:?}");
            // Newer kernels jump to a trampoline, and the function that did has no frame by then.
            let site = functions[stack.site as usize].unwrap();
            assert!(rest[0] == site || !rest.contains(&site), "{site}: {names:?}");
            assert!(!rest.contains(&""), "{names:?}");
        }
    }
    let passed = by_site(&counted.stacks[&own()]);
    assert_eq!(passed[&(Site::FilemapRead, IterClass::User)], 40_000);
    assert_eq!(passed[&(Site::TcpSendmsg, IterClass::User)], 40_000);
    assert_eq!(passed[&(Site::SimpleCopyToIter, IterClass::User)], 60_000);
}

/// What is lost when there is so much `room`, and the lines about it.
fn lose(room: StackRoom) -> (BTreeMap<StackLoss, Tally>, Vec<String>) {
    let mut engine = engine(room);
    let counted = count(&mut engine, transfers);
    let (symbols, functions) = (Symbols::of_kernel(), engine.probes().functions);
    drop(engine);
    nothing_left_behind();
    let sample = &counted.stacks[&own()];
    let lost: u64 = sample.lost.values().map(|tally| tally.bytes).sum();
    let sum = |bytes: &BTreeMap<_, u64>| bytes.values().sum::<u64>();
    assert_eq!(sum(&by_site(sample)) + lost, sum(&counted_by_site(&counted, own())));
    assert!(lost > 0 && sample.lost.values().all(|tally| tally.calls > 0), "{:?}", sample.lost);
    // The counts by site are not touched.
    assert_eq!((counted.loss.unfollowed_children, counted.loss.forgotten_owners), (0, 0));
    let names = Names { symbols: &symbols, functions: &functions };
    let copied = copy_stacks(sample, None, &names);
    assert!(!copied.complete);
    (sample.lost.clone(), copied.problems)
}

#[test]
fn stacks_that_there_is_no_room_for_are_counted_as_lost() {
    let (lost, told) = lose(StackRoom { stacks: 1, ..StackRoom::default() });
    assert_eq!(lost.keys().collect::<Vec<_>>(), [&StackLoss::Collision]);
    let Tally { calls, bytes } = lost[&StackLoss::Collision];
    let line =
        format!("{calls} passes of {bytes} bytes have no stack: other stacks have their places");
    assert!(told.contains(&line), "{told:?}");

    let (lost, told) = lose(StackRoom { tallies: 1, ..StackRoom::default() });
    assert_eq!(lost.keys().collect::<Vec<_>>(), [&StackLoss::NoTally]);
    assert!(told.iter().any(|line| line.contains("no room for more tallies")), "{told:?}");
}

/// The bytes of the ways that pass `on_the_way` and end in `last`, each under one of its names.
fn bytes_of(side: &SideStacks, on_the_way: &[&str], last: &[&str]) -> u64 {
    let ways = side.paths.iter().filter(|path| {
        path.frames.last().is_some_and(|frame| last.contains(&frame.as_str()))
            && path.frames.iter().any(|frame| on_the_way.contains(&frame.as_str()))
    });
    ways.map(|path| path.bytes).sum()
}

/// The ways of both sides hold exactly the copied bytes.
fn assert_exact(style: &Style) -> [&SideStacks; 2] {
    let sides = [("sender", &style.sender), ("receiver", style.receiver())];
    let both = sides.map(|(name, side): (_, &Side)| {
        let stacks = style.stacks.iter().find(|stacks| stacks.side == name).expect("it has ways");
        assert!(stacks.complete, "{}: {:?}", style.style, stacks.problems);
        let of = |direction: &str| -> Option<u64> {
            let paths = stacks.paths.iter().filter(|path| path.direction == direction);
            Some(paths.map(|path| path.bytes).sum())
        };
        let ways = ["user_to_kernel", "kernel_to_user", "kernel_to_kernel"].map(of);
        assert_eq!(ways, side.copied.all(), "{}: {name}", style.style);
        assert_eq!(ways.into_iter().flatten().sum::<u64>(), stacks.bytes);
        stacks
    });
    assert_eq!(style.stacks.len(), 2);
    both
}

const READS: &[&str] = &["filemap_read", "generic_file_buffered_read"];
/// What a read and a send go through whichever the kernel; the system call's own function may have
/// jumped to the next and so not be on the stack.
const READ_CALLS: &[&str] = &["__x64_sys_read", "ksys_read", "vfs_read", "new_sync_read"];
const SEND_CALLS: &[&str] = &["__x64_sys_sendto", "__sys_sendto"];
const RECEIVE_CALLS: &[&str] = &["__x64_sys_recvfrom", "__sys_recvfrom"];

#[test]
fn a_lab_shows_each_copy_under_its_system_call() {
    const BYTES: u64 = 1 << 20;
    let (status, report) = parsed(&shared(STACKS));
    assert_eq!((status, report.complete), (0, true), "{:?}", report.completeness);
    let [sender, receiver] = assert_exact(report.style("read-send"));
    assert_eq!(bytes_of(sender, READ_CALLS, READS), BYTES, "{sender:?}");
    assert_eq!(bytes_of(sender, SEND_CALLS, &["tcp_sendmsg_locked"]), BYTES, "{sender:?}");
    assert_eq!(bytes_of(receiver, RECEIVE_CALLS, &["simple_copy_to_iter"]), BYTES, "{receiver:?}");
    let [sender, receiver] = assert_exact(report.style("sendfile"));
    assert_eq!((sender.bytes, sender.paths.len()), (0, 0), "{sender:?}");
    assert_eq!(bytes_of(receiver, RECEIVE_CALLS, &["simple_copy_to_iter"]), BYTES, "{receiver:?}");
    for side in report.styles.iter().flat_map(|style| &style.stacks) {
        let frames = side.paths.iter().flat_map(|path| &path.frames);
        let odd: Vec<_> = frames.filter(|f| f.starts_with("bpf_") || f.starts_with("0x")).collect();
        assert!(odd.is_empty(), "{odd:?}");
        assert_eq!(side.unnamed, None);
    }
}

#[test]
fn without_stacks_there_are_none() {
    let (_, report) = lab(&["sendfile", "--size", "64K"]);
    assert!(report.styles.iter().all(|style| style.stacks.is_empty()));
}

#[test]
fn the_ways_go_to_text_to_folded_lines_and_to_a_picture() {
    let folder = scratch();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (folded, graph) = (file("folded"), file("graph.svg"));
    let arguments = [
        "lab",
        "read-send",
        "--size",
        "1M",
        "--stacks",
        "--folded",
        &folded,
        "--flamegraph",
        &graph,
    ];
    let output = run(&arguments);
    assert_eq!(status(&output), 0);
    let text = stdout(&output);
    assert!(text.contains("  sender: 2 MiB copied, by the way through the kernel:\n"), "{text}");
    let read =
        text.lines().find(|line| READS.iter().any(|read| line.contains(&format!("→ {read}  "))));
    assert!(read.is_some_and(|line| line.ends_with("  1 MiB  KU")), "{text}");
    assert!(text.lines().any(|line| line.ends_with("tcp_sendmsg_locked  1 MiB  UK")), "{text}");

    let folded = fs::read_to_string(folded).unwrap();
    let mut sums = BTreeMap::<_, u64>::new();
    for line in folded.lines() {
        let (way, bytes) = line.rsplit_once(' ').unwrap();
        let mut frames = way.split(';');
        assert_eq!(frames.next(), Some("read-send"));
        *sums.entry(frames.next().unwrap().to_owned()).or_default() +=
            bytes.parse::<u64>().unwrap();
    }
    let expected = [("receiver".to_owned(), 1 << 20), ("sender".to_owned(), 2 << 20)];
    assert_eq!(sums, BTreeMap::from(expected), "{folded}");

    let graph = fs::read_to_string(graph).unwrap();
    assert!(graph.starts_with("<svg ") && graph.ends_with("</svg>\n"), "{graph}");
    assert!(graph.contains("tcp_sendmsg_locked: 1048576 bytes (1 MiB), 33.33 % of all"), "{graph}");
}

#[test]
fn a_kernel_that_keeps_shorter_stacks_is_told_which_setting_is_in_the_way() {
    const DEPTH: &str = "/proc/sys/kernel/perf_event_max_stack";
    nothing_left_behind();
    // Busy until the kernel has freed the last map of stacks, some time after its programs.
    let depth = fs::read_to_string(DEPTH).unwrap();
    wait_for("end of all maps of stacks", || fs::write(DEPTH, depth.trim()).ok());
    let _short = set(DEPTH, "64");
    let output = run(&["lab", "sendfile", "--size", "64K"]);
    assert_eq!(status(&output), 2);
    let said = stderr(&output);
    assert!(
        said.contains("kernel.perf_event_max_stack is 64, and has to be 127 or more"),
        "{said}"
    );
}

#[test]
fn hidden_names_are_told_and_not_made_up() {
    let _restricted = set(KPTR_RESTRICT, "2");
    let (status, report) = lab(&["read-send", "sendfile", "--stacks", "--size", "64K"]);
    assert_eq!((status, report.complete), (0, true), "the counts need no names");
    for style in &report.styles {
        for side in assert_exact(style) {
            let why = side.unnamed.as_deref().unwrap();
            assert!(why.contains("kernel.kptr_restrict to less than 2 (it is 2)"), "{why}");
            for path in &side.paths {
                assert!(path.frames.len() > 3, "{path:?}");
                assert!(path.frames.iter().all(|frame| frame.starts_with("0xffff")), "{path:?}");
            }
        }
    }
}
