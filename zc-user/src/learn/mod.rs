//! Labs for people who learn kernels: a page to read, a number to predict, a measurement, and why.
//!
//! One table ([`LABS`]), a text file each in `labs/`; CONTRIBUTING.md says how to add one. What is right
//! is what was measured: no text has an answer.

use crate::{
    check::Number,
    claims::{Evidence, Need, Unobservable},
    result::learn::{ListReport, ListedLab},
};

mod run;
mod table;
mod text;

pub use run::{Options, run, steps};
pub use table::LABS;
pub use text::{Lang, Page};

/// Name and version of the JSON format of the list. The number grows when a key changes its meaning or
/// goes.
const LIST_SCHEMA: &str = "zc.learn-list/1";

/// One lab.
pub struct Lab {
    /// Its name on the command line.
    pub name: &'static str,
    /// The row of the textbook that it retells; another name for it.
    pub row: &'static str,
    /// What has to be measured.
    needs: &'static [Need],
    /// And in its place on a machine that lacks something for it.
    instead: &'static [Need],
    /// Whether zc has to count in the kernel for it.
    probes: bool,
    /// What was measured.
    measure: fn(&Evidence) -> Result<Measured, Unobservable>,
    /// Its page in each language.
    text: &'static str,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The number that was to be predicted, and those that explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measured {
    answer: Answer,
    /// By their names in the text.
    facts: Vec<(&'static str, u64)>,
}

/// What was counted, as the question asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    counted: u64,
    /// For each of so many.
    per: u64,
}

impl Answer {
    /// The count itself.
    fn count(counted: u64) -> Self {
        Self { counted, per: 1 }
    }

    /// Whether `predicted` is it, exactly.
    fn is(self, predicted: u64) -> bool {
        u128::from(predicted) * u128::from(self.per) == u128::from(self.counted)
    }

    /// The number: whole, where it is.
    #[expect(clippy::cast_precision_loss, reason = "not whole, so that no prediction is right")]
    fn number(self) -> Number {
        if self.counted.is_multiple_of(self.per) {
            (self.counted / self.per).into()
        } else {
            (self.counted as f64 / self.per as f64).into()
        }
    }
}

/// The lab called `name`, or of that row of the textbook, whatever the case.
pub fn lab(name: &str) -> Option<&'static Lab> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    LABS.iter().find(|lab| is(lab.name) || is(lab.row))
}

/// Every lab with its page in `lang`.
///
/// # Errors
/// Those of [`Lab::page`].
pub fn list(lang: Lang) -> Result<ListReport, toml::de::Error> {
    let listed = |lab: &'static Lab| {
        let page = lab.page(lang)?;
        Ok(ListedLab { lab: lab.name, row: lab.row, page })
    };
    let labs = LABS.iter().map(listed).collect::<Result<_, _>>()?;
    Ok(ListReport { schema: LIST_SCHEMA, zc: env!("CARGO_PKG_VERSION"), lang, labs })
}

/// The lab whose name is nearest to a misspelt one, if one is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, LABS.iter().map(|lab| lab.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{claims::claim, transfer::known};

    #[test]
    fn there_is_a_lab_for_each_row_of_the_textbook() {
        let rows: Vec<_> = LABS.iter().map(|lab| lab.row).collect();
        let textbook: Vec<_> = (1..=10).map(|row| format!("T{row}")).collect();
        assert_eq!(rows, textbook);
        assert!(rows.iter().all(|row| claim(row).is_some()));
        let names: BTreeSet<_> = LABS.iter().map(|lab| lab.name).collect();
        assert_eq!(names.len(), LABS.len());
        assert_eq!(lab("t8").map(|lab| lab.name), lab("Ordinary-Copy").map(|lab| lab.name));
    }

    #[test]
    fn labs_need_transfers_that_there_are() {
        for lab in LABS {
            for need in lab.needs.iter().chain(lab.instead) {
                assert!(known(need.style).is_some(), "{lab:?}: {}", need.style);
            }
            assert!(lab.probes || lab.needs.is_empty(), "{lab:?}");
        }
    }

    #[test]
    fn an_answer_is_exact() {
        assert!(Answer::count(64).is(64) && !Answer::count(64).is(65));
        let copies = |counted| Answer { counted, per: 1 << 20 };
        assert!(copies(2 << 20).is(2) && !copies((2 << 20) + 1).is(2));
        assert_eq!(copies(2 << 20).number(), 2.into());
        assert_ne!(copies((2 << 20) + 1).number(), 2.into());
        assert!(!Answer { counted: 0, per: u64::MAX }.is(u64::MAX));
    }
}
