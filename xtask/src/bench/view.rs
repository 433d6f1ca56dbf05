//! The tables of `cargo xtask bench`; they compute nothing.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};
use zc_guest::bench::workload;

use super::report::Report;

/// A line under the header, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The whole report.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        for line in text.split('\n') {
            // Writing to a String cannot fail.
            let _infallible = writeln!(out, "{}", line.trim_end());
        }
    };
    let versions: Vec<_> = report.versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
    line(format!("{}, kernel {}; {}", report.date, report.kernel, versions.join(", ")));
    line(report.machine.clone());
    line(format!("zc is attached to {} hooks: {}", report.hooks.len(), report.hooks.join(", ")));
    line("\ninstructions added to a round of the workload".to_owned());
    line(costs(report).to_string());
    line("\nfrom exec to counting, and memory".to_owned());
    line(starts(report).to_string());
    for absent in &report.absent {
        line(format!("not measured: {}: {}", absent.tool, absent.reason));
    }
    line("\ntargets".to_owned());
    line(targets(report).to_string());
    out
}

/// The same as a document.
pub(crate) fn markdown(report: &Report) -> String {
    format!(
        "# Cost of being observed, {}, kernel {}\n\nREADME.md says what each row means and how to \
         repeat it.\n\n```text\n{}```\n",
        report.date,
        report.kernel,
        text(report)
    )
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn costs(report: &Report) -> Table {
    let mut table = table(&[&["tool"], &workload::ALL[..]].concat());
    let base = |value: &dyn Fn(&super::report::Base) -> String| {
        report.base.iter().map(|base| Cell::new(value(base))).collect::<Vec<_>>()
    };
    let mut row = vec![Cell::new("nothing (all of it)")];
    row.extend(base(&|base| format!("{:.1}", base.instructions)));
    table.add_row(row);
    let mut tools: Vec<&str> = report.rows.iter().map(|row| row.tool.as_str()).collect();
    tools.dedup();
    for tool in tools {
        let added = |workload| match report.added(tool, workload) {
            Some(added) => Cell::new(format!("{added:+.1}")),
            None => Cell::new("–"),
        };
        let mut row = vec![Cell::new(tool)];
        row.extend(workload::ALL.map(added));
        table.add_row(row);
    }
    let mut row = vec![Cell::new("nothing, at the end")];
    row.extend(base(&|base| format!("{:+.1}", base.drift)));
    table.add_row(row);
    table
}

fn starts(report: &Report) -> Table {
    let header =
        ["tool", "time, ns", "instructions of its own", "peak memory, KiB", "in the kernel, KiB"];
    let mut table = table(&header);
    for memory in &report.memory {
        let start = report.start.iter().find(|start| start.tool == memory.tool);
        let shown = |value: Option<u64>| value.map_or("–".to_owned(), |value| value.to_string());
        table.add_row([
            memory.tool.clone(),
            shown(start.map(|start| start.elapsed_ns)),
            shown(start.map(|start| start.instructions)),
            memory.peak_resident_kib.to_string(),
            memory.kernel_kib.to_string(),
        ]);
    }
    table
}

fn targets(report: &Report) -> Table {
    let mut table = table(&["target", "measured", "limit", "holds"]);
    for target in &report.targets {
        let shown = |value: Option<f64>| {
            value.map_or("–".to_owned(), |value| format!("{value:.1} {}", target.unit))
        };
        let holds = match target.holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        table.add_row([target.what.as_str(), &shown(target.measured), &shown(target.limit), holds]);
    }
    table
}
