//! The page of `zc trace`.

use maud::{Markup, html};

use super::{
    Basis, Cell, ENGLISH, Section, Table, Words, bars, basis, completeness::conclusion, legend,
    page, picture, repeat, ways_through,
};
use crate::{
    report::{
        stacks,
        text::{bytes, harmless, ratio},
        trace::{copied, name},
    },
    result::{
        picture::{bars as compared, trace as ways},
        stacks::TraceStacks,
        trace::{CallReport, Flow, ProcessReport, Totals, TraceReport},
    },
};

/// The whole page; `command` is the command line that made the report.
pub fn trace(report: &TraceReport, command: &str) -> String {
    let words = &ENGLISH;
    let rests = Basis { complete: report.complete, ..(&report.completeness).into() };
    let title = "Where the bytes went, and who moved them";
    let way = html! {
        (legend(words))
        (picture(&ways::picture(report), "picture", title, words))
        @if let Some(TraceStacks { stacks, tree }) = &report.stacks {
            (ways_through(|out| stacks::ways(out, "all", stacks, tree)))
        }
    };
    let sections = [
        Section { id: "picture-section", title: "The way of the bytes", body: way },
        Section { id: "bars", title: "Side by side", body: side_by_side(report, words) },
        Section { id: "totals", title: "All together", body: totals(&report.total).markup(words) },
        Section { id: "flows", title: "Flows", body: flows(report, words) },
        Section { id: "processes", title: "Processes", body: processes(report, words) },
        Section {
            id: "syscalls",
            title: "System calls",
            body: calls(&report.syscalls).markup(words),
        },
        basis(&rests, words),
        repeat(command, &report.origin, words),
    ];
    page("zc trace: how often the CPU copied each byte", words, &lead(report, &rests), &sections)
}

fn lead(report: &TraceReport, rests: &Basis<'_>) -> Markup {
    html! {
        p.lead {
            code { (harmless(&report.run.target)) } ": " (format!("{:.3} s", report.run.elapsed_seconds))
            @if let Some(why) = &report.run.ended { ", " (harmless(why)) }
            ". Kernel " (report.origin.kernel) " (" (report.origin.architecture) "), tier "
            (report.origin.tier.name()) "."
        }
        (conclusion(rests))
    }
}

fn side_by_side(report: &TraceReport, words: &Words) -> Markup {
    html! {
        @if report.flows.is_empty() { p { "No bytes were moved." } }
        @else { (bars("CPU copies of each byte, by flow", &compared::flows(report), words)) }
        (bars("Mode switches, by cause: two each", &compared::causes(report), words))
        (bars(words.switches_for_each_mib, &compared::rate(report, "all processes"), words))
    }
}

fn totals(total: &Totals) -> Table {
    let switches = &total.switches;
    let per_byte = match (total.copies_per_byte, total.copies_per_byte_bounds) {
        (Some(copies), _) => Cell::number(ratio(copies)),
        (None, Some([low, high])) => Cell::number(format!("between {low:.5} and {high:.5}")),
        (None, None) => Cell::NotObserved(String::new()),
    };
    let row = |name: &str, cell: Cell| vec![Cell::text(name), cell];
    let io = switches.block_io;
    let context = switches.context_switches;
    Table {
        caption: "All traced processes together".into(),
        head: vec!["what", "how many"],
        rows: vec![
            row("bytes moved", Cell::count(total.moved_bytes)),
            row("copied, kernel to user, bytes", Cell::count(total.copied.kernel_to_user)),
            row("copied, user to kernel, bytes", Cell::count(total.copied.user_to_kernel)),
            row("copied, in the kernel, bytes", Cell::count(total.copied.kernel_to_kernel)),
            row("copies a byte", per_byte),
            row("system calls", Cell::count(total.syscalls)),
            row("mode switches, without interrupts", Cell::count(total.mode_switches)),
            row("context switches, voluntary", Cell::count(context.map(|c| c.voluntary))),
            row("context switches, involuntary", Cell::count(context.map(|c| c.involuntary))),
            row("read from block devices, bytes", Cell::count(io.map(|io| io.read_bytes))),
            row("written to block devices, bytes", Cell::count(io.map(|io| io.written_bytes))),
            row("handed to network cards, bytes", Cell::count(switches.network_bytes)),
        ],
    }
}

fn flows(report: &TraceReport, words: &Words) -> Markup {
    let row = |flow: &Flow| {
        vec![
            Cell::text(name(flow)),
            Cell::number(flow.calls),
            flow.bytes.map_or_else(|| Cell::number("–"), Cell::number),
            Cell::text(copied(flow.copied)),
            Cell::number(flow.copies_per_byte.map_or_else(String::new, ratio)),
            Cell::text(match &flow.reason {
                Some(reason) => format!("{}: {reason}", flow.verdict),
                None => flow.verdict.to_string(),
            }),
            Cell::text(flow.copied_by.join(", ")),
        ]
    };
    let table = Table {
        caption: "By system call and what is at its ends; bytes".into(),
        head: vec!["flow", "calls", "bytes", "copied", "a byte", "verdict", "copied by"],
        rows: report.flows.iter().map(row).collect(),
    };
    html! {
        (table.markup(words))
        @if report.omitted.flows > 0 {
            p { (report.omitted.flows) " more flows were left out (--top, --min-bytes)." }
        }
    }
}

fn processes(report: &TraceReport, words: &Words) -> Markup {
    let mut rows = Vec::new();
    for ProcessReport { pid, name, totals, threads, .. } in &report.processes {
        rows.push(who(name, *pid, totals));
        rows.extend(threads.iter().map(|t| who(&format!("… {}", t.name), t.tid, &t.totals)));
    }
    let table = Table {
        caption: "By process; bytes".into(),
        head: vec!["process", "id", "moved", "copied", "a byte", "calls", "mode switches"],
        rows,
    };
    html! {
        (table.markup(words))
        @if report.omitted.processes > 0 {
            p { (report.omitted.processes) " more processes were left out (--top, --min-bytes)." }
        }
    }
}

fn who(name: &str, id: Option<u32>, totals: &Totals) -> Vec<Cell> {
    vec![
        Cell::text(name),
        id.map_or_else(|| Cell::number("–"), Cell::number),
        Cell::count(totals.moved_bytes.map(bytes)),
        Cell::text(copied(totals.copied)),
        Cell::number(totals.copies_per_byte.map_or_else(String::new, ratio)),
        Cell::count(totals.syscalls),
        Cell::count(totals.mode_switches),
    ]
}

fn calls(calls: &[CallReport]) -> Table {
    let row = |call: &CallReport| {
        vec![
            Cell::text(&call.name),
            Cell::number(call.calls),
            Cell::number(call.failed),
            call.bytes.map_or_else(|| Cell::number("–"), Cell::number),
            Cell::text(copied(call.copied)),
        ]
    };
    Table {
        caption: "By system call; bytes".into(),
        head: vec!["system call", "calls", "failed", "bytes", "copied inside"],
        rows: calls.iter().map(row).collect(),
    }
}
