//! Results from made-up samples: each way a number can be right, wrong or absent.

use super::*;
use crate::{
    expect::Term,
    probes::meters::METERS,
    transfer::{Part, Plan, receive, style},
};

const BYTES: u64 = 1 << 20;
const PLAN: Plan = Plan::plain(BYTES, 64 << 10);
const KILL: usize = 62;

fn tally(calls: u64, bytes: u64) -> Tally {
    Tally { calls, bytes }
}

/// What every window holds: one kill(2).
fn empty() -> Sample {
    Sample { syscalls: BTreeMap::from([(KILL, tally(1, 0))]), ..Sample::default() }
}

fn sample(syscalls: &[(usize, Tally)], sites: &[((Site, IterClass), Tally)]) -> Sample {
    let mut sample = empty();
    sample.syscalls.extend(syscalls.iter().copied());
    sample.sites.extend(sites.iter().copied());
    sample
}

/// A faultless read-send of [`PLAN`], as counted on 6.12.
fn read_send() -> Sample {
    sample(
        &[(0, tally(16, BYTES)), (44, tally(16, BYTES))],
        &[
            ((Site::FilemapRead, IterClass::User), tally(16, BYTES)),
            ((Site::TcpSendmsg, IterClass::User), tally(16, BYTES)),
        ],
    )
}

fn received() -> Sample {
    sample(
        &[(45, tally(16, BYTES))],
        &[((Site::SimpleCopyToIter, IterClass::User), tally(70, BYTES))],
    )
}

/// All there and attached, as on 6.12.
fn attached() -> Vec<Status> {
    SITES
        .iter()
        .map(|row| match row.site {
            Site::DoTcpSendpages => Status::Absent,
            _ => Status::Attached { function: row.functions[0] },
        })
        .collect()
}

struct Setup {
    style: &'static str,
    sender: Sample,
    empty: Sample,
    statuses: Vec<Status>,
    meters: Vec<Status>,
    loss: Loss,
    guesses: Vec<Guess>,
    delivered: Delivered,
}

impl Setup {
    fn new(style: &'static str, sender: Sample) -> Self {
        Self {
            style,
            sender,
            empty: empty(),
            statuses: attached(),
            meters: vec![Status::Attached { function: "f" }; METERS.len()],
            loss: Loss::default(),
            guesses: Vec::new(),
            delivered: Delivered {
                sent: BYTES,
                received: BYTES,
                hash: Some("h".into()),
                ..Delivered::default()
            },
        }
    }

    fn derive(&self) -> RunReport {
        let style = style(self.style).unwrap();
        let input = RunInput {
            style: style.name,
            bytes: BYTES,
            hash: "h",
            delivered: &self.delivered,
            statuses: &self.statuses,
            meters: &self.meters,
            loss: &self.loss,
            guesses: &self.guesses,
            machine: &Sample { syscalls: BTreeMap::new(), ..empty() },
        };
        let received = received();
        let side = |side, run, part: &Part| SideInput {
            side,
            run,
            empty: &self.empty,
            jobs: part.jobs,
            cost: (part.cost)(PLAN),
            own: if side == Side::Sender { self.delivered.sender } else { OwnSide::default() },
        };
        run(
            &input,
            &side(Side::Sender, &self.sender, &style.sender),
            Some(&side(Side::Receiver, &received, &receive::TCP)),
        )
    }

    fn line(&self, quantity: Quantity) -> Line {
        let run = self.derive();
        run.sender.lines.into_iter().find(|line| line.quantity == quantity).unwrap()
    }
}

#[test]
fn a_faultless_run_is_verified_without_its_fixed_cost() {
    let run = Setup::new("read-send", read_send()).derive();
    assert_eq!(run.verdict, Verdict::Verified);
    assert_eq!(run.sender.copied.kernel_to_user, Some(BYTES));
    assert_eq!(run.sender.copied.user_to_kernel, Some(BYTES));
    assert_eq!(run.sender.copied.kernel_to_kernel, Some(0));
    assert_eq!(run.sender.copies_per_byte.user_to_kernel, Some(1.0));
    assert_eq!(run.sender.syscalls, Some(32), "kill(2) is in both runs");
    assert_eq!(run.sender.mode_switches, Some(64));
    assert_eq!(run.sender.fixed_syscalls, Some(1));
    assert_eq!(run.machine.unwrap().kernel_to_kernel, 0);
}

#[test]
fn one_byte_more_or_less_is_refuted() {
    for bytes in [BYTES - 1, BYTES + 1] {
        let mut sender = read_send();
        sender.sites.insert((Site::TcpSendmsg, IterClass::User), tally(16, bytes));
        let setup = Setup::new("read-send", sender);
        let line = setup.line(Quantity::UserToKernel);
        assert_eq!((line.predicted, line.measured), (BYTES, Some(bytes)));
        assert_eq!(line.verdict, Verdict::Refuted);
        assert_eq!(setup.derive().verdict, Verdict::Refuted);
    }
}

#[test]
fn a_counter_that_stays_zero_is_refuted_not_verified() {
    let setup =
        Setup::new("read-send", sample(&[(0, tally(16, BYTES)), (44, tally(16, BYTES))], &[]));
    assert_eq!(setup.line(Quantity::KernelToUser).verdict, Verdict::Refuted);
    assert_eq!(setup.line(Quantity::KernelToUser).measured, Some(0));
}

#[test]
fn what_a_completion_tells_is_covered_like_what_a_call_returns() {
    const ENTER: usize = 426;
    let mut sender = read_send();
    sender.syscalls = BTreeMap::from([(KILL, tally(1, 0)), (ENTER, tally(16, 0))]);
    let mut setup = Setup::new("uring-read-send", sender);
    assert_eq!(setup.derive().verdict, Verdict::NotObserved, "copies that nothing accounts for");
    setup.delivered.sender.completed = 2 * BYTES;
    let run = setup.derive();
    assert_eq!(run.verdict, Verdict::Verified);
    assert_eq!(run.sender.coverage.unwrap().returned_bytes, 2 * BYTES);

    // Threads of the kernel's own may have done some of it: what was counted is not all.
    setup.delivered.sender.by_kernel_threads = true;
    let run = setup.derive();
    assert_eq!(run.verdict, Verdict::NotObserved);
    assert_eq!((run.sender.copied.kernel_to_user, run.sender.syscalls), (None, Some(16)));
    let line = setup.line(Quantity::UserToKernel);
    assert_eq!((line.measured, line.reason.as_deref()), (None, Some(KERNEL_THREADS)));
}

#[test]
fn pages_handed_on_are_not_copied() {
    let spliced = tally(272, BYTES);
    let sender = sample(
        &[(40, tally(16, BYTES))],
        &[
            ((Site::TcpSendmsg, IterClass::Kernel), tally(16, BYTES)),
            ((Site::SkbSpliceFromIter, IterClass::Kernel), spliced),
            ((Site::FilemapSpliceRead, IterClass::None), tally(16, BYTES)),
        ],
    );
    let run = Setup::new("sendfile", sender.clone()).derive();
    assert_eq!(run.verdict, Verdict::Verified);
    assert_eq!(run.sender.copied.kernel_to_kernel, Some(0));

    // A NIC without gather: TCP copies what it could not hand on.
    let mut copied = sender.clone();
    copied.sites.remove(&(Site::SkbSpliceFromIter, IterClass::Kernel));
    let run = Setup::new("sendfile", copied).derive();
    assert_eq!(run.sender.copied.kernel_to_kernel, Some(BYTES));
    assert_eq!(run.verdict, Verdict::Refuted);

    // More handed on than sent: one of the two is wrong, so neither is believed.
    let mut wrong = sender;
    wrong.sites.insert((Site::TcpSendmsg, IterClass::Kernel), tally(15, BYTES - 1));
    let line = Setup::new("sendfile", wrong).line(Quantity::KernelToKernel);
    assert_eq!((line.measured, line.verdict), (None, Verdict::NotObserved));
}

#[test]
fn a_page_cache_read_into_a_pipe_is_by_reference() {
    let sender = sample(
        &[(40, tally(16, BYTES))],
        &[
            ((Site::FilemapRead, IterClass::Pipe), tally(16, BYTES)),
            ((Site::FilemapSpliceRead, IterClass::None), tally(16, BYTES)),
            ((Site::DoTcpSendpages, IterClass::None), tally(256, BYTES)),
        ],
    );
    assert_eq!(Setup::new("sendfile", sender).derive().verdict, Verdict::Verified);
}

#[test]
fn what_is_not_watched_is_absent_never_zero() {
    let refused = Status::Refused { function: "filemap_read", reason: "EPERM".into() };
    for (status, says) in [
        (Status::Disabled, "filemap_read is disabled"),
        (refused, "the kernel refused filemap_read: EPERM"),
        (Status::Absent, "no function filemap_read or generic_file_buffered_read"),
    ] {
        // Zero is what theory says here, and what an unattached site would "count".
        let mut setup = Setup::new("sendfile", sample(&[(40, tally(16, BYTES))], &[]));
        setup.statuses[Site::FilemapRead as usize] = status;
        let run = setup.derive();
        assert_eq!(run.verdict, Verdict::NotObserved);
        assert_eq!(run.sender.copied.kernel_to_user, None);
        assert_eq!(run.sender.copied.kernel_to_kernel, None);
        assert_eq!(run.sender.copied.user_to_kernel, Some(0), "no page-cache read feeds it");
        let line = setup.line(Quantity::KernelToUser);
        assert!(line.reason.as_ref().is_some_and(|reason| reason.contains(says)), "{line:?}");
        let json = serde_json::to_value(run).unwrap();
        assert!(json["sender"]["copied"].get("kernel_to_user").is_none());
        assert!(json["sender"]["copies_per_byte"].get("kernel_to_user").is_none());
    }
}

/// What the network stack copies by itself, and pages made private: predicted by nothing, but a sum
/// without one of its sites is no number either.
#[test]
fn a_sum_that_lacks_a_site_is_absent() {
    let sums = |refused: Option<Site>| {
        let mut setup = Setup::new("read-send", read_send());
        if let Some(site) = refused {
            setup.statuses[site as usize] =
                Status::Refused { function: "f", reason: "EPERM".into() };
        }
        let run = setup.derive();
        let copied = run.sender.copied.kernel_to_kernel;
        (copied, run.sender.aside, run.machine.map(|machine| machine.aside))
    };
    assert_eq!(sums(None), (Some(0), Some(0), Some(0)));
    for site in [Site::SkbCopyUbufs, Site::SkbCopyBits, Site::SkbCsumBits, Site::SkbCopy] {
        assert_eq!(sums(Some(site)), (None, None, None), "{site:?}");
    }
    assert_eq!(sums(Some(Site::WpPage)), (Some(0), None, Some(0)), "no payload, nor a softirq's");
    assert_eq!(sums(Some(Site::SwiotlbBounce)), (Some(0), Some(0), None), "for a device");
}

#[test]
fn a_lossy_run_is_never_verified() {
    let losses = [
        Loss { untold: true, ..Loss::default() },
        Loss { recursion_misses: BTreeMap::from([("sys_exit".into(), 1)]), ..Loss::default() },
        Loss { unfollowed_children: 1, ..Loss::default() },
        Loss { forgotten_owners: 1, ..Loss::default() },
    ];
    for loss in losses {
        let mut setup = Setup::new("read-send", read_send());
        setup.loss = loss;
        let run = setup.derive();
        assert_eq!(run.verdict, Verdict::NotObserved);
        assert_eq!((run.sender.syscalls, run.sender.mode_switches), (None, None));
        assert!(run.sender.by_syscall.is_none() && run.sender.sites.is_none());
        assert!(run.machine.is_none());
        assert!(run.sender.lines.iter().all(|line| line.measured.is_none()));
    }
}

/// A file system that reads past the catalogue: the call says that bytes moved, no site saw them.
#[test]
fn bytes_that_no_site_explains_are_never_verified() {
    let mut sender = read_send();
    sender.sites.remove(&(Site::FilemapRead, IterClass::User));
    let mut setup = Setup::new("read-send", sender);
    // Even when somebody predicts just what was counted.
    setup.guesses = vec!["read-send.sender.kernel_to_user=0".parse().unwrap()];
    let run = setup.derive();
    assert!(run.sender.lines.iter().all(|line| line.verdict == Verdict::Verified));
    assert_eq!(run.verdict, Verdict::NotObserved);
    let coverage = run.sender.coverage.unwrap();
    assert_eq!((coverage.returned_bytes, coverage.explained_bytes), (2 * BYTES, BYTES));
    assert_eq!(coverage.ratio, Some(0.5));
}

/// What the network stack copied for the sender's socket is the sender's; headers are no payload.
#[test]
fn copies_in_a_softirq_are_charged_to_the_owner_of_the_socket() {
    let mut sender = read_send();
    sender.sites.insert((Site::SkbCopyBits, IterClass::Paged), tally(1, 500));
    sender.sites.insert((Site::SkbCopyBits, IterClass::Linear), tally(1, 54));
    let run = Setup::new("read-send", sender).derive();
    assert_eq!(run.sender.copied.kernel_to_kernel, Some(500));
    assert_eq!(run.sender.aside, Some(54));
    assert_eq!(run.verdict, Verdict::Refuted);
}

#[test]
fn a_process_that_the_probes_never_met_is_not_observed() {
    let mut setup = Setup::new("sendfile", Sample { syscalls: BTreeMap::new(), ..empty() });
    setup.empty = Sample { syscalls: BTreeMap::new(), ..empty() };
    let line = setup.line(Quantity::Syscalls);
    assert_eq!(line.measured, None);
    assert!(line.reason.unwrap().contains("PID namespace"));
}

#[test]
fn a_fixed_cost_above_the_whole_is_not_a_number() {
    let mut setup = Setup::new("read-send", read_send());
    setup.empty.faults_user = 1;
    assert_eq!(setup.line(Quantity::PageFaults).measured, None);
    assert_eq!(setup.line(Quantity::ModeSwitches).measured, None);
    assert_eq!(setup.line(Quantity::Syscalls).verdict, Verdict::Verified);
}

#[test]
fn a_page_fault_in_user_mode_is_two_switches_one_in_the_kernel_none() {
    let mut sender = read_send();
    sender.faults_user = 3;
    sender.faults_kernel = 5;
    let setup = Setup::new("read-send", sender);
    assert_eq!(setup.line(Quantity::ModeSwitches).measured, Some(64 + 6));
    assert_eq!(setup.derive().sender.page_faults.kernel, Some(5));
}

#[test]
fn a_wrong_guess_is_refuted_with_both_numbers() {
    let mut setup = Setup::new("read-send", read_send());
    setup.guesses = vec!["read-send.sender.mode_switches=4".parse().unwrap()];
    let line = setup.line(Quantity::ModeSwitches);
    assert_eq!((line.predicted, line.measured), (4, Some(64)));
    assert_eq!(line.verdict, Verdict::Refuted);
    // A guess about another style changes nothing.
    setup.guesses = vec!["sendfile.sender.mode_switches=4".parse().unwrap()];
    assert_eq!(setup.derive().verdict, Verdict::Verified);
}

#[test]
fn damaged_content_is_refuted() {
    let mut setup = Setup::new("read-send", read_send());
    setup.delivered.hash = Some("other".into());
    let run = setup.derive();
    assert_eq!((run.verdict, run.hash_ok), (Verdict::Refuted, Some(false)));
    let mut setup = Setup::new("read-send", read_send());
    setup.delivered.received -= 1;
    assert_eq!(setup.derive().verdict, Verdict::Refuted);
}

#[test]
fn a_direction_that_no_site_can_see_is_not_zero() {
    let setup = Setup::new("read-send", read_send());
    let sender = SideInput {
        side: Side::Sender,
        run: &setup.sender,
        empty: &setup.empty,
        jobs: &[Job::SocketReceive],
        cost: Cost { user_to_kernel: Term { value: 0, formula: "0" }, ..(receive::TCP.cost)(PLAN) },
        own: OwnSide::default(),
    };
    let input = RunInput {
        style: "read-send",
        bytes: BYTES,
        hash: "h",
        delivered: &setup.delivered,
        statuses: &setup.statuses,
        meters: &setup.meters,
        loss: &Loss::default(),
        guesses: &[],
        machine: &empty(),
    };
    assert_eq!(side(&input, &sender).copied.user_to_kernel, None);
}
