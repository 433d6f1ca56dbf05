//! The page of `zc learn`, in the language of its texts.

use maud::{Markup, html};

use super::{
    Cell, Mark, Section, Table, Words, bars,
    lab::comparison,
    legend, marked, page, repeat,
    transfers::{label, placed, transfer},
};
use crate::{
    learn::Lang,
    report::{learn, text::harmless},
    result::{
        learn::{LearnReport, LessonReport, Outcome},
        picture::bars as compared,
    },
};

/// The whole page; `command` is the command line that made the report.
pub fn learn(report: &LearnReport, command: &str) -> String {
    let lang = report.lang;
    let (words, own) = (Words::of(lang), learn::Words::of(lang));
    let base = |at: usize| format!("/labs/{at}");
    let lessons = || report.labs.iter().enumerate();
    let runs: Vec<_> = lessons()
        .flat_map(|(at, lesson)| {
            placed(&lesson.transfers, &format!("{}/transfers", base(at)), words).collect::<Vec<_>>()
        })
        .collect();
    let each = html! {
        @if !runs.is_empty() { (legend(words)) }
        @for (at, lesson) in lessons() { (one(lesson, &base(at), lang)) }
    };
    let mut sections = vec![
        Section { id: "summary", title: words.summary, body: summary(report, own).markup(words) },
        Section { id: "labs", title: own.labs, body: each },
    ];
    if !runs.is_empty() {
        sections.push(comparison(&runs, words));
    }
    sections.extend([rests(report, own), repeat(command, &report.origin, words)]);
    let lead = html! {
        p.lead { (words.kernel) " " (report.origin.kernel) " (" (report.origin.architecture) ")" }
    };
    page(own.page_title, words, &lead, &sections)
}

fn outcome(outcome: Outcome, own: &learn::Words) -> Markup {
    let mark = match outcome {
        Outcome::Right => Mark::Yes,
        Outcome::Wrong => Mark::No,
        Outcome::NotSupported | Outcome::Lost => Mark::Unseen,
    };
    marked(mark, own.outcome_of(outcome))
}

fn summary(report: &LearnReport, own: &learn::Words) -> Table {
    let row = |lesson: &LessonReport| {
        vec![
            Cell::text(format!("{} {}", lesson.row, lesson.title)),
            Cell::Markup(outcome(lesson.outcome, own)),
            Cell::number(lesson.predicted),
            Cell::count(lesson.measured),
            Cell::text(&lesson.unit),
        ]
    };
    Table {
        caption: own.labs.to_owned(),
        head: vec![own.lab, own.outcome, own.predicted, own.measured, own.unit],
        rows: report.labs.iter().map(row).collect(),
    }
}

fn paragraphs(text: &str, lang: Lang) -> Markup {
    html! { @for paragraph in lang.paragraphs(text) { p { (paragraph) } } }
}

fn one(lesson: &LessonReport, base: &str, lang: Lang) -> Markup {
    let (words, own) = (Words::of(lang), learn::Words::of(lang));
    let answers = compared::answers(lesson, base, [own.predicted, own.measured]);
    html! {
        article id=(lesson.lab) {
            h3 { (lesson.row) " " (lesson.title) " " (outcome(lesson.outcome, own)) }
            (paragraphs(&lesson.explanation, lang))
            h4 { (own.question) }
            @for paragraph in lang.paragraphs(&lesson.question) { p.question { (paragraph) } }
            (bars(&lesson.unit, &answers, words))
            @if let Some(reason) = &lesson.reason { p.no { (harmless(reason)) } }
            @if !lesson.facts.is_empty() {
                h4 { (own.facts) }
                (facts(lesson, own).markup(words))
            }
            @if let Some(why) = &lesson.why { h4 { (own.why) } (paragraphs(why, lang)) }
            @for (at, one) in lesson.transfers.iter().enumerate() {
                @let (place, id) = (format!("{base}/transfers/{at}"), format!("{}-{at}", lesson.lab));
                @if let Some(drawn) = transfer(one, &place, &id, words) {
                    h4 { (label(one, words)) }
                    (drawn)
                }
            }
            h4 { (own.variation) }
            (paragraphs(&lesson.variation, lang))
            pre.command tabindex="0" role="region" aria-label=(words.command) {
                code { "sudo " (lesson.attempt) }
            }
        }
    }
}

fn facts(lesson: &LessonReport, own: &learn::Words) -> Table {
    let row = |fact: &crate::result::learn::LessonFact| {
        vec![Cell::text(&fact.what), Cell::number(fact.measured)]
    };
    Table {
        caption: format!("{}: {}", lesson.title, own.facts),
        head: vec![own.fact, own.measured],
        rows: lesson.facts.iter().map(row).collect(),
    }
}

/// What was lost, or not watched.
fn rests(report: &LearnReport, own: &learn::Words) -> Section {
    let body = html! {
        @if report.complete { p { (own.complete) } } @else {
            p { (own.incomplete) }
            ul.lines { @for problem in &report.problems { li { (harmless(problem)) } } }
        }
    };
    Section { id: "completeness", title: own.rests, body }
}
