//! Made-up counts, and what they mean.

use std::collections::BTreeMap;

use syscalls::Sysno;
use zc_common::{Cell, Event, IterClass, Kind, Site, Tally, TaskId, Thread};

use super::{Input, Run, Selection, SortKey, TraceReport, report};
use crate::{
    check::{Missing, Quantities},
    measure::{Breakdown, Loss, Sample},
    probes::{
        attach::Status,
        catalogue::{At, SITES},
        meters::METERS,
    },
    result::Tier,
};

const TASK: TaskId = TaskId(7);

fn call(call: Sysno, source: Kind, sink: Kind) -> Cell {
    let number = u16::try_from(call as usize).unwrap();
    Cell {
        task: TASK,
        call: number,
        source: source as u8,
        sink: sink as u8,
        what: Cell::RETURN,
        ..Cell::default()
    }
}

fn at(cell: Cell, site: Site, class: IterClass) -> Cell {
    Cell { what: site as u8, class: class as u8, ..cell }
}

fn tally(calls: u64, bytes: u64) -> Tally {
    Tally { calls, bytes }
}

/// Sixty-four bytes by sendfile, without a copy.
fn sendfile() -> Vec<(Cell, Tally)> {
    let cell = call(Sysno::sendfile, Kind::File, Kind::Tcp);
    vec![
        (cell, tally(1, 64)),
        (at(cell, Site::FilemapSpliceRead, IterClass::None), tally(1, 64)),
        (at(cell, Site::TcpSendmsg, IterClass::Kernel), tally(1, 64)),
        (at(cell, Site::SkbSpliceFromIter, IterClass::Kernel), tally(1, 64)),
    ]
}

/// Sixty-four bytes read from a file.
fn read() -> Vec<(Cell, Tally)> {
    let cell = call(Sysno::read, Kind::File, Kind::Memory);
    vec![(cell, tally(2, 64)), (at(cell, Site::FilemapRead, IterClass::User), tally(1, 64))]
}

/// Everything attached that goes on a function.
fn attached() -> Vec<Status> {
    let status = |row: &crate::probes::catalogue::Entry| match row.at {
        At::Tracepoint => Status::Unneeded,
        _ => Status::Attached { function: row.functions[0] },
    };
    SITES.iter().map(status).collect()
}

/// Nothing attached but what goes on a tracepoint.
pub(super) fn boundary() -> Vec<Status> {
    let status = |row: &crate::probes::catalogue::Entry| match row.at {
        At::Tracepoint => Status::Attached { function: row.functions[0] },
        _ => Status::Refused { function: row.functions[0], reason: "EPERM".into() },
    };
    SITES.iter().map(status).collect()
}

/// The report of `cells`, which add up to what the group counted.
pub(super) fn derive(cells: Vec<(Cell, Tally)>, statuses: &[Status], loss: &Loss) -> TraceReport {
    let thread =
        Thread { leader: TASK, pid: 70, tid: 70, comm: [u64::from_ne_bytes(*b"worker\0\0"), 0] };
    let breakdown =
        Breakdown { cells: cells.into_iter().collect(), threads: [(TASK, thread)].into() };
    let mut total = Sample::default();
    for (cell, tally) in &breakdown.cells {
        if cell.what == Cell::RETURN {
            *total.syscalls.entry(cell.call.into()).or_default() += *tally;
        } else if let Some(site) = Site::ALL.get(usize::from(cell.what)) {
            let class = IterClass::ALL[usize::from(cell.class)];
            *total.sites.entry((*site, class)).or_default() += *tally;
        }
    }
    let meters: Vec<_> = METERS.iter().map(|_| Status::Attached { function: "f" }).collect();
    report(&Input {
        run: Run::default(),
        total: &total,
        machine: &Sample::default(),
        breakdown: &breakdown,
        loss,
        statuses,
        meters: &meters,
        live: false,
        threads: false,
    })
}

/// With threads, a copy of some bytes, and bytes that are none of the payload.
pub(crate) fn full() -> TraceReport {
    let mut report = whole([sendfile(), read()].concat());
    let process = report.processes[0].clone();
    report.processes[0].threads = vec![super::ThreadReport {
        tid: process.pid,
        name: process.name,
        totals: process.totals,
        flows: process.flows,
    }];
    report.flows[0].reason = Some("it does not say how many bytes it moved".into());
    report
}

fn whole(cells: Vec<(Cell, Tally)>) -> TraceReport {
    derive(cells, &attached(), &Loss::default())
}

#[test]
fn pages_handed_on_are_zero_copy_and_a_read_is_one_copy() {
    let report = whole([sendfile(), read()].concat());
    assert!(report.complete, "{:?}", report.completeness.problems);
    let said: Vec<_> =
        report.flows.iter().map(|f| (f.call.as_str(), f.verdict.to_string())).collect();
    assert_eq!(said, [("read", "one copy".to_owned()), ("sendfile", "zero-copy".to_owned())]);
    assert_eq!(report.flows[0].copied_by, ["filemap_read"]);
    assert_eq!(report.total.copied.kernel_to_user, Some(64));
    // In by both, out by one.
    assert_eq!(report.total.moved_bytes, Some(128));
    assert_eq!(report.total.copies_per_byte, Some(0.5));
}

#[test]
fn a_program_that_reads_and_writes_moves_its_bytes_once() {
    let write = call(Sysno::write, Kind::Memory, Kind::Pipe);
    let written = (at(write, Site::PipeWrite, IterClass::User), tally(1, 64));
    let report = whole([read(), vec![(write, tally(1, 64)), written]].concat());
    assert_eq!(report.total.moved_bytes, Some(64));
    assert_eq!(report.total.copies_per_byte, Some(2.0));
}

#[test]
fn a_pipe_of_ones_own_is_on_the_way() {
    let take = call(Sysno::splice, Kind::File, Kind::Pipe);
    let give = call(Sysno::splice, Kind::Pipe, Kind::Tcp);
    let report = whole(vec![
        (take, tally(1, 64)),
        (at(take, Site::FilemapSpliceRead, IterClass::None), tally(1, 64)),
        (give, tally(1, 64)),
        (at(give, Site::TcpSendmsg, IterClass::Kernel), tally(1, 64)),
        (at(give, Site::SkbSpliceFromIter, IterClass::Kernel), tally(1, 64)),
    ]);
    assert_eq!((report.total.moved_bytes, report.total.copies_per_byte), (Some(64), Some(0.0)));
    assert!(report.flows.iter().all(|flow| flow.verdict.to_string() == "zero-copy"));
}

#[test]
fn more_references_than_a_socket_took_are_no_copies() {
    let mut cells = sendfile();
    cells[1].1.bytes = 100;
    let report = whole(cells);
    assert_eq!(report.flows[0].verdict.to_string(), "zero-copy");
    assert!(report.completeness.uncovered.is_empty());
}

#[test]
fn bytes_that_passed_no_site_are_not_observed_and_bound_the_ratio() {
    let device = call(Sysno::read, Kind::CharacterDevice, Kind::Memory);
    let report = whole([read(), vec![(device, tally(1, 16))]].concat());
    let flow = report.flows.iter().find(|flow| flow.source == "character device").unwrap();
    assert_eq!(
        (flow.verdict.to_string().as_str(), flow.copied.kernel_to_user),
        ("not observed", None)
    );
    assert_eq!(report.completeness.uncovered.len(), 1);
    assert_eq!(report.total.copies_per_byte, None);
    assert_eq!(report.total.copies_per_byte_bounds, Some([64.0 / 80.0, 1.0]));
    let [least, most] = [report.at_least().get("copied"), report.at_most().get("copied")];
    assert_eq!((least, most), (Ok(64.into()), Ok(80.into())));
    assert!(!report.quantities.contains_key("copied"));
    assert!(report.quantities.contains_key("moved"));
}

#[test]
fn a_skipped_probe_leaves_its_own_flow_unobserved_and_no_other() {
    let misses = BTreeMap::from([("filemap_read".to_owned(), 1)]);
    let loss = Loss { recursion_misses: misses, ..Loss::default() };
    let mut cells = [read(), sendfile()].concat();
    cells[1].1.bytes = 32;
    let report = derive(cells, &attached(), &loss);
    assert!(!report.complete);
    let verdicts = |call| report.flows.iter().find(|f| f.call == call).unwrap().verdict.to_string();
    assert_eq!(
        (verdicts("read").as_str(), verdicts("sendfile").as_str()),
        ("not observed", "zero-copy")
    );
    assert_eq!(report.total.copied.kernel_to_user, None);
}

#[test]
fn a_breakdown_that_does_not_add_up_is_not_complete() {
    let loss = Loss { unlisted_counts: 1, ..Loss::default() };
    let report = derive(read(), &attached(), &loss);
    assert!(!report.complete);
    let why = report.at_least().get("moved");
    assert!(matches!(why, Err(Missing::NotObserved(_))), "{why:?}");
}

#[test]
fn at_the_boundary_a_received_byte_was_copied_and_nothing_else_is_known() {
    let receive = call(Sysno::recvfrom, Kind::Tcp, Kind::Memory);
    let seen = (at(receive, Site::DatagramTracepoint, IterClass::None), tally(1, 64));
    let send = call(Sysno::sendto, Kind::Memory, Kind::Tcp);
    let cells = vec![(receive, tally(1, 64)), seen, (send, tally(1, 64))];
    let report = derive(cells, &boundary(), &Loss::default());
    assert_eq!(report.origin.tier, Tier::Boundary);
    let copied = report.flows.iter().find(|flow| flow.source == "TCP").unwrap().copied;
    assert_eq!(
        (copied.kernel_to_user, copied.user_to_kernel, copied.kernel_to_kernel),
        (Some(64), None, None)
    );
    let sent = report.flows.iter().find(|flow| flow.sink == "TCP").unwrap();
    assert_eq!((sent.verdict.to_string().as_str(), sent.bytes), ("not observed", Some(64)));
    let total = report.total.copied;
    assert_eq!((total.kernel_to_user, total.user_to_kernel), (None, None));
    assert_eq!(report.total.syscalls, Some(2));
    assert_eq!(report.completeness.unseen.len(), 1);
}

#[test]
fn copies_of_the_network_stack_are_told_apart_and_count_for_what_was_sent() {
    let send = call(Sysno::sendto, Kind::Memory, Kind::Tcp);
    let later = Cell { task: TASK, call: Cell::NETWORK_STACK, ..Cell::default() };
    let report = whole(vec![
        (send, tally(1, 64)),
        (at(send, Site::TcpSendmsg, IterClass::User), tally(1, 64)),
        (at(send, Site::SkbZerocopyIterStream, IterClass::User), tally(1, 64)),
        (at(later, Site::SkbCopyUbufs, IterClass::Paged), tally(1, 64)),
    ]);
    let verdict = |call| report.flows.iter().find(|f| f.call == call).unwrap().verdict.to_string();
    assert_eq!(verdict("sendto"), "zero-copy");
    assert_eq!(verdict("(network stack)"), "copied later");
    assert_eq!(report.at_least().get("sent.copied"), Ok(64.into()));
    assert_eq!(report.at_least().get("sent.copies_per_byte"), Ok(1.0.into()));
}

#[test]
fn switches_are_two_a_call_and_two_a_fault() {
    let event = |event: Event| Cell {
        task: TASK,
        call: Cell::NO_CALL,
        what: Cell::EVENT,
        class: u8::try_from(event as u32).unwrap(),
        ..Cell::default()
    };
    let cells = vec![
        (event(Event::PageFaultUser), tally(3, 3)),
        (event(Event::SwitchVoluntary), tally(1, 1)),
        (event(Event::Fork), tally(2, 2)),
    ];
    let report = whole([read(), cells].concat());
    assert_eq!(report.total.mode_switches, Some(2 * 2 + 2 * 3));
    assert_eq!(report.total.tasks.forks, 2);
    assert_eq!(report.processes[0].name, "worker");
    assert_eq!(report.processes[0].pid, Some(70));
    let context = report.total.switches.context_switches.unwrap();
    assert_eq!((context.voluntary, context.involuntary), (1, 0));
}

#[test]
fn a_call_that_fails_is_counted_and_moves_nothing() {
    let cell = call(Sysno::read, Kind::Unknown, Kind::Memory);
    let report = whole(vec![(Cell { class: 1, ..cell }, tally(3, 0))]);
    assert_eq!((report.syscalls[0].calls, report.syscalls[0].failed), (3, 3));
    assert!(report.flows.is_empty());
    let nothing = report.at_least().get("copies_per_byte");
    assert_eq!(nothing, Err(Missing::NotObserved("nothing was moved".into())));
}

#[test]
fn rows_stand_in_the_wanted_order() {
    let write = call(Sysno::write, Kind::Memory, Kind::Pipe);
    let writes =
        vec![(write, tally(5, 10)), (at(write, Site::PipeWrite, IterClass::User), tally(5, 10))];
    let order = |sort| {
        let mut report = whole([sendfile(), read(), writes.clone()].concat());
        // A little more than the other of 64 bytes.
        let sends = report.flows.iter_mut().find(|flow| flow.call == "sendfile").unwrap();
        sends.bytes = Some(65);
        Selection { sort, ..Selection::default() }.apply(&mut report);
        report.flows.into_iter().map(|flow| flow.call).collect::<Vec<_>>()
    };
    assert_eq!(order(SortKey::Bytes), ["sendfile", "read", "write"]);
    assert_eq!(order(SortKey::Copied), ["read", "write", "sendfile"]);
    assert_eq!(order(SortKey::Calls), ["write", "read", "sendfile"]);
    assert_eq!(order(SortKey::Switches), ["write", "read", "sendfile"]);
    assert_eq!(order(SortKey::Name), ["read", "sendfile", "write"]);
}

#[test]
fn no_object_of_the_json_has_a_key_twice() {
    let text = serde_json::to_string(&whole([sendfile(), read()].concat())).unwrap();
    // Reading it keeps one of the two.
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap().len(), text.len(), "{text}");
}
