//! The page of `zc claims`.

use maud::{Markup, html};

use super::{
    Basis, Cell, ENGLISH, Mark, Section, Table, Words, basis,
    completeness::conclusion,
    lab::comparison,
    legend, marked, page, repeat,
    transfers::{label, placed, transfer},
};
use crate::{
    claims::Verdict,
    report::text::{bytes, harmless},
    result::{
        claims::{ClaimReport, ClaimsReport, PartReport},
        transfer::TransferReport,
    },
};

/// The whole page; `command` is the command line that made the report.
pub fn claims(report: &ClaimsReport, command: &str) -> String {
    let words = &ENGLISH;
    let rests = Basis { complete: report.complete, problems: &report.problems, ..Basis::default() };
    let each = html! { @for claim in &report.claims { (one(claim, words)) } };
    let runs: Vec<_> = placed(&report.transfers, "/transfers", words).collect();
    let mut sections = vec![
        Section {
            id: "summary",
            title: words.summary,
            body: summary(&report.claims).markup(words),
        },
        Section { id: "claims", title: "What decided each", body: each },
    ];
    if !runs.is_empty() {
        let body = ways(&report.transfers, words);
        sections.push(Section { id: "ways", title: words.ways, body });
        sections.push(comparison(&runs, words));
    }
    sections.extend([basis(&rests, words), repeat(command, &report.origin, words)]);
    let title = "zc claims: what is said of copies, decided by measuring";
    page(title, words, &lead(report, &rests), &sections)
}

fn lead(report: &ClaimsReport, rests: &Basis<'_>) -> Markup {
    html! {
        p.lead {
            "Transfers of " (bytes(report.size_bytes)) " in " (bytes(report.chunk_bytes)) " chunks. Kernel "
            (report.origin.kernel) " (" (report.origin.architecture) ")."
        }
        (conclusion(rests))
    }
}

fn ways(transfers: &[TransferReport], words: &Words) -> Markup {
    html! {
        (legend(words))
        @for (at, one) in transfers.iter().enumerate() {
            @if let Some(drawn) = transfer(one, &format!("/transfers/{at}"), &format!("transfer-{at}"), words) {
                article {
                    h3 { (label(one, words)) }
                    (drawn)
                }
            }
        }
    }
}

fn verdict(verdict: Verdict) -> Markup {
    let mark = match verdict {
        Verdict::Confirmed => Mark::Yes,
        Verdict::NotObservable => Mark::Unseen,
        Verdict::Refuted => Mark::No,
    };
    marked(mark, verdict.name())
}

fn summary(claims: &[ClaimReport]) -> Table {
    let row = |claim: &ClaimReport| {
        vec![
            Cell::text(claim.id),
            Cell::Markup(verdict(claim.verdict)),
            Cell::text(claim.who),
            Cell::text(claim.says),
        ]
    };
    Table {
        caption: "Claims, and what became of them".into(),
        head: vec!["claim", "verdict", "who says so", "says"],
        rows: claims.iter().map(row).collect(),
    }
}

fn one(claim: &ClaimReport, words: &Words) -> Markup {
    html! {
        article id={ "claim-" (claim.id) } {
            h3 { (claim.id) " " (verdict(claim.verdict)) }
            p { (claim.says) " (" (claim.who) ")" }
            @for part in &claim.parts { (self::part(part, words)) }
        }
    }
}

fn part(part: &PartReport, words: &Words) -> Markup {
    let PartReport { says, verdict, facts, reason } = part;
    let row =
        |fact: &crate::claims::Fact| vec![Cell::text(&fact.what), Cell::number(fact.measured)];
    let table = Table {
        caption: (*says).to_owned(),
        head: vec!["what", "measured"],
        rows: facts.iter().map(row).collect(),
    };
    html! {
        p { (self::verdict(*verdict)) " " (says) }
        @if let Some(reason) = reason { p.no { (harmless(reason)) } }
        @if !facts.is_empty() { (table.below_its_caption(words)) }
    }
}
