//! Audits of made-up samples: each way the three numbers can agree, differ or be absent.

use super::*;
use crate::{
    measure::{LeafSample, Loss},
    result::{
        Copied, PageFaults, SideReport, SiteReport,
        meters::{Devices, Switches},
    },
};

const BYTES: u64 = 1 << 20;
const SENDER: Group = Group::traced(1).unwrap();
const RECEIVER: Group = Group::traced(2).unwrap();

fn side_report(copied: [Option<u64>; 3]) -> SideReport {
    let [user_to_kernel, kernel_to_user, kernel_to_kernel] = copied;
    SideReport {
        copied: Copied { user_to_kernel, kernel_to_user, kernel_to_kernel },
        copies_per_byte: Copied::from_fn(|_| None),
        aside: None,
        coverage: None,
        lent: None,
        switches: Switches::default(),
        mode_switches: None,
        mode_switches_per_mib: None,
        syscalls: None,
        page_faults: PageFaults { user: None, kernel: None },
        fixed_syscalls: None,
        by_syscall: None,
        sites: Some(Vec::new()),
        lines: Vec::new(),
    }
}

/// What the sites say of a read-send.
fn by_sites(sender: [Option<u64>; 3]) -> RunReport {
    RunReport {
        verdict: Verdict::Verified,
        moved_bytes: BYTES,
        hash_ok: Some(true),
        sender: side_report(sender),
        receiver: Some(side_report([Some(0), Some(BYTES), Some(0)])),
        devices: Devices::default(),
        stacks: Vec::new(),
        machine: None,
    }
}

fn found(leaf: Leaf) -> Found {
    let entry = &LEAVES[leaf as usize];
    Found { entry, function: entry.functions[0], address: Some(1) }
}

/// Passes of one side: leaf, iterator, calls, bytes; each was hit as often as it was counted.
fn sample(passes: &[(Leaf, IterClass, u64, u64)], watched: &[Found]) -> LeafSample {
    let tally = |(leaf, class, calls, bytes): &(Leaf, IterClass, u64, u64)| {
        ((*leaf, *class), Tally { calls: *calls, bytes: *bytes })
    };
    let mut sample =
        LeafSample { tallies: passes.iter().map(tally).collect(), hits: BTreeMap::new() };
    for found in watched {
        let leaf = found.entry.leaf;
        sample.hits.insert(leaf, sample.runs(leaf));
    }
    sample
}

/// Two rounds of a faultless read-send, as counted on 6.12.
fn rounds() -> Vec<Round> {
    let delivered =
        Delivered { sent: BYTES, received: BYTES, hash: Some("h".into()), ..Delivered::default() };
    let payload = [Leaf::CopyToIter, Leaf::CopyFromIter].map(found).to_vec();
    let control = [Leaf::CopyToUser, Leaf::CopyFromUser].map(found).to_vec();
    let arguments = |bytes| sample(&[(Leaf::CopyFromUser, IterClass::None, 2, bytes)], &control);
    let both = |sender, receiver| CountedLeaves {
        samples: BTreeMap::from([(SENDER, sender), (RECEIVER, receiver)]),
        loss: Loss::default(),
    };
    let nobody = |watched: &[Found]| both(sample(&[], watched), sample(&[], watched));
    let read = (Leaf::CopyToIter, IterClass::User, 256, BYTES);
    let send = (Leaf::CopyFromIter, IterClass::User, 48, BYTES);
    vec![
        Round {
            empty: nobody(&payload),
            method: Method::Breakpoint,
            run: both(sample(&[read, send], &payload), sample(&[read], &payload)),
            leaves: payload,
            delivered: delivered.clone(),
        },
        Round {
            method: Method::Breakpoint,
            empty: both(arguments(8), sample(&[], &control)),
            run: both(arguments(64), sample(&[], &control)),
            leaves: control,
            delivered,
        },
    ]
}

fn derive(run: &RunReport, rounds: &[Round]) -> AuditReport {
    let sides = [
        AuditSide { side: Side::Sender, group: SENDER, moved: SENT },
        AuditSide { side: Side::Receiver, group: RECEIVER, moved: RECEIVED },
    ];
    audit(run, rounds, &sides, true)
}

/// What a read-send moves through its own memory, and a receiver.
const SENT: OwnMemory = OwnMemory { into: BYTES, out_of: BYTES };
const RECEIVED: OwnMemory = OwnMemory { into: BYTES, out_of: 0 };

const SITES: [Option<u64>; 3] = [Some(BYTES), Some(BYTES), Some(0)];

fn read_of(audit: &AuditReport) -> &AuditLine {
    let of =
        |line: &&AuditLine| (line.side, line.quantity) == (Side::Sender, Quantity::KernelToUser);
    audit.lines.iter().find(of).unwrap()
}

#[test]
fn three_equal_numbers_are_verified_and_arguments_are_no_payload() {
    let audit = derive(&by_sites(SITES), &rounds());
    assert_eq!(audit.verdict, Verdict::Verified);
    assert_eq!(audit.lines.len(), 6);
    let read = read_of(&audit);
    let numbers = [read.site_bytes, read.leaf_bytes, read.user_bytes];
    assert_eq!(numbers, [Some(1_048_576); 3]);
    // 64 bytes of arguments, less the 8 that the empty run passes too.
    assert_eq!((audit.control_bytes.sender, audit.control_bytes.receiver), (Some(56), Some(0)));
    let kernel = audit.lines.iter().filter(|line| line.quantity == Quantity::KernelToKernel);
    assert!(kernel.clone().count() == 2 && kernel.clone().all(|line| line.user_bytes.is_none()));
}

#[test]
fn any_one_number_that_differs_refutes() {
    let mut too_many = SITES;
    too_many[1] = Some(BYTES + 1);
    let by_site = derive(&by_sites(too_many), &rounds());
    let mut fewer = rounds();
    let sender = fewer[0].run.samples.get_mut(&SENDER).unwrap();
    sender.tallies.get_mut(&(Leaf::CopyToIter, IterClass::User)).unwrap().bytes -= 1;
    let by_leaf = derive(&by_sites(SITES), &fewer);
    for audit in [by_site, by_leaf] {
        assert_eq!(audit.verdict, Verdict::Refuted);
        assert_eq!(read_of(&audit).verdict, Verdict::Refuted);
        let refuted = audit.lines.iter().filter(|line| line.verdict == Verdict::Refuted);
        assert_eq!(refuted.count(), 1);
    }
    let sides = [
        AuditSide { side: Side::Sender, group: SENDER, moved: RECEIVED },
        AuditSide { side: Side::Receiver, group: RECEIVER, moved: RECEIVED },
    ];
    // User space that handed nothing to the kernel against a copy that both others saw.
    assert_eq!(audit(&by_sites(SITES), &rounds(), &sides, true).verdict, Verdict::Refuted);
}

#[test]
fn a_copy_that_no_leaf_can_see_is_left_out() {
    let mut sites = SITES;
    sites[2] = Some(BYTES);
    let mut run = by_sites(sites);
    let copied = SiteReport {
        site: "skb_copy_ubufs",
        function: "skb_copy_ubufs",
        iterator: "pages",
        effect: Effect::Copy(Direction::KernelToKernel),
        calls: 3,
        bytes: BYTES,
    };
    run.sender.sites = Some(vec![copied.clone()]);
    let audit = derive(&run, &rounds());
    let inside = &audit.lines[2];
    assert_eq!((inside.quantity, inside.site_bytes), (Quantity::KernelToKernel, Some(0)));
    assert_eq!(audit.verdict, Verdict::Verified);
    run.sender.sites = Some(vec![SiteReport { iterator: "kernel", ..copied }]);
    assert_eq!(derive(&run, &rounds()).verdict, Verdict::Refuted);
}

#[test]
fn a_broken_transfer_refutes() {
    let sides =
        [SENDER, RECEIVER].map(|group| AuditSide { side: Side::Receiver, group, moved: RECEIVED });
    assert_eq!(audit(&by_sites(SITES), &rounds(), &sides, false).verdict, Verdict::Refuted);
}

#[test]
fn a_hit_that_no_program_counted_is_a_loss_not_a_difference() {
    let mut rounds = rounds();
    *rounds[0].run.samples.get_mut(&SENDER).unwrap().hits.get_mut(&Leaf::CopyToIter).unwrap() += 1;
    let audit = derive(&by_sites(SITES), &rounds);
    assert_eq!(audit.verdict, Verdict::NotObserved);
    let loss = "the sender passed _copy_to_iter 257 times, of which 256 were counted";
    assert_eq!(audit.losses, [loss]);
    let read = read_of(&audit);
    assert_eq!((read.leaf_bytes, read.reason.as_deref()), (None, Some(loss)));
    assert_eq!(audit.control_bytes.sender, None);
}

#[test]
fn a_kprobe_has_no_hits_and_the_kernel_tells_what_it_skipped() {
    let mut rounds = rounds();
    for round in &mut rounds {
        round.method = Method::Kprobe;
        let samples = round.run.samples.values_mut().chain(round.empty.samples.values_mut());
        samples.for_each(|sample| sample.hits.clear());
    }
    let audit = derive(&by_sites(SITES), &rounds);
    assert_eq!(audit.verdict, Verdict::Verified);
    assert!(audit.leaves.iter().all(|leaf| leaf.hits.is_none()));
    rounds[1].run.loss.recursion_misses.insert("kprobe_copy_to_user".into(), 3);
    let audit = derive(&by_sites(SITES), &rounds);
    assert_eq!(audit.verdict, Verdict::NotObserved);
    assert_eq!(audit.losses, ["3 counts of kprobe_copy_to_user were lost to nested probes"]);
}

#[test]
fn a_leaf_that_was_not_watched_is_a_loss_too() {
    let mut rounds = rounds();
    rounds[0].empty.samples.get_mut(&RECEIVER).unwrap().hits.remove(&Leaf::CopyFromIter);
    let audit = derive(&by_sites(SITES), &rounds);
    assert_eq!(audit.losses, ["the receiver was not watched at _copy_from_iter"]);
}

#[test]
fn what_the_sites_did_not_observe_is_not_verified_by_the_leaves() {
    let audit = derive(&by_sites([Some(BYTES), None, Some(0)]), &rounds());
    let read = read_of(&audit);
    assert_eq!((read.leaf_bytes, read.user_bytes), (Some(BYTES), Some(BYTES)));
    assert_eq!(read.verdict, Verdict::NotObserved);
    assert_eq!(audit.verdict, Verdict::NotObserved);
}
