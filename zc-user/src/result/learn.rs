//! The result of `zc learn`. docs/learn-json.md documents it as JSON.

use serde::Serialize;

use super::{Origin, transfer::TransferReport};
use crate::{
    check::Number,
    learn::{Lang, Page},
};

/// What became of each prediction.
#[derive(Debug, Serialize)]
pub struct LearnReport {
    /// What made it, and where.
    #[serde(flatten)]
    pub origin: Origin,
    /// What the texts are written in.
    pub lang: Lang,
    /// Whether no count was lost, and everything that was relied on was watched.
    pub complete: bool,
    /// What was lost, or not watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// In the order in which they were done.
    pub labs: Vec<LessonReport>,
}

/// What `zc learn --list --json` says: every lab, with its page.
#[derive(Debug, Serialize)]
pub struct ListReport {
    /// Name and version of this format.
    pub schema: &'static str,
    /// zc's version.
    pub zc: &'static str,
    /// What the texts are written in.
    pub lang: Lang,
    /// In the order of the table.
    pub labs: Vec<ListedLab>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct ListedLab {
    /// Its name.
    pub lab: &'static str,
    /// The row of the textbook.
    pub row: &'static str,
    /// What it says before the run.
    #[serde(flatten)]
    pub page: Page,
}

/// One lab.
#[derive(Debug, Serialize)]
pub struct LessonReport {
    /// Its name.
    pub lab: &'static str,
    /// The row of the textbook.
    pub row: &'static str,
    /// In a few words.
    pub title: String,
    /// What there was to know before the question.
    #[serde(skip)]
    pub explanation: String,
    /// What was to be predicted.
    pub question: String,
    /// What the number counts.
    pub unit: String,
    /// What the learner said.
    pub predicted: u64,
    /// What became of that.
    pub outcome: Outcome,
    /// The right answer; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Number>,
    /// The numbers that explain it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<LessonFact>,
    /// Why it is so; absent where nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why nothing was measured, in the words of whoever refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The styles' runs that were measured for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<TransferReport>,
    /// What to try next.
    pub variation: String,
    /// The command for that.
    #[serde(rename = "try")]
    pub attempt: String,
}

/// What became of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Outcome {
    /// It is what was measured, exactly.
    #[serde(rename = "right")]
    Right,
    /// Counts were lost: try again.
    #[serde(rename = "counts lost")]
    Lost,
    /// This machine cannot show it.
    #[serde(rename = "not supported")]
    NotSupported,
    /// Something else was measured.
    #[serde(rename = "wrong")]
    Wrong,
}

/// A number that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct LessonFact {
    /// The same in every language.
    pub name: &'static str,
    /// What it counts.
    pub what: String,
    /// How much.
    pub measured: u64,
}
