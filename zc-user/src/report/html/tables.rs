//! Tables.

use maud::{Markup, html};

use super::{Words, scrolling};
use crate::{expect::Verdict, report::text::harmless};

/// A cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, on the right.
    Number(String),
    /// What a page makes itself, as a verdict.
    Markup(Markup),
    /// Not a number, and why.
    NotObserved(String),
}

impl Cell {
    /// Words, which may be anyone's.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(harmless(text.as_ref()))
    }

    /// A number.
    #[expect(clippy::needless_pass_by_value, reason = "numbers are passed as they are")]
    pub fn number(number: impl ToString) -> Self {
        Self::Number(number.to_string())
    }

    /// A number, or that it was not observed.
    pub fn count(number: Option<impl ToString>) -> Self {
        number.map_or_else(|| Self::NotObserved(String::new()), Self::number)
    }

    /// Whether theory held.
    pub fn verdict(verdict: Verdict) -> Self {
        Self::Markup(self::verdict(verdict))
    }

    fn markup(&self, words: &Words) -> Markup {
        match self {
            Self::Text(text) => html! { td { (text) } },
            Self::Number(number) => html! { td.n { (number) } },
            Self::Markup(markup) => html! { td { (markup) } },
            Self::NotObserved(why) if why.is_empty() => html! { td.no { (words.not_observed) } },
            Self::NotObserved(why) => {
                html! { td.no { (words.not_observed) ": " (harmless(why)) } }
            }
        }
    }
}

/// A table; the first cell of a row is its head.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Of the columns.
    pub head: Vec<&'static str>,
    /// Each as long as the head.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Whether a column has its cells on the right, after the first row.
    fn is_of_numbers(&self, column: usize) -> bool {
        let cell = self.rows.first().and_then(|row| row.get(column));
        matches!(cell, Some(Cell::Number(_)))
    }

    /// The table, in a box that scrolls.
    pub fn markup(&self, words: &Words) -> Markup {
        self.captioned(words, "")
    }

    /// The same below a line that says what its caption does, which is then only for those who hear the page.
    pub fn below_its_caption(&self, words: &Words) -> Markup {
        self.captioned(words, "heard")
    }

    fn captioned(&self, words: &Words, class: &str) -> Markup {
        let table = html! {
            table {
                caption class=[(!class.is_empty()).then_some(class)] { span { (self.caption) } }
                thead {
                    tr {
                        @for (at, name) in self.head.iter().enumerate() {
                            th.n[self.is_of_numbers(at)] scope="col" { (name) }
                        }
                    }
                }
                tbody {
                    @for row in &self.rows {
                        tr {
                            @if let Some((first, rest)) = row.split_first() {
                                th scope="row" { (plain(first)) }
                                @for cell in rest { (cell.markup(words)) }
                            }
                        }
                    }
                }
            }
        };
        scrolling(&self.caption, words, &table)
    }
}

fn plain(cell: &Cell) -> &str {
    match cell {
        Cell::Text(text) | Cell::Number(text) | Cell::NotObserved(text) => text,
        Cell::Markup(_) => "",
    }
}

/// What a verdict amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It holds.
    Yes,
    /// Nobody knows.
    Unseen,
    /// It does not hold.
    No,
}

/// A verdict's word, before which the style sheet puts a mark that needs no colour.
pub fn marked(mark: Mark, word: &str) -> Markup {
    let class = match mark {
        Mark::Yes => "verdict yes",
        Mark::Unseen => "verdict unseen",
        Mark::No => "verdict refuted",
    };
    html! { span class=(class) { (word) } }
}

/// Whether theory held.
pub fn verdict(verdict: Verdict) -> Markup {
    let mark = match verdict {
        Verdict::Verified => Mark::Yes,
        Verdict::NotObserved => Mark::Unseen,
        Verdict::Refuted => Mark::No,
    };
    marked(mark, &verdict.to_string())
}
