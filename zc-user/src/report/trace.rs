//! The text view of `zc trace`.

use std::fmt::Write;

use comfy_table::{Attribute, Cell, Color};

use super::text::{bytes, finished, harmless, head, number, ratio, table};
use crate::result::{
    Copied,
    stacks::TraceStacks,
    trace::{Flow, FlowVerdict, ProcessReport, ThreadReport, Totals, TraceReport, Uncovered},
};

/// The whole report.
pub fn text(report: &TraceReport, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "kernel {} ({}), tier {}\n{}: {:.3} s{}",
        report.origin.kernel,
        report.origin.architecture,
        report.origin.tier.name(),
        harmless(&report.run.target),
        report.run.elapsed_seconds,
        report.run.ended.as_ref().map_or_else(String::new, |why| format!(", {why}")),
    );
    out.push('\n');
    flows(&mut out, &report.flows, report.omitted.flows, colour);
    if report.processes.len() > 1 || report.processes.iter().any(|p| !p.threads.is_empty()) {
        out.push('\n');
        processes(&mut out, report, colour);
    }
    calls(&mut out, report, colour);
    if let Some(TraceStacks { stacks, tree }) = &report.stacks {
        out.push('\n');
        super::stacks::ways(&mut out, "all", stacks, tree);
    }
    out.push('\n');
    totals(&mut out, &report.total);
    conclusion(&mut out, report);
    out
}

/// One interval: what moved, in a few lines.
pub fn interval(report: &TraceReport) -> String {
    let mut out = String::new();
    let total = &report.total;
    let _ = writeln!(
        out,
        "{:>4}  {:.1} s  moved {}, copied {}, {} mode switches, {} system calls{}",
        report.run.interval.unwrap_or_default(),
        report.run.elapsed_seconds,
        total.moved_bytes.map_or_else(|| NOT.into(), bytes),
        copied(total.copied),
        total.mode_switches.map_or_else(|| NOT.into(), |switches| switches.to_string()),
        total.syscalls.map_or_else(|| NOT.into(), |calls| calls.to_string()),
        if report.complete { "" } else { " (incomplete)" },
    );
    for flow in &report.flows {
        let _ = writeln!(out, "      {}", line(flow));
    }
    out
}

const NOT: &str = "not observed";

/// A flow in a line.
fn line(flow: &Flow) -> String {
    let moved = flow.bytes.map_or_else(String::new, |moved| format!(", {}", bytes(moved)));
    let copies = flow
        .copies_per_byte
        .map_or_else(|| flow.verdict.to_string(), |copies| format!("{} per byte", plural(copies)));
    format!("{}{moved}, {copies}", name(flow))
}

/// `0 copies`, `1 copy`.
fn plural(copies: f64) -> String {
    let number = ratio(copies);
    format!("{number} {}", if number == "1" { "copy" } else { "copies" })
}

/// `sendfile: regular file → TCP`.
pub(super) fn name(flow: &Flow) -> String {
    match (flow.source, flow.sink) {
        ("", "") => flow.call.clone(),
        (source, sink) => format!("{}: {source} → {sink}", flow.call),
    }
}

fn flows(out: &mut String, flows: &[Flow], omitted: usize, colour: bool) {
    if flows.is_empty() {
        out.push_str("no bytes were moved\n");
    } else {
        let mut rows = table(colour);
        let names = ["flow", "calls", "bytes", "copied", "per byte", "verdict", "copied by"];
        rows.set_header(names.map(head));
        for flow in flows {
            rows.add_row(row(flow));
        }
        out.push_str(&finished(&mut rows));
    }
    if omitted > 0 {
        let _ = writeln!(out, "and {omitted} more flows (--top, --min-bytes)");
    }
}

fn row(flow: &Flow) -> Vec<Cell> {
    vec![
        Cell::new(name(flow)),
        number(flow.calls),
        number(flow.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())),
        number(copied(flow.copied)),
        number(flow.copies_per_byte.map_or_else(String::new, ratio)),
        verdict(flow.verdict),
        Cell::new(flow.copied_by.join(", ")),
    ]
}

fn verdict(verdict: FlowVerdict) -> Cell {
    let colour = match verdict {
        FlowVerdict::ZeroCopy => Color::Green,
        FlowVerdict::NotObserved => Color::Yellow,
        _ => return Cell::new(verdict),
    };
    Cell::new(verdict).fg(colour).add_attribute(Attribute::Bold)
}

/// The directions that were used, as `KU 4096 + UK 12`.
pub(super) fn copied(copied: Copied<u64>) -> String {
    let parts = [
        ("KU", copied.kernel_to_user),
        ("UK", copied.user_to_kernel),
        ("KK", copied.kernel_to_kernel),
    ];
    if parts.iter().all(|(_, bytes)| bytes.is_none()) {
        return NOT.into();
    }
    let used = parts.iter().filter_map(|(name, bytes)| match bytes {
        None => Some(format!("{name} {NOT}")),
        Some(0) => None,
        Some(bytes) => Some(format!("{name} {bytes}")),
    });
    let used = used.collect::<Vec<_>>().join(" + ");
    if used.is_empty() { "0".into() } else { used }
}

fn processes(out: &mut String, report: &TraceReport, colour: bool) {
    let mut rows = table(colour);
    let names =
        ["process", "id", "moved", "copied", "per byte", "calls", "mode switches", "waited"];
    rows.set_header(names.map(head));
    for process in &report.processes {
        let ProcessReport { pid, name, totals, threads, .. } = process;
        rows.add_row(who(&harmless(name), *pid, totals));
        for ThreadReport { tid, name, totals, .. } in threads {
            rows.add_row(who(&format!("  {}", harmless(name)), *tid, totals));
        }
    }
    out.push_str(&finished(&mut rows));
    if report.omitted.processes > 0 {
        let _ =
            writeln!(out, "and {} more processes (--top, --min-bytes)", report.omitted.processes);
    }
}

fn who(name: &str, id: Option<u32>, totals: &Totals) -> Vec<Cell> {
    let count = |count: Option<u64>| {
        number(count.map_or_else(|| NOT.to_owned(), |count| count.to_string()))
    };
    let waited = totals.switches.context_switches.map(|switches| switches.voluntary);
    vec![
        Cell::new(name),
        number(id.map_or_else(|| "-".to_owned(), |id| id.to_string())),
        count(totals.moved_bytes),
        number(copied(totals.copied)),
        number(totals.copies_per_byte.map_or_else(String::new, ratio)),
        count(totals.syscalls),
        count(totals.mode_switches),
        count(waited),
    ]
}

fn calls(out: &mut String, report: &TraceReport, colour: bool) {
    if report.syscalls.is_empty() {
        return;
    }
    out.push('\n');
    let mut rows = table(colour);
    rows.set_header(["system call", "calls", "failed", "bytes", "copied inside"].map(head));
    for call in &report.syscalls {
        rows.add_row(vec![
            Cell::new(&call.name),
            number(call.calls),
            number(call.failed),
            number(call.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())),
            number(copied(call.copied)),
        ]);
    }
    out.push_str(&finished(&mut rows));
}

fn totals(out: &mut String, total: &Totals) {
    let moved = total.moved_bytes.map_or_else(|| NOT.into(), |moved| format!("{moved} bytes"));
    let copies = match (total.copies_per_byte, total.copies_per_byte_bounds) {
        (Some(copies), _) => format!(", {} per byte", plural(copies)),
        (None, Some([low, high])) => {
            format!(", between {low:.5} and {high:.5} copies per byte")
        }
        (None, None) => String::new(),
    };
    let _ = writeln!(out, "moved {moved}, copied {}{copies}", copied(total.copied));
    let causes = &total.switches.mode_switches_by_cause;
    let by = |cause: &str, count: Option<u64>| match count {
        Some(count) => format!("{count} by {cause}"),
        None => format!("by {cause} {NOT}"),
    };
    let _ = writeln!(
        out,
        "mode switches: {}, {}, {}",
        by("system calls", causes.system_calls),
        by("page faults", causes.page_faults),
        by("interrupts", causes.interrupts),
    );
    let context = total.switches.context_switches.map_or_else(
        || NOT.to_owned(),
        |context| format!("{} voluntary, {} involuntary", context.voluntary, context.involuntary),
    );
    let block = total.switches.block_io.map_or_else(
        || NOT.to_owned(),
        |block| format!("read {} bytes, written {}", block.read_bytes, block.written_bytes),
    );
    let network =
        total.switches.network_bytes.map_or_else(|| NOT.to_owned(), |n| format!("{n} bytes"));
    let _ = writeln!(
        out,
        "context switches: {context}; block I/O: {block}; to network devices: {network}",
    );
}

fn conclusion(out: &mut String, report: &TraceReport) {
    let completeness = &report.completeness;
    for Uncovered { call, source, sink, returned_bytes, explained_bytes } in &completeness.uncovered
    {
        let unseen = returned_bytes.abs_diff(*explained_bytes);
        let _ = writeln!(
            out,
            "not observed: {call}: {source} → {sink}, {unseen} of {returned_bytes} bytes passed no known site"
        );
    }
    for unmetered in &completeness.unmetered {
        let _ = writeln!(out, "not observed: {unmetered}");
    }
    for unseen in &completeness.unseen {
        let _ = writeln!(out, "not observed: {unseen}");
    }
    for problem in &completeness.problems {
        let _ = writeln!(out, "incomplete: {problem}");
    }
    out.push_str(if report.complete { "complete, no count was lost\n" } else { "not complete\n" });
}

const COLUMNS: [&str; 13] = [
    "interval",
    "pid",
    "process",
    "call",
    "source",
    "sink",
    "calls",
    "failed",
    "bytes",
    "user_to_kernel",
    "kernel_to_user",
    "kernel_to_kernel",
    "verdict",
];

/// The flows as comma-separated values, by process. Spreadsheets take a text that begins with one of
/// `=+-@` for a formula: such a name gets an apostrophe before it, as they do it themselves. A table
/// has one `head`, however many reports are in it.
///
/// # Errors
/// When the writer fails, which a `Vec` does not.
pub fn csv(report: &TraceReport, head: bool) -> anyhow::Result<String> {
    let mut rows = ::csv::Writer::from_writer(Vec::new());
    if head {
        rows.write_record(COLUMNS)?;
    }
    let text = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    for process in &report.processes {
        for flow in &process.flows {
            rows.write_record([
                text(report.run.interval),
                text(process.pid.map(u64::from)),
                cell(&process.name),
                flow.call.clone(),
                flow.source.to_owned(),
                flow.sink.to_owned(),
                flow.calls.to_string(),
                flow.failed.to_string(),
                text(flow.bytes),
                text(flow.copied.user_to_kernel),
                text(flow.copied.kernel_to_user),
                text(flow.copied.kernel_to_kernel),
                flow.verdict.to_string(),
            ])?;
        }
    }
    Ok(String::from_utf8(rows.into_inner()?)?)
}

fn cell(name: &str) -> String {
    let name = harmless(name);
    if name.starts_with(['=', '+', '-', '@']) { format!("'{name}") } else { name }
}
