//! `zc lab --audit`: two methods and user space agree to the byte, or the audit says why not.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread::available_parallelism,
};

use rustix::process::{Pid, Signal, kill_process};
use zc::{
    kernel::{
        breakpoint::{Breakpoint, Scope},
        facts::symbol_addresses,
    },
    measure::{Engine, LeafSample, LeafWindow},
    probes::{
        attach::Probes,
        audit::{attach_kprobes, prepare},
        catalogue::Direction,
        leaves::{Carries, Found, LEAVES, Method},
    },
    transfer::session::Window,
};
use zc_common::{Group, IterClass, Leaf};

use crate::{
    following::stopped_shell,
    lab::assert_exact as assert_exact_at_sites,
    report::{Audit, Lab},
    support::{
        KPTR_RESTRICT, PERF_EVENT_PARANOID, lab, loaded_programs, nothing_left_behind, parsed, run,
        scratch, set, shared, small_lab, status, stderr, stdout, wait_for, zc,
    },
    user::{Privilege, as_user},
};

/// One style, counted by two methods.
pub(crate) const AUDIT: &[&str] = &["lab", "read-send", "--audit", "--size", "1M"];

/// Two methods, one of them with a gap.
pub(crate) const AUDIT_WITHOUT_A_SITE: &[&str] =
    &["lab", "--json", "--audit", "--size", "1M", "--disable-site", "filemap_read"];

/// Payload bytes by sites, leaves and user space of each line, in the order of the report: sender
/// UK, KU, KK, receiver UK, KU, KK. User space cannot see a copy inside the kernel.
fn numbers(audit: &Audit) -> Vec<[Option<u64>; 3]> {
    let numbers =
        |line: &crate::report::AuditLine| [line.site_bytes, line.leaf_bytes, line.user_bytes];
    audit.lines.iter().map(numbers).collect()
}

/// What an exact audit of `style` says of `bytes`.
fn exact(style: &str, bytes: u64) -> Vec<[Option<u64>; 3]> {
    let (all, none, inside) = ([Some(bytes); 3], [Some(0); 3], [Some(0), Some(0), None]);
    let sender = match style {
        "read-send" => [all, all, inside],
        "mmap-send" => [all, none, inside],
        "sendfile" | "splice" => [none, none, inside],
        other => panic!("no theory for {other}"),
    };
    [sender, [none, all, inside]].concat()
}

fn assert_exact(report: &Lab, bytes: u64) {
    assert_eq!((report.tier.as_str(), report.verdict.as_str()), ("audit", "verified"));
    assert!(report.complete, "{:?}", report.completeness);
    for style in &report.styles {
        let name = style.style.as_str();
        let audit = style.audit.as_ref().expect("every style is audited");
        assert_eq!(audit.verdict, "verified");
        assert_eq!(numbers(audit), exact(name, bytes), "{name}");
        // No style passes arguments by reference inside its window, but for what the empty run
        // passes too.
        assert_eq!((audit.control_bytes.sender, audit.control_bytes.receiver), (Some(0), Some(0)));
        assert!(audit.losses.is_empty());
        for leaf in &audit.leaves {
            assert_eq!(leaf.hits, Some(leaf.runs), "{name}: {leaf:?}");
        }
        let payload = |side: &str| -> u64 {
            let of_side = audit.leaves.iter().filter(|leaf| leaf.side == side);
            of_side.map(|leaf| leaf.payload_bytes.unwrap()).sum()
        };
        let copies = match name {
            "read-send" => 2,
            "mmap-send" => 1,
            _ => 0,
        };
        assert_eq!((payload("sender"), payload("receiver")), (copies * bytes, bytes), "{name}");
    }
}

#[test]
fn every_style_is_exact_by_two_methods() {
    let (status, report) = lab(&["--audit", "--size", "4M"]);
    assert_eq!(status, 0);
    assert_eq!(report.styles.len(), 4);
    assert_exact(&report, 4_194_304);
    let summary = report.audit.as_ref().unwrap();
    assert_eq!((summary.registers, &summary.problem), (Some(4), &None));
    // A stock kernel refuses kprobes on what lies in lib/, or does not tell which it skips.
    assert_eq!(summary.method.as_deref(), Some("breakpoint"));
    let refused = summary.kprobe_refused.as_ref().expect("kprobes come first");
    let silent = "this kernel does not tell which kprobes it skips";
    assert!(refused.starts_with("_copy_to_iter: ") || refused == silent, "{refused}");
    let watched: Vec<_> = summary.rounds.concat();
    for function in ["_copy_to_iter", "_copy_from_iter", "_copy_to_user", "_copy_from_user"] {
        assert!(watched.iter().any(|name| name == function), "{function} in {watched:?}");
    }
    assert!(summary.rounds.iter().all(|round| (1..=4).contains(&round.len())));
}

#[test]
fn sizes_that_are_no_multiple_of_a_page_are_exact_by_two_methods() {
    for (bytes, chunk, more) in [(1_000_003, 4_097, &["--cold"][..]), (1, 65_536, &[])] {
        let given = [bytes, chunk].map(|number| number.to_string());
        let arguments = ["--audit", "--size", &given[0], "--chunk", &given[1]];
        let (status, report) = lab(&[&arguments[..], more].concat());
        assert_eq!(status, 0, "{bytes} in {chunk}");
        assert_exact_at_sites(&report, bytes, chunk);
        if bytes > 1 {
            assert_exact(&report, bytes);
        } else {
            let styles = report.styles.iter();
            styles.for_each(|style| {
                assert_eq!(numbers(style.audit.as_ref().unwrap()), exact(&style.style, 1));
            });
        }
    }
}

#[test]
fn the_text_shows_the_three_numbers_side_by_side() {
    let output = shared(AUDIT);
    assert_eq!(status(&output), 0);
    let text = stdout(&output);
    assert!(text.lines().next().unwrap().ends_with("tier audit"), "{text}");
    let row = "sender    copied, kernel to user  1048576  1048576     1048576  verified";
    assert!(text.lines().any(|line| line == row), "{text}");
    assert!(text.contains("4 debug registers") && text.contains("more runs of each transfer"));
    assert!(text.contains("bytes of arguments, no payload: sender 0, receiver 0"), "{text}");
}

#[test]
fn without_audit_nothing_of_it_is_there() {
    let (status, report) = small_lab();
    assert_eq!((status, report.tier.as_str()), (0, "sites"));
    assert!(report.audit.is_none() && report.styles.iter().all(|style| style.audit.is_none()));
}

#[test]
fn what_the_sites_do_not_observe_the_leaves_show_and_do_not_verify() {
    let (status, report) = parsed(&shared(AUDIT_WITHOUT_A_SITE));
    assert_eq!((status, report.verdict.as_str()), (2, "not observed"));
    let audit = report.style("read-send").audit.as_ref().unwrap();
    assert_eq!(numbers(audit)[1], [None, Some(1_048_576), Some(1_048_576)]);
    assert_eq!(audit.lines[1].verdict, "not observed");
    assert_eq!(audit.lines[0].verdict, "verified");
}

/// The text of an audit that could not be: the sites tier works on, and one line says why.
fn refused(says: &[&str]) {
    let output = run(&["lab", "sendfile", "--size", "256K", "--audit"]);
    let text = stdout(&output);
    assert_eq!(status(&output), 2, "{text}");
    assert!(text.lines().next().unwrap().ends_with("tier sites"), "{text}");
    explained(&text, says);
    let row = "receiver  copied, kernel to user     262144    262144         1  verified  N: recv";
    assert!(text.lines().any(|line| line == row), "the sites are still there: {text}");
}

/// The same in JSON.
fn refused_in_json(says: &[&str]) {
    let (status, report) = lab(&["sendfile", "--size", "256K", "--audit"]);
    assert_eq!((status, report.complete, report.verdict.as_str()), (2, false, "not observed"));
    let problem = report.audit.and_then(|audit| audit.problem).expect("it says why");
    assert!(says.iter().all(|word| problem.contains(word)), "{problem}");
}

fn explained(text: &str, says: &[&str]) {
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("incomplete: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].starts_with("incomplete: no audit: "), "{text}");
    assert!(says.iter().all(|word| lines[0].contains(word)), "{says:?} in {text}");
}

/// Breakpoints that somebody else has on every processor.
fn hold(registers: usize) -> Vec<Breakpoint> {
    let address = symbol_addresses(&["_copy_to_iter"])["_copy_to_iter"].unwrap();
    let processors = u32::try_from(available_parallelism().unwrap().get()).unwrap();
    let taken = (0..processors).flat_map(|processor| vec![processor; registers]);
    taken.map(|processor| Breakpoint::open(address, Scope::Processor(processor)).unwrap()).collect()
}

#[test]
fn debug_registers_that_others_hold() {
    let held = hold(4);
    refused_in_json(&["none of the processor's 4 debug registers is free", "end the debugger"]);
    let doctor = run(&["doctor"]);
    assert!(stdout(&doctor).contains("0 of 4 debug registers are free"), "{}", stdout(&doctor));
    drop(held);
    let held = hold(3);
    let (status, report) = lab(&["read-send", "--audit", "--size", "256K"]);
    assert_eq!(status, 0);
    assert_exact(&report, 262_144);
    let summary = report.audit.unwrap();
    assert_eq!(summary.registers, Some(1));
    assert!(summary.rounds.iter().all(|round| round.len() == 1), "{:?}", summary.rounds);
    drop(held);
}

#[test]
fn hidden_addresses() {
    let _hidden = set(KPTR_RESTRICT, "2");
    refused(&["the kernel hides the addresses", "kernel.kptr_restrict to 1 (it is 2)"]);
    let doctor = run(&["doctor"]);
    assert_eq!(status(&doctor), 0, "the lab needs no addresses");
    assert!(stdout(&doctor).contains("its address is hidden"), "{}", stdout(&doctor));
}

#[test]
fn the_two_capabilities_of_the_sites_are_not_enough() {
    let folder = scratch();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(folder.path(), mode).unwrap();
    let audit = || {
        let mut command = as_user(zc(), Privilege::Tracing);
        // What calibrating needs is another matter.
        command.args(["lab", "sendfile", "--size", "256K", "--audit", "--no-calibrate", "--dir"]);
        command.arg(folder.path());
        let output = command.output().unwrap();
        nothing_left_behind();
        assert_eq!(status(&output), 2);
        assert_eq!(stderr(&output), "");
        stdout(&output)
    };
    let _capability_decides = set(KPTR_RESTRICT, "1");
    explained(&audit(), &["be root or have CAP_SYSLOG"]);
    // Addresses for everybody: the kernel still keeps breakpoints in its code to CAP_SYS_ADMIN.
    let _shown = set(KPTR_RESTRICT, "0");
    let _open = set(PERF_EVENT_PARANOID, "-1");
    explained(&audit(), &["only CAP_SYS_ADMIN", "run it as root"]);
}

/// How often a shell and all that it starts call `number`.
fn calls(engine: &mut Engine, number: usize, script: &str) -> u64 {
    let group = Group::traced(1).unwrap();
    let mut shell = stopped_shell(script);
    engine.watch(shell.id(), group).unwrap();
    engine.arm(&[group]).unwrap();
    kill_process(Pid::from_child(&shell), Signal::CONT).unwrap();
    assert!(shell.wait().unwrap().success());
    let sample = engine.disarm().unwrap().remove(&group).unwrap();
    sample.syscalls.get(&number).map_or(0, |tally| tally.calls)
}

/// What a shell and all that it starts do at `leaves`.
fn at_leaves(engine: &mut Engine, method: Method, leaves: &[Found], script: &str) -> LeafSample {
    let group = Group::traced(1).unwrap();
    let mut shell = stopped_shell(script);
    engine.watch(shell.id(), group).unwrap();
    let processes = [(shell.id(), group)];
    let mut window = LeafWindow::new(engine, method, leaves, &processes, None);
    window.open().unwrap();
    kill_process(Pid::from_child(&shell), Signal::CONT).unwrap();
    assert!(shell.wait().unwrap().success());
    window.close().unwrap();
    window.counted().unwrap().samples.remove(&group).unwrap()
}

#[test]
fn children_inherit_the_breakpoints_and_every_hit_is_counted() {
    const BYTES: u64 = 600_000;
    const GETRANDOM: usize = 318;
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, vec![1; usize::try_from(BYTES).unwrap()]).unwrap();
    let path = file.display();
    // Each byte is read from a file, written to a pipe, read from it, and written to a file.
    let script = format!("dd if={path} bs=4k | sh -c 'dd bs=4k of={path}.copy; true'");
    let mut probes = Probes::attach(&[]).unwrap();
    let plan = prepare(&mut probes).unwrap();
    let mut engine = Engine::new(probes);
    let mut copied = BTreeMap::new();
    for leaves in &plan.rounds {
        let sample = at_leaves(&mut engine, plan.method, leaves, &script);
        for found in leaves {
            let leaf = found.entry.leaf;
            assert_eq!(sample.hits[&leaf], sample.runs(leaf), "{}", found.function);
        }
        for ((leaf, class), tally) in sample.tallies {
            *copied.entry(LEAVES[leaf as usize].carries(class)).or_insert(0) += tally.bytes;
        }
    }
    // glibc's malloc asks getrandom(2) for 8 bytes at the start of a program, which come through
    // the same primitive.
    let random = 8 * calls(&mut engine, GETRANDOM, &script);
    drop(engine);
    nothing_left_behind();
    assert_eq!(copied[&Carries::Payload(Direction::KernelToUser)], 2 * BYTES + random);
    assert_eq!(copied[&Carries::Payload(Direction::UserToKernel)], 2 * BYTES);
    // The arguments of execve and the like.
    assert!(copied[&Carries::Control(Direction::UserToKernel)] > 0);
}

#[test]
fn kprobes_count_where_the_kernel_takes_them_on_every_leaf() {
    const BYTES: usize = 20_000;
    // Stock kernels refuse them on every leaf. This site takes one, and its size and iterator are in
    // the registers of csum_and_copy_to_iter.
    let stand_in = Found {
        entry: &LEAVES[Leaf::CsumAndCopyToIter as usize],
        function: "simple_copy_to_iter",
        address: None,
    };
    let leaf = Found {
        entry: &LEAVES[Leaf::CopyToIter as usize],
        function: "_copy_to_iter",
        address: None,
    };
    let mut probes = Probes::attach(&[]).unwrap();
    let refused = attach_kprobes(&mut probes.ebpf, &[stand_in, leaf]).unwrap_err();
    assert!(refused.starts_with("_copy_to_iter: "), "{refused}");
    let kprobes = || loaded_programs().iter().filter(|name| name.starts_with("kprobe_")).count();
    wait_for("the end of the other kprobe", || (kprobes() == 0).then_some(()));
    attach_kprobes(&mut probes.ebpf, &[stand_in]).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let mut engine = Engine::new(probes);
    let group = Group::traced(1).unwrap();
    engine.watch(std::process::id(), group).unwrap();
    let processes = [(std::process::id(), group)];
    let leaves = [stand_in];
    let mut window = LeafWindow::new(&mut engine, Method::Kprobe, &leaves, &processes, None);
    window.open().unwrap();
    sender.write_all(&[7; BYTES]).unwrap();
    receiver.read_exact(&mut [0; BYTES]).unwrap();
    window.close().unwrap();
    let counted = window.counted().unwrap();
    assert!(counted.loss.recursion_misses.is_empty(), "{:?}", counted.loss);
    let sample = &counted.samples[&group];
    assert!(sample.hits.is_empty());
    let tally = sample.tallies[&(Leaf::CsumAndCopyToIter, IterClass::User)];
    assert_eq!(tally.bytes, BYTES as u64);
    drop(engine);
    nothing_left_behind();
}
