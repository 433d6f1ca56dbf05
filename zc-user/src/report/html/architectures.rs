//! The page of `zc lab architectures`.

use maud::{Markup, html};

use super::{
    Basis, Cell, ENGLISH, Section, Table, basis,
    completeness::conclusion,
    lab::{comparison, one},
    legend, page, repeat,
};
use crate::{
    report::{
        architectures::explanation,
        lab::network,
        text::{bytes, ratio},
        trace::copied,
    },
    result::{
        architectures::{ArchitectureReport, ArchitecturesReport},
        picture::bars as compared,
    },
};

/// The whole page; `command` is the command line that made the report.
pub fn architectures(report: &ArchitecturesReport, command: &str) -> String {
    let words = &ENGLISH;
    let all = &report.architectures;
    let problems: Vec<_> = all.iter().flat_map(|one| one.problems.iter().cloned()).collect();
    let rests = Basis {
        complete: report.complete,
        verdict: Some(report.verdict),
        problems: &problems,
        ..Basis::default()
    };
    let place = |at| format!("/architectures/{at}/style");
    let styles: Vec<_> = all.iter().enumerate().map(|(at, a)| (&a.style, place(at))).collect();
    let each = html! {
        (legend(words))
        @for (architecture, (style, base)) in all.iter().zip(&styles) {
            h3.architecture { (architecture.name) }
            p {
                "Over " (network(&architecture.network)) ". The textbook: " (architecture.textbook)
            }
            // The report of three has no list of what no meter could count.
            (one(style, base, architecture.network.path, &[], words))
        }
    };
    let sections = [
        Section {
            id: "summary",
            title: "Summary",
            body: html! {
                (summary(all).markup(words))
                @if let Some(first) = all.first() { p { (explanation(first.network.path)) } }
            },
        },
        Section { id: "ways", title: "The way of the bytes", body: each },
        comparison(&compared::placed(&styles), words),
        basis(&rests, words),
        repeat(command, &report.origin, words),
    ];
    let title = "zc lab architectures: three ways to serve a file";
    page(title, words, &lead(report, &rests), &sections)
}

fn lead(report: &ArchitecturesReport, rests: &Basis<'_>) -> Markup {
    html! {
        p.lead {
            (bytes(report.size_bytes)) " in " (bytes(report.chunk_bytes)) " chunks, cold page cache. Kernel "
            (report.origin.kernel) " (" (report.origin.architecture) "), tier "
            (report.origin.tier.name()) "."
        }
        (conclusion(rests))
    }
}

fn summary(all: &[ArchitectureReport]) -> Table {
    let row = |one: &ArchitectureReport| {
        let way = &one.sender;
        vec![
            Cell::text(one.name),
            Cell::count(way.disk_dma_bytes),
            Cell::text(copied(way.cpu_copied_bytes)),
            Cell::count(way.cpu_copies_per_byte.map(ratio)),
            Cell::count(way.nic_dma_bytes),
            Cell::count(way.nic_header_bytes),
            Cell::count(way.mode_switches),
            one.style.run().map_or_else(|| Cell::text("–"), |run| Cell::verdict(run.verdict)),
        ]
    };
    Table {
        caption: "The sender, from its disk to its network card; bytes".into(),
        head: vec![
            "architecture",
            "from disk by DMA",
            "copied by the CPU",
            "copies a byte",
            "to the card by DMA",
            "of it headers",
            "mode switches",
            "verdict",
        ],
        rows: all.iter().map(row).collect(),
    }
}
