//! The text view of `zc lab`.

use std::fmt::Write;

use comfy_table::Cell;

use super::{
    meters,
    text::{bytes, finished, harmless, head, number, ratio, table, verdict},
};
use crate::{
    expect::Quantity,
    network::{EndFacts, Facts, Path},
    result::{
        Calibration, Copied, LabReport, Line, NotSupported, Outcome, RunReport, SideReport,
        StyleReport, Uncalibrated,
    },
};

/// The whole report: what ran where, each style's lines, then the table of all.
pub fn text(report: &LabReport, colour: bool) -> String {
    let mut out = String::new();
    let plan = &report.plan;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "kernel {} ({}), tier {}\n{} in {} chunks over {}, {} page cache, {} run{} each",
        report.origin.kernel,
        report.origin.architecture,
        report.origin.tier.name(),
        bytes(plan.size_bytes),
        bytes(plan.chunk_bytes),
        network(&plan.network),
        if plan.cold { "cold" } else { "warm" },
        plan.repeat,
        if plan.repeat == 1 { "" } else { "s" },
    );
    if let Some(audit) = &report.audit {
        super::audit::method(&mut out, audit);
    }
    for style in &report.styles {
        out.push('\n');
        details(&mut out, style, colour);
    }
    out.push('\n');
    summary(&mut out, report, colour);
    super::audit::differences(&mut out, report);
    for unmetered in &report.completeness.unmetered {
        let _ = writeln!(out, "not observed: {unmetered}");
    }
    for problem in &report.completeness.problems {
        let _ = writeln!(out, "incomplete: {problem}");
    }
    if report.completeness.discarded_runs > 0 {
        let _ = writeln!(
            out,
            "{} runs made again: the kernel had skipped a probe in them",
            report.completeness.discarded_runs
        );
    }
    match report.completeness.calibration {
        Calibration::Passed | Calibration::Partly => {}
        Calibration::Failed => out.push_str("calibration failed: see what is incomplete\n"),
        Calibration::Skipped => out.push_str("not calibrated (--no-calibrate)\n"),
    }
    for Uncalibrated { site, reason } in &report.completeness.uncalibrated {
        let _ = writeln!(out, "not calibrated: {site}: {reason}");
    }
    let complete = if report.complete { "complete, no count was lost" } else { "not complete" };
    let _ = writeln!(out, "{}; {complete}", report.verdict);
    out
}

/// What the packets go over.
pub(super) fn network(facts: &Facts) -> String {
    let Facts { path, sender, receiver } = facts;
    let gather = match sender.gather {
        Some(true) => "gathers",
        Some(false) => "does not gather",
        None => "does not say whether it gathers",
    };
    let driver = |end: &EndFacts| end.driver.clone().unwrap_or_else(|| "no driver known".into());
    match path {
        Path::Loopback => "loopback".into(),
        Path::Veth => format!("a veth pair (the sender's end {gather})"),
        Path::Nic => harmless(&format!(
            "two cards ({}: {}, which {gather}; {}: {})",
            sender.device,
            driver(sender),
            receiver.device,
            driver(receiver),
        )),
    }
}

fn details(out: &mut String, style: &StyleReport, colour: bool) {
    let _ = writeln!(out, "{}: {}", style.style, style.how);
    let _ = writeln!(out, "  textbook ({}): {}", style.textbook_name, style.textbook);
    let run = match &style.outcome {
        Outcome::Measured(run) => run,
        Outcome::NotSupported { not_supported: NotSupported { side, errno, reason } } => {
            let _ = writeln!(out, "  not supported here: {errno} in the {}: {reason}", side.name());
            return;
        }
    };
    let mut lines = table(colour);
    lines.set_header(
        ["side", "what", "predicted", "measured", "per byte", "verdict", "formula"].map(head),
    );
    for (_, side) in run.sides() {
        for line in &side.lines {
            lines.add_row(detail(line, &side.copies_per_byte));
        }
    }
    out.push_str(&finished(&mut lines));
    for (side, report) in run.sides() {
        let (name, side) = (side.name(), report);
        notes(out, name, side);
        let _ = writeln!(out, "  {name}: {}", meters::side(side));
    }
    let _ = writeln!(
        out,
        "  moved {} bytes, {}{}",
        run.moved_bytes,
        match run.hash_ok {
            Some(true) => "content hash equal",
            Some(false) => "content hash DIFFERENT",
            None => "thrown away, so that no hash could be taken",
        },
        machine(run)
    );
    let _ = writeln!(out, "  {}", meters::devices(&run.devices));
    for side in &run.stacks {
        super::stacks::side(out, side);
    }
    if let Some(audit) = &style.audit {
        super::audit::details(out, audit, colour);
    }
}

fn detail(line: &Line, copies: &Copied<f64>) -> Vec<Cell> {
    let per_byte = line.quantity.direction().and_then(|direction| copies.get(direction));
    vec![
        Cell::new(line.side.name()),
        Cell::new(label(line.quantity)),
        number(line.predicted),
        match (line.measured, &line.reason) {
            (Some(measured), _) => number(measured),
            (None, reason) => Cell::new(reason.as_deref().unwrap_or_default()),
        },
        number(per_byte.map_or_else(String::new, ratio)),
        verdict(line.verdict),
        Cell::new(&line.formula),
    ]
}

/// What a quantity is called in text.
pub(super) fn label(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::UserToKernel => "copied, user to kernel",
        Quantity::KernelToUser => "copied, kernel to user",
        Quantity::KernelToKernel => "copied, in the kernel",
        Quantity::Syscalls => "system calls",
        Quantity::ModeSwitches => "mode switches",
        Quantity::PageFaults => "user page faults",
    }
}

/// Sites, calls and kernel-mode faults, a line each.
fn notes(out: &mut String, name: &str, side: &SideReport) {
    let sites = side.sites.iter().flatten().map(|site| {
        format!("{}[{}] {} bytes in {} calls", site.function, site.iterator, site.bytes, site.calls)
    });
    let calls = side.by_syscall.iter().flatten().map(|call| match call.bytes {
        Some(bytes) => format!("{} {} times, {bytes} bytes", call.name, call.calls),
        None => format!("{} {} times", call.name, call.calls),
    });
    for items in [calls.collect::<Vec<_>>(), sites.collect()] {
        if !items.is_empty() {
            let _ = writeln!(out, "  {name}: {}", items.join("; "));
        }
    }
    if let Some(bytes) = side.aside.filter(|bytes| *bytes > 0) {
        let _ = writeln!(out, "  {name}: {bytes} bytes copied beside the payload, such as headers");
    }
    if let Some(lent) = side.lent {
        let _ = writeln!(
            out,
            "  {name}: pages lent in {} sends; of {} the kernel says that it copied them after all",
            lent.sends, lent.copied
        );
    }
    if let Some(faults) = side.page_faults.kernel.filter(|faults| *faults > 0) {
        let _ = writeln!(
            out,
            "  {name}: {faults} page faults inside copies, in kernel mode already: no mode switch"
        );
    }
}

fn machine(run: &RunReport) -> String {
    run.machine.as_ref().map_or_else(
        || "; copies on nobody's account not observed".to_owned(),
        |machine| {
            let sites =
                machine.sites.iter().map(|site| format!("{} {}", site.function, site.bytes));
            let sites = sites.collect::<Vec<_>>().join(", ");
            let list = if sites.is_empty() { sites } else { format!(" ({sites})") };
            format!(
                "; copied on nobody's account, in softirqs or for a device: {} bytes{list}",
                machine.kernel_to_kernel
            )
        },
    )
}

fn summary(out: &mut String, report: &LabReport, colour: bool) {
    let mut all = table(colour);
    all.set_header(
        [
            "\nstyle",
            "sender\ncopies",
            "receiver\ncopies",
            "sender\nswitches",
            "receiver\nswitches",
            "\nverdict",
            "the textbook\ncalls it",
        ]
        .map(head),
    );
    for style in &report.styles {
        all.add_row(row(style));
    }
    out.push_str(&finished(&mut all));
    let _ = writeln!(
        out,
        "CPU copies of each byte, KU: kernel to user, UK: user to kernel, KK: in the kernel;\n\
         mode switches: two a system call."
    );
}

/// A style in the table of all.
fn row(style: &StyleReport) -> Vec<Cell> {
    let Some(run) = style.run() else {
        let none = || Cell::new("-");
        let said = Cell::new("not supported here");
        let textbook = Cell::new(style.textbook_name);
        return vec![head(style.style), none(), none(), none(), none(), said, textbook];
    };
    let of_receiver =
        |cell: fn(&SideReport) -> Cell| run.receiver.as_ref().map_or_else(|| Cell::new("-"), cell);
    let copied = |side: &SideReport| Cell::new(copies(&side.copies_per_byte));
    let switches = |side: &SideReport| {
        number(side.mode_switches.map_or_else(|| "not observed".to_owned(), |n| n.to_string()))
    };
    vec![
        head(style.style),
        copied(&run.sender),
        of_receiver(copied),
        switches(&run.sender),
        of_receiver(switches),
        verdict(run.verdict),
        Cell::new(style.textbook_name),
    ]
}

/// The directions that were used, as `KU 1 + UK 1`; `0` when all are known to be none.
pub(super) fn copies(copied: &Copied<f64>) -> String {
    let parts = [
        ("KU", copied.kernel_to_user),
        ("UK", copied.user_to_kernel),
        ("KK", copied.kernel_to_kernel),
    ];
    let used: Vec<_> = parts
        .iter()
        .filter_map(|(name, copies)| match copies {
            None => Some(format!("{name} not observed")),
            Some(0.0) => None,
            Some(copies) => Some(format!("{name} {}", ratio(*copies))),
        })
        .collect();
    if used.is_empty() { "0".into() } else { used.join(" + ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unobserved_directions_are_named_never_zero() {
        let all =
            Copied { user_to_kernel: Some(1.0), kernel_to_user: None, kernel_to_kernel: Some(0.0) };
        assert_eq!(copies(&all), "KU not observed + UK 1");
        let none = Copied {
            user_to_kernel: Some(0.0),
            kernel_to_user: Some(0.0),
            kernel_to_kernel: Some(0.0),
        };
        assert_eq!(copies(&none), "0");
    }
}
