//! Numbers that are compared side by side.

use super::{Figure, of};
use crate::{
    expect::{Quantity, Side},
    probes::catalogue::Direction,
    result::{
        SideReport, StyleReport,
        trace::{Flow, TraceReport},
    },
};

/// What a part of a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Copies by the CPU, in one direction.
    Cpu(Direction),
    /// Copies by the CPU, in any.
    Copies,
    /// Mode switches by whatever a process does by itself.
    Switches,
    /// Mode switches by system calls.
    SystemCalls,
    /// Mode switches by page faults.
    PageFaults,
    /// Mode switches by interrupts.
    Interrupts,
}

/// A part of a bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub what: What,
    /// How much.
    pub figure: Figure,
    /// Why that was not observed.
    pub reason: Option<String>,
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it is of. Names of calls and kinds of file.
    pub label: String,
    /// Whose, where there are two.
    pub side: Option<Side>,
    /// Its parts, from the left.
    pub parts: Vec<Part>,
}

/// A style's report and its place in the report's JSON.
pub type Placed<'a> = (&'a StyleReport, String);

/// CPU copies of each byte by the sides of each style that was measured.
pub fn copies(styles: &[Placed<'_>]) -> Vec<Bar> {
    bars(styles, |side, base| {
        let base = format!("{base}/copies_per_byte");
        let part = |way| Part {
            what: What::Cpu(way),
            figure: of(&base, &side.copies_per_byte, way),
            reason: reason(side, |quantity| quantity.direction() == Some(way)),
        };
        // In the order of a server's bytes.
        [Direction::KernelToUser, Direction::UserToKernel, Direction::KernelToKernel]
            .map(part)
            .into()
    })
}

/// Mode switches for each MiB, by system calls and page faults, likewise.
pub fn switches(styles: &[Placed<'_>]) -> Vec<Bar> {
    bars(styles, |side, base| {
        let pointer = format!("{base}/mode_switches_per_mib");
        let figure = Figure::at(pointer, side.mode_switches_per_mib);
        let reason = reason(side, |quantity| quantity == Quantity::ModeSwitches);
        vec![Part { what: What::Switches, figure, reason }]
    })
}

fn bars(styles: &[Placed<'_>], of: impl Fn(&SideReport, &str) -> Vec<Part>) -> Vec<Bar> {
    let runs = styles.iter().filter_map(|(style, base)| Some((style.style, style.run()?, base)));
    let sides = runs.flat_map(|(name, run, base)| {
        run.sides().map(move |(side, report)| (name, side, report, base))
    });
    sides
        .map(|(name, side, report, base)| Bar {
            label: name.to_owned(),
            side: Some(side),
            parts: of(report, &format!("{base}/{}", side.name())),
        })
        .collect()
}

/// Why nothing was measured, as the line of that quantity has it.
fn reason(side: &SideReport, of: impl Fn(Quantity) -> bool) -> Option<String> {
    side.lines.iter().find(|line| of(line.quantity))?.reason.clone()
}

/// Copies of each byte in each flow of a trace.
pub fn flows(report: &TraceReport) -> Vec<Bar> {
    let bar = |(at, flow): (usize, &Flow)| Bar {
        label: match (flow.source, flow.sink) {
            ("", "") => flow.call.clone(),
            (source, sink) => format!("{}: {source} → {sink}", flow.call),
        },
        side: None,
        parts: vec![Part {
            what: What::Copies,
            figure: Figure::at(format!("/flows/{at}/copies_per_byte"), flow.copies_per_byte),
            reason: flow.reason.clone().or_else(|| Some(flow.verdict.to_string())),
        }],
    };
    report.flows.iter().enumerate().map(bar).collect()
}

/// Mode switches of a trace, by cause.
pub fn causes(report: &TraceReport) -> Vec<Bar> {
    let causes = &report.total.switches.mode_switches_by_cause;
    let all = [
        ("system calls", "system_calls", causes.system_calls, What::SystemCalls),
        ("page faults", "page_faults", causes.page_faults, What::PageFaults),
        ("interrupts", "interrupts", causes.interrupts, What::Interrupts),
    ];
    let bar = |(label, key, count, what): (&str, &str, Option<u64>, What)| {
        let figure = Figure::at(format!("/total/mode_switches_by_cause/{key}"), count);
        Bar {
            label: label.to_owned(),
            side: None,
            parts: vec![Part { what, figure, reason: None }],
        }
    };
    all.into_iter().map(bar).collect()
}
