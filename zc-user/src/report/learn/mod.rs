//! The text view of `zc learn`.

use std::fmt::Write;

use comfy_table::{Cell, Color};

use super::text::{finished, harmless, head, inline, number, table, word};
use crate::{
    learn::{Lab, Lang, Page},
    result::learn::{LearnReport, LessonReport, ListReport, ListedLab, Outcome},
};

mod words;

pub use words::Words;

/// What there is to read before the prediction.
pub fn page(lab: &Lab, page: &Page, lang: Lang) -> String {
    read(lab.row, lab.name, page, Words::of(lang))
}

fn read(row: &str, name: &str, page: &Page, words: &Words) -> String {
    format!(
        "{row} {name}: {}\n\n{}\n\n{}\n{}\n",
        page.title.trim(),
        page.explanation.trim(),
        words.question,
        page.question.trim()
    )
}

/// The prediction beside the measurement, why, and what to try next.
pub fn outcome(lesson: &LessonReport, lang: Lang, colour: bool) -> String {
    let words = Words::of(lang);
    let mut out = String::new();
    let mut both = table(colour);
    both.add_row(vec![head(words.predicted), number(lesson.predicted), Cell::new(&lesson.unit)]);
    let measured = measured(lesson, words);
    both.add_row(vec![head(words.measured), measured, verdict(lesson.outcome, words)]);
    out.push_str(&finished(&mut both));
    if let Some(reason) = &lesson.reason {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", harmless(reason));
    }
    if !lesson.facts.is_empty() {
        let _ = writeln!(out, "\n{}", words.facts);
        let mut facts = table(colour);
        for fact in &lesson.facts {
            facts.add_row(vec![number(fact.measured), Cell::new(&fact.what)]);
        }
        out.push_str(&finished(&mut facts));
    }
    if let Some(why) = &lesson.why {
        let _ = writeln!(out, "\n{}\n{}", words.why, why.trim());
    }
    let _ = writeln!(
        out,
        "\n{}\n{}\n\n  sudo {}",
        words.variation,
        lesson.variation.trim(),
        lesson.attempt
    );
    out
}

/// Every lab that was run, each with its outcome; and a table of all where there are several.
pub fn text(report: &LearnReport, colour: bool) -> String {
    let words = Words::of(report.lang);
    let mut out = String::new();
    let _ = writeln!(out, "kernel {} ({})", report.origin.kernel, report.origin.architecture);
    for lesson in &report.labs {
        let LessonReport { row, lab, title, question, .. } = lesson;
        let _ = writeln!(out, "\n{row} {lab}: {title}\n{}\n", question.trim());
        out.push_str(&outcome(lesson, report.lang, colour));
    }
    if report.labs.len() > 1 {
        out.push('\n');
        out.push_str(&summary(report, words, colour));
    }
    out
}

fn summary(report: &LearnReport, words: &Words, colour: bool) -> String {
    let mut all = table(colour);
    all.set_header(
        [words.lab, words.title, words.predicted, words.measured, words.outcome].map(head),
    );
    for lesson in &report.labs {
        all.add_row(vec![
            head(lesson.row),
            Cell::new(&lesson.title),
            number(lesson.predicted),
            measured(lesson, words),
            verdict(lesson.outcome, words),
        ]);
    }
    finished(&mut all)
}

fn measured(lesson: &LessonReport, words: &Words) -> Cell {
    number(lesson.measured.map_or_else(|| words.nothing.to_owned(), |n| n.to_string()))
}

fn verdict(outcome: Outcome, words: &Words) -> Cell {
    let colour = match outcome {
        Outcome::Right => Color::Green,
        Outcome::Wrong => Color::Red,
        Outcome::NotSupported | Outcome::Lost => Color::Yellow,
    };
    word(words.outcome_of(outcome), colour)
}

/// Every lab with its question.
pub fn list(report: &ListReport, colour: bool) -> String {
    let words = Words::of(report.lang);
    let mut labs = table(colour);
    labs.set_header(["", words.lab, words.title, words.question].map(head));
    for ListedLab { lab, row, page } in &report.labs {
        let question: String = report.lang.paragraphs(&page.question).collect();
        labs.add_row([head(row), Cell::new(lab), Cell::new(&page.title), Cell::new(question)]);
    }
    finished(&mut labs)
}

/// What asks for the prediction.
pub fn prompt(page: &Page, lang: Lang, colour: bool) -> String {
    let words = Words::of(lang);
    format!("{} ({}): ", inline(head(words.prompt), colour), page.unit)
}
