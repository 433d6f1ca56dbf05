//! The text view of `zc lab architectures`.

use std::fmt::Write;

use comfy_table::Cell;

use super::{
    lab::network,
    text::{bytes, finished, head, number, ratio, table, verdict},
};
use crate::{
    network::Path,
    result::architectures::{ArchitectureReport, ArchitecturesReport},
};

const NOT: &str = "not observed";

/// The three side by side, and what to make of them.
pub fn text(report: &ArchitecturesReport, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "kernel {} ({}), tier {}\n{} in {} chunks, cold page cache",
        report.origin.kernel,
        report.origin.architecture,
        report.origin.tier.name(),
        bytes(report.size_bytes),
        bytes(report.chunk_bytes),
    );
    for architecture in &report.architectures {
        let ArchitectureReport { name, textbook, network: over, style, .. } = architecture;
        let _ = writeln!(
            out,
            "\n{name}: {}\n  over {}\n  the textbook: {textbook}",
            style.how,
            network(over)
        );
    }
    out.push('\n');
    let mut all = table(colour);
    all.set_header(
        [
            "\narchitecture",
            "from disk\nby DMA",
            "copied\nby the CPU",
            "copies\na byte",
            "to the card\nby DMA",
            "of it\nheaders",
            "mode\nswitches",
            "\nverdict",
        ]
        .map(head),
    );
    for architecture in &report.architectures {
        all.add_row(row(architecture));
    }
    out.push_str(&finished(&mut all));
    explain(&mut out, report);
    for problem in report.architectures.iter().flat_map(|one| &one.problems) {
        let _ = writeln!(out, "incomplete: {problem}");
    }
    let complete = if report.complete { "complete, no count was lost" } else { "not complete" };
    let _ = writeln!(out, "{}; {complete}", report.verdict);
    out
}

fn row(architecture: &ArchitectureReport) -> Vec<Cell> {
    let way = &architecture.sender;
    let count = |count: Option<u64>| number(count.map_or_else(|| NOT.into(), |n| n.to_string()));
    let copied = way.cpu_copied_bytes;
    let copies = [
        ("UK", copied.user_to_kernel),
        ("KU", copied.kernel_to_user),
        ("KK", copied.kernel_to_kernel),
    ];
    let shown: Vec<_> = copies
        .into_iter()
        .filter(|(_, bytes)| *bytes != Some(0))
        .map(|(name, bytes)| match bytes {
            Some(bytes) => format!("{name} {bytes}"),
            None => format!("{name} {NOT}"),
        })
        .collect();
    let run = architecture.style.run();
    vec![
        head(architecture.name),
        count(way.disk_dma_bytes),
        Cell::new(if shown.is_empty() { "0".into() } else { shown.join(" + ") }),
        number(way.cpu_copies_per_byte.map_or_else(|| NOT.into(), ratio)),
        count(way.nic_dma_bytes),
        count(way.nic_header_bytes),
        count(way.mode_switches),
        run.map_or_else(|| Cell::new("-"), |run| verdict(run.verdict)),
    ]
}

/// What the numbers mean where they are.
fn explain(out: &mut String, report: &ArchitecturesReport) {
    let Some(first) = report.architectures.first() else { return };
    let _ = writeln!(out, "{}", explanation(first.network.path));
}

/// What the numbers mean on the way that the packets took.
pub(super) fn explanation(path: Path) -> &'static str {
    match path {
        Path::Nic => {
            "The disk and the card move each byte once, by DMA, whatever the program does: what differs is\n\
             what the CPU copies in between. Mode switches are two a system call, in each architecture: none\n\
             is free of them."
        }
        Path::Veth => {
            "A veth pair has no DMA: the receiver's end gets the sender's buffers as they are. An end that\n\
             does not gather gets each packet in one piece all the same, copied by the CPU."
        }
        Path::Loopback => {
            "Loopback has no card and no DMA: the receiver gets the sender's buffers as they are, and loopback\n\
             always gathers, so that the second architecture cannot be had. Memory lent with MSG_ZEROCOPY is\n\
             copied here after all (zc lab zerocopy-send). --path nic shows the textbook's machines."
        }
    }
}
