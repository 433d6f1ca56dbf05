//! Made-up reports, and what their pictures hold.

use serde_json::Value as Json;

use super::*;
use crate::{
    expect::{Cost, Quantity, Verdict},
    measure::Loss,
    network::{EndFacts, Facts, Path},
    probes::{attach::Status, catalogue::SITES, meters::METERS},
    result::{
        Calibration, Completeness, LabReport, Line, MachineReport, NotSupported, Origin, Outcome,
        PageFaults, PlanReport, RunReport, SideReport, StyleReport, Tier, derive, meters,
        meters::{BlockIo, ByCause, Switches},
    },
    transfer::{Part, Plan, STYLES, Style, style},
};
use Direction::{KernelToKernel, KernelToUser, UserToKernel};

const BYTES: u64 = 64 << 20;
pub(crate) const PLAN: Plan = Plan::plain(BYTES, 64 << 10);

fn line(side: Side, quantity: Quantity, cost: &Cost) -> Line {
    let term = cost.of(quantity);
    Line {
        side,
        quantity,
        predicted: term.value,
        formula: term.formula.to_owned(),
        measured: Some(term.value),
        verdict: Verdict::Verified,
        reason: None,
    }
}

/// A side that cost what theory says.
fn side(side: Side, part: &Part, style: &Style) -> SideReport {
    let cost = (part.cost)(PLAN);
    let copied = |way| match way {
        UserToKernel => cost.user_to_kernel.value,
        KernelToUser => cost.kernel_to_user.value,
        KernelToKernel => cost.kernel_to_kernel.value,
    };
    let switches = cost.of(Quantity::ModeSwitches).value;
    let read_bytes = if style.name == "direct" { BYTES } else { 0 };
    SideReport {
        copied: Copied::from_fn(|way| Some(copied(way))),
        aside: Some(0),
        coverage: None,
        lent: None,
        copies_per_byte: Copied::from_fn(|way| Some(copied(way) as f64 / BYTES as f64)),
        mode_switches: Some(switches),
        mode_switches_per_mib: Some(switches as f64 / 64.0),
        switches: Switches {
            mode_switches_by_cause: ByCause { system_calls: Some(switches), ..ByCause::default() },
            block_io: Some(BlockIo { read_bytes, written_bytes: read_bytes }),
            network_bytes: Some(0),
            ..Switches::default()
        },
        syscalls: Some(cost.syscalls.value),
        page_faults: PageFaults { user: Some(0), kernel: Some(0) },
        fixed_syscalls: Some(1),
        by_syscall: None,
        sites: Some(Vec::new()),
        lines: Quantity::ALL.into_iter().map(|quantity| line(side, quantity, &cost)).collect(),
    }
}

/// A run that cost what theory says.
pub(crate) fn run(style: &Style) -> RunReport {
    RunReport {
        verdict: Verdict::Verified,
        moved_bytes: BYTES,
        hash_ok: Some(true),
        sender: side(Side::Sender, &style.sender, style),
        receiver: style.receiver.as_ref().map(|part| side(Side::Receiver, part, style)),
        machine: Some(MachineReport { kernel_to_kernel: 0, aside: 0, sites: Vec::new() }),
        devices: meters::Devices::default(),
        stacks: Vec::new(),
    }
}

fn styled(style: &Style, outcome: Outcome) -> StyleReport {
    StyleReport {
        style: style.name,
        how: style.how,
        textbook_name: style.textbook_name,
        textbook: style.textbook,
        outcome,
        audit: None,
        runs: Vec::new(),
    }
}

fn facts(path: Path) -> Facts {
    let end = EndFacts {
        device: "lo".into(),
        driver: None,
        mtu_bytes: None,
        gather: Some(true),
        tx_checksum: None,
        tso: None,
        gso: None,
    };
    Facts { path, sender: end.clone(), receiver: end }
}

/// The report of all styles, of which reflink is not supported.
pub(crate) fn all() -> LabReport {
    let styles = STYLES.iter().map(|style| {
        let refused = NotSupported {
            side: Side::Sender,
            errno: "EOPNOTSUPP".into(),
            reason: "the file system shares no blocks",
        };
        styled(
            style,
            match style.name {
                "reflink" => Outcome::NotSupported { not_supported: refused },
                _ => Outcome::Measured(Box::new(run(style))),
            },
        )
    });
    lab(styles.collect())
}

/// The report of these.
pub(crate) fn lab(styles: Vec<StyleReport>) -> LabReport {
    let mut sites = vec![Status::Attached { function: "function" }; SITES.len()];
    sites[1] = Status::Refused { function: "function", reason: "EPERM".into() };
    sites[2] = Status::Absent;
    let attached = vec![Status::Attached { function: "f" }; METERS.len()];
    LabReport {
        origin: Origin {
            schema: "zc.lab/1",
            zc: "0",
            kernel: "6.12".into(),
            architecture: "x86_64".into(),
            tier: Tier::Sites,
        },
        complete: true,
        verdict: Verdict::Verified,
        plan: PlanReport {
            size_bytes: BYTES,
            chunk_bytes: PLAN.chunk,
            repeat: 1,
            cold: false,
            network: facts(Path::Loopback),
            hash: "h".into(),
        },
        completeness: Completeness {
            sites: derive::site_statuses(&sites),
            meters: meters::statuses(&attached),
            unmetered: Vec::new(),
            lost: Loss::default(),
            discarded_runs: 0,
            calibration: Calibration::Passed,
            uncalibrated: Vec::new(),
            problems: Vec::new(),
        },
        audit: None,
        styles,
    }
}

/// The report of one run.
pub(crate) fn only(name: &str, run: RunReport) -> LabReport {
    lab(vec![styled(style(name).unwrap(), Outcome::Measured(Box::new(run)))])
}

fn drawn(name: &str, run: &RunReport, path: Path) -> Picture {
    let style = style(name).unwrap();
    lab::picture(&lab::Input { style, run, base: "/styles/0", path, unmetered: &[] })
}

/// From, to, mover, and bytes.
type Seen = (Place, Place, Mover, Option<u64>);

fn arrows(picture: &Picture) -> Vec<Seen> {
    let place = |at: usize| picture.stations[at].place;
    let bytes = |arrow: &Arrow| arrow.bytes.as_ref().and_then(Figure::whole);
    picture.arrows.iter().map(|a| (place(a.from), place(a.to), a.mover, bytes(a))).collect()
}

fn of_style(name: &str) -> Vec<Seen> {
    arrows(&drawn(name, &run(style(name).unwrap()), Path::Loopback))
}

const SENDER: Place = Place::UserMemory(Side::Sender);
const RECEIVER: Place = Place::UserMemory(Side::Receiver);
const NEAR: Place = Place::SocketBuffer(Side::Sender);
const FAR: Place = Place::SocketBuffer(Side::Receiver);
const CARD: Place = Place::Card(Side::Sender);
const KU: Mover = Mover::Cpu(KernelToUser);
const UK: Mover = Mover::Cpu(UserToKernel);
const KK: Mover = Mover::Cpu(KernelToKernel);

#[test]
fn read_and_send_copies_up_and_down_again() {
    assert_eq!(
        of_style("read-send"),
        [
            (Place::Disk, Place::PageCache, Mover::Dma, Some(0)),
            (Place::PageCache, SENDER, KU, Some(BYTES)),
            (SENDER, NEAR, UK, Some(BYTES)),
            (NEAR, CARD, Mover::Dma, Some(0)),
            (NEAR, FAR, Mover::Reference, Some(BYTES)),
            (FAR, RECEIVER, KU, Some(BYTES)),
        ]
    );
}

#[test]
fn sendfile_hands_on_and_never_enters_the_senders_memory() {
    let arrows = of_style("sendfile");
    assert!(arrows.contains(&(Place::PageCache, NEAR, Mover::Reference, Some(BYTES))));
    assert!(!arrows.iter().any(|(from, to, ..)| [from, to].contains(&&SENDER)), "{arrows:?}");
}

#[test]
fn each_link_has_its_own_stations() {
    for (name, arrow) in [
        ("mmap-send", (Place::PageCache, SENDER, Mover::Reference, Some(BYTES))),
        ("zerocopy-send", (SENDER, NEAR, Mover::Reference, Some(BYTES))),
        // The same machine receives.
        ("zerocopy-send", (NEAR, FAR, KK, Some(BYTES))),
        ("pipe", (Place::Pipe, RECEIVER, KU, Some(BYTES))),
        ("unix-stream", (SENDER, Place::UnixSocket, UK, Some(BYTES))),
        ("vmsplice", (SENDER, Place::Pipe, Mover::Reference, Some(BYTES))),
        ("process-vm-readv", (SENDER, RECEIVER, KU, Some(BYTES))),
        ("shared-memory", (Place::SharedMemory, RECEIVER, Mover::Reference, Some(BYTES))),
        ("copy-file-range", (Place::PageCache, Place::OtherPageCache, KK, Some(BYTES))),
        ("mmap-read", (Place::PageCache, SENDER, Mover::Reference, Some(BYTES))),
        ("direct", (Place::Disk, SENDER, Mover::Dma, Some(BYTES))),
    ] {
        let arrows = of_style(name);
        assert!(arrows.contains(&arrow), "{name}: {arrow:?} in {arrows:?}");
    }
}

#[test]
fn over_cards_a_device_moves_the_bytes_and_what_it_writes_is_not_counted() {
    let mut run = run(style("sendfile").unwrap());
    run.sender.switches.network_bytes = Some(BYTES + 66);
    let picture = drawn("sendfile", &run, Path::Nic);
    let arrows = arrows(&picture);
    assert!(arrows.contains(&(NEAR, CARD, Mover::Dma, Some(BYTES + 66))), "{arrows:?}");
    let unseen = (Place::Card(Side::Receiver), FAR, Mover::Dma, None);
    assert!(arrows.contains(&unseen), "{arrows:?}");
    assert!(picture.arrows.iter().any(|arrow| arrow.note == Some(Note::CardWrites)));
}

/// A card that does not gather gets each packet in one piece.
#[test]
fn a_packet_in_one_piece_is_a_station() {
    let mut run = run(style("read-send").unwrap());
    run.sender.copied.kernel_to_kernel = Some(BYTES);
    let arrows = arrows(&drawn("read-send", &run, Path::Nic));
    assert!(arrows.contains(&(NEAR, Place::Packet, KK, Some(BYTES))), "{arrows:?}");
    assert!(arrows.contains(&(Place::Packet, CARD, Mover::Dma, Some(0))), "{arrows:?}");
}

/// A copy that the style is not meant to make is in the picture all the same.
#[test]
fn what_should_not_be_is_drawn() {
    let mut copies = run(style("sendfile").unwrap());
    copies.sender.copied.user_to_kernel = Some(5);
    let arrows = arrows(&drawn("sendfile", &copies, Path::Loopback));
    assert!(arrows.contains(&(SENDER, NEAR, UK, Some(5))), "{arrows:?}");
    for style in STYLES {
        for (side, way) in [(0, KernelToUser), (0, KernelToKernel), (1, UserToKernel)] {
            let mut run = run(style);
            let of = match side {
                0 => Some(&mut run.sender),
                _ => run.receiver.as_mut(),
            };
            let Some(of) = of else { continue };
            match way {
                KernelToUser => of.copied.kernel_to_user = Some(7),
                UserToKernel => of.copied.user_to_kernel = Some(7),
                KernelToKernel => of.copied.kernel_to_kernel = Some(7),
            }
            let path = Path::Loopback;
            let picture =
                lab::picture(&lab::Input { style, run: &run, base: "", path, unmetered: &[] });
            let found = |a: &Arrow| {
                a.mover == Mover::Cpu(way) && a.bytes.as_ref().and_then(Figure::whole) == Some(7)
            };
            assert!(picture.arrows.iter().any(found), "{style:?} {way:?}: {picture:?}");
        }
    }
}

#[test]
fn what_was_not_observed_has_an_arrow_without_a_number() {
    let mut run = run(style("read-send").unwrap());
    let of = &mut run.sender;
    of.copied = Copied::from_fn(|_| None);
    of.copies_per_byte = Copied::from_fn(|_| None);
    of.switches.block_io = None;
    of.lines.iter_mut().for_each(|line| line.reason = Some("refused".into()));
    let why = ["block I/O: no function".to_owned()];
    let style = style("read-send").unwrap();
    let path = Path::Loopback;
    let picture = lab::picture(&lab::Input { style, run: &run, base: "", path, unmetered: &why });
    let unseen: Vec<_> = picture.arrows.iter().filter(|arrow| !arrow.is_observed()).collect();
    let said: Vec<_> = unseen.iter().map(|arrow| (arrow.mover, arrow.reason.as_deref())).collect();
    let refused = Some("refused");
    let disk = Some("block I/O: no function");
    assert_eq!(said, [(Mover::Dma, disk), (KU, refused), (UK, refused), (KK, refused)]);
}

/// All figures of a report's pictures and bars.
fn figures(pictures: &[Picture], bars: &[bars::Bar]) -> Vec<Figure> {
    let arrows = pictures.iter().flat_map(|picture| &picture.arrows);
    let of_arrows = arrows.flat_map(|arrow| [arrow.bytes.clone(), arrow.copies.clone()]);
    let parts = bars.iter().flat_map(|bar| &bar.parts).map(|part| part.figure.clone());
    of_arrows.flatten().chain(parts).collect()
}

#[track_caller]
pub(crate) fn assert_in(json: &Json, pointer: &str, raw: &str) {
    let found = json.pointer(pointer).map_or_else(String::new, Json::to_string);
    assert_eq!(found, raw, "{pointer}");
}

#[test]
fn every_figure_is_in_the_json() {
    let report = all();
    let json = serde_json::to_value(&report).unwrap();
    let placed: Vec<_> =
        report.styles.iter().enumerate().map(|(at, s)| (s, format!("/styles/{at}"))).collect();
    let pictures: Vec<_> = placed
        .iter()
        .filter_map(|(style, base)| lab::style(style, base, Path::Loopback, &[]))
        .collect();
    assert_eq!(pictures.len(), STYLES.len() - 1);
    let runs = bars::placed(&placed);
    let bars = [bars::copies(&runs), bars::switches(&runs)].concat();
    let figures = figures(&pictures, &bars);
    assert!(figures.len() > 300);
    for Figure { pointer, value } in figures {
        assert_in(&json, &pointer, &value.map_or_else(String::new, |value| value.to_string()));
    }
}

#[test]
fn a_trace_has_an_arrow_for_each_flow_and_device() {
    let report = crate::result::trace::tests::full();
    let json = serde_json::to_value(&report).unwrap();
    let picture = trace::picture(&report);
    let arrows = arrows(&picture);
    for arrow in [
        (Place::Kind("regular file"), Place::Memory, KU, Some(64)),
        (Place::Kind("regular file"), Place::Kind("TCP"), Mover::Reference, Some(64)),
        (Place::Disk, Place::KernelMemory, Mover::Dma, Some(0)),
    ] {
        assert!(arrows.contains(&arrow), "{arrow:?} in {arrows:?}");
    }
    let bars = [bars::flows(&report), bars::causes(&report)].concat();
    for Figure { pointer, value } in figures(&[picture], &bars) {
        assert_in(&json, &pointer, &value.map_or_else(String::new, |value| value.to_string()));
    }
}

#[test]
fn small_flows_are_left_to_the_table() {
    let mut report = crate::result::trace::tests::full();
    let flow = report.flows[0].clone();
    report.flows =
        (1..=20).map(|n| crate::result::trace::Flow { bytes: Some(n), ..flow.clone() }).collect();
    let picture = trace::picture(&report);
    assert_eq!(picture.smaller, 8);
    let bytes: Vec<_> = arrows(&picture).into_iter().map(|(.., bytes)| bytes).collect();
    assert!(bytes.contains(&Some(9)) && !bytes.contains(&Some(8)), "{bytes:?}");
    assert_eq!(picture.arrows[0].bytes.as_ref().unwrap().pointer, "/flows/19/bytes");
}

/// The kernel knows a registered buffer by its pages: a copy into it is one inside the kernel.
#[test]
fn a_registered_buffer_is_filled_by_a_copy_inside_the_kernel() {
    let mut run = run(style("uring-fixed").unwrap());
    let copied = crate::result::SiteReport {
        site: "filemap_read",
        function: "filemap_read",
        iterator: "kernel",
        effect: crate::probes::catalogue::Effect::Copy(KernelToKernel),
        calls: 1,
        bytes: BYTES,
    };
    run.sender.sites = Some(vec![copied]);
    let arrows = arrows(&drawn("uring-fixed", &run, Path::Loopback));
    assert_eq!(
        arrows[1..3],
        [(Place::PageCache, SENDER, KK, Some(BYTES)), (SENDER, NEAR, UK, Some(BYTES))]
    );
    assert!(arrows.contains(&(NEAR, FAR, Mover::Reference, Some(BYTES))), "{arrows:?}");
}

/// In the boundary tier what was received from a stream is known to have been copied, and no more.
#[test]
fn what_is_known_of_a_flow_in_part_is_drawn() {
    let mut report = crate::result::trace::tests::full();
    let flow = &mut report.flows[0];
    (flow.copied.user_to_kernel, flow.copied.kernel_to_kernel) = (None, None);
    flow.copies_per_byte = None;
    flow.verdict = crate::result::trace::FlowVerdict::NotObserved;
    let picture = trace::picture(&report);
    let arrow = picture.arrows.iter().find(|arrow| arrow.mover == KU).unwrap();
    assert_eq!(arrow.bytes.as_ref().unwrap().pointer, "/flows/0/copied/kernel_to_user");
    assert!(arrow.copies.is_none() && arrow.reason.is_some());
    report.flows[0].copied.kernel_to_user = None;
    let picture = trace::picture(&report);
    let unknown = |arrow: &&Arrow| arrow.mover == Mover::Unknown && !arrow.is_observed();
    assert_eq!(picture.arrows.iter().filter(unknown).count(), 1);
}
