//! Numbers that are compared side by side.

use super::{Figure, of};
use crate::{
    expect::{Quantity, Side},
    probes::catalogue::Direction,
    result::{
        RunReport, SideReport, StyleReport,
        learn::LessonReport,
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
    /// Mode switches.
    Switches,
    /// What a learner said.
    Predicted,
    /// What was measured of that.
    Measured,
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

/// A run, what it is called, and its place in the report's JSON.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// The name of its style, and what else tells it from the others.
    pub label: String,
    /// What was measured.
    pub run: &'a RunReport,
    /// As `/styles/0`.
    pub base: String,
}

/// Those of styles that were measured.
pub fn placed<'a>(styles: &[(&'a StyleReport, String)]) -> Vec<Placed<'a>> {
    let place = |(style, base): &(&'a StyleReport, String)| {
        let run = style.run()?;
        Some(Placed { label: style.style.to_owned(), run, base: base.clone() })
    };
    styles.iter().filter_map(place).collect()
}

/// CPU copies of each byte by the sides of each run.
pub fn copies(runs: &[Placed<'_>]) -> Vec<Bar> {
    bars(runs, |side, base| {
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
pub fn switches(runs: &[Placed<'_>]) -> Vec<Bar> {
    bars(runs, |side, base| {
        let pointer = format!("{base}/mode_switches_per_mib");
        let figure = Figure::at(pointer, side.mode_switches_per_mib);
        let reason = reason(side, |quantity| quantity == Quantity::ModeSwitches);
        vec![Part { what: What::Switches, figure, reason }]
    })
}

fn bars(runs: &[Placed<'_>], of: impl Fn(&SideReport, &str) -> Vec<Part>) -> Vec<Bar> {
    let sides = runs
        .iter()
        .flat_map(|placed| placed.run.sides().map(move |(side, report)| (placed, side, report)));
    sides
        .map(|(Placed { label, base, .. }, side, report)| Bar {
            label: label.clone(),
            side: Some(side),
            parts: of(report, &format!("{base}/{}", side.name())),
        })
        .collect()
}

/// Why nothing was measured, as the line of that quantity has it.
fn reason(side: &SideReport, of: impl Fn(Quantity) -> bool) -> Option<String> {
    side.lines.iter().find(|line| of(line.quantity))?.reason.clone()
}

/// A learner's prediction and what was measured, as `labels` call them; `base` is the lab's place in the JSON.
pub fn answers(lesson: &LessonReport, base: &str, labels: [&str; 2]) -> Vec<Bar> {
    let figures = [
        (What::Predicted, Figure::at(format!("{base}/predicted"), Some(lesson.predicted))),
        (What::Measured, Figure::at(format!("{base}/measured"), lesson.measured)),
    ];
    let bars = figures.into_iter().zip(labels).map(|((what, figure), label)| Bar {
        label: label.to_owned(),
        side: None,
        parts: vec![Part { what, figure, reason: lesson.reason.clone() }],
    });
    bars.collect()
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

/// Mode switches of a trace for each MiB that its processes moved.
pub fn rate(report: &TraceReport, label: &str) -> Vec<Bar> {
    const NAME: &str = "switches_per_mib";
    let figure = Figure::at(format!("/quantities/{NAME}"), report.quantities.get(NAME).copied());
    let part = Part { what: What::Switches, figure, reason: None };
    vec![Bar { label: label.to_owned(), side: None, parts: vec![part] }]
}

/// Mode switches of a trace, by cause.
pub fn causes(report: &TraceReport) -> Vec<Bar> {
    let causes = &report.total.switches.mode_switches_by_cause;
    let all = [
        ("system calls", "system_calls", causes.system_calls),
        ("page faults", "page_faults", causes.page_faults),
        ("interrupts", "interrupts", causes.interrupts),
    ];
    let bar = |(label, key, count): (&str, &str, Option<u64>)| {
        let figure = Figure::at(format!("/total/mode_switches_by_cause/{key}"), count);
        Bar {
            label: label.to_owned(),
            side: None,
            parts: vec![Part { what: What::Switches, figure, reason: None }],
        }
    };
    all.into_iter().map(bar).collect()
}
