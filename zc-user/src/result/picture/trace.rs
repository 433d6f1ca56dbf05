//! The flows of a trace: from which kinds of file, through or past the processes' memory, to which.

use std::cmp::Reverse;

use super::{Arrow, Figure, Meter, Mover, Note, Picture, Place, Shape, Zone, of};
use crate::{
    expect::Side,
    probes::catalogue::Direction,
    result::trace::{Flow, FlowVerdict, TraceReport},
};

/// Flows that get an arrow.
pub const MOST: usize = 12;

/// What a flow calls a process's own memory.
const MEMORY: &str = "memory";

/// The picture of a trace.
pub fn picture(report: &TraceReport) -> Picture {
    let mut picture = Picture::new(Shape::Flows);
    let mut flows: Vec<_> = report.flows.iter().enumerate().collect();
    flows.sort_by_key(|(at, flow)| (Reverse(size(flow)), *at));
    picture.smaller = flows.len().saturating_sub(MOST);
    flows.truncate(MOST);
    // The flows of a kind stand together, the largest kind first.
    let largest = |kind: &str| flows.iter().position(|(_, f)| [f.source, f.sink].contains(&kind));
    let rank = |flow: &Flow| match (flow.source, flow.sink) {
        (MEMORY, sink) => (0, largest(sink), None),
        (source, MEMORY) => (0, largest(source), None),
        (source, sink) => (1, largest(source), largest(sink)),
    };
    let mut order = flows.clone();
    order.sort_by_key(|(_, flow)| rank(flow));
    for (at, flow) in order {
        let ends = ends(&mut picture, flow);
        picture.push(arrow(ends, flow, &format!("/flows/{at}")));
    }
    devices(&mut picture, report);
    picture
}

/// Bytes that it moved; for what does not say, those that were copied.
fn size(flow: &Flow) -> u64 {
    let copied = Direction::ALL.into_iter().filter_map(|way| flow.copied.get(way));
    flow.bytes.unwrap_or_else(|| copied.sum())
}

fn ends(picture: &mut Picture, flow: &Flow) -> [usize; 2] {
    let mut memory = || picture.station(Place::Memory, Zone::User, 1);
    match (flow.source, flow.sink) {
        (MEMORY, sink) => [memory(), picture.station(Place::Kind(sink), Zone::User, 2)],
        (source, MEMORY) => {
            let memory = memory();
            [picture.station(Place::Kind(source), Zone::User, 0), memory]
        }
        (source, sink) => [
            picture.station(Place::Kind(source), Zone::Kernel, 0),
            picture.station(Place::Kind(sink), Zone::Kernel, 2),
        ],
    }
}

fn arrow(ends: [usize; 2], flow: &Flow, base: &str) -> Arrow {
    let most = Direction::ALL.into_iter().max_by_key(|way| flow.copied.get(*way));
    let most = most.filter(|way| flow.copied.get(*way).is_some_and(|bytes| bytes > 0));
    let copies = Figure::at(format!("{base}/copies_per_byte"), flow.copies_per_byte);
    let copied = |way| of(&format!("{base}/copied"), &flow.copied, way);
    let moved = Figure::at(format!("{base}/bytes"), flow.bytes);
    let (mover, bytes, copies) = match (flow.verdict, most) {
        (FlowVerdict::ZeroCopy, _) => (Mover::Reference, moved, Some(copies)),
        (FlowVerdict::Copies(_) | FlowVerdict::Mixed(_), Some(way)) => {
            (Mover::Cpu(way), moved, Some(copies))
        }
        // So many bytes were copied, of how many that moved nobody knows, or not whether that is all.
        (_, Some(way)) => (Mover::Cpu(way), copied(way), None),
        (_, None) => (Mover::Unknown, moved, Some(copies)),
    };
    Arrow {
        call: Some(flow.call.clone()),
        bytes: Some(bytes),
        copies,
        note: (flow.verdict == FlowVerdict::Later).then_some(Note::Later),
        reason: flow.reason.clone(),
        ..Arrow::new(ends, mover)
    }
}

/// What disks and cards moved for the traced processes.
fn devices(picture: &mut Picture, report: &TraceReport) {
    let switches = &report.total.switches;
    let unmetered = &report.completeness.unmetered;
    let kernel = picture.station(Place::KernelMemory, Zone::Device, 1);
    let disk = picture.station(Place::Disk, Zone::Device, 0);
    let written = picture.station(Place::Disk, Zone::Device, 2);
    let card = picture.station(Place::Card(Side::Sender), Zone::Device, 2);
    let io = switches.block_io;
    let (read, wrote) = (io.map(|io| io.read_bytes), io.map(|io| io.written_bytes));
    let numbers = [
        ([disk, kernel], "block_io/read_bytes", read, Note::NothingRead, Meter::Block),
        ([kernel, written], "block_io/written_bytes", wrote, Note::WrittenLater, Meter::Block),
        ([kernel, card], "network_bytes", switches.network_bytes, Note::NoCard, Meter::Network),
    ];
    for (ends, key, bytes, idle, meter) in numbers {
        let bytes = Figure::at(format!("/total/{key}"), bytes);
        picture.push(Arrow::dma(ends, bytes, Some(idle), meter, unmetered));
    }
}
