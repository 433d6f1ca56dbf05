//! The words of pages, pictures and bars: a file a language.

use crate::{
    claims::Circumstances,
    expect::Side,
    learn::Lang,
    result::picture::{Mover, Note, Place, Zone, bars::What},
};

mod chinese;
mod english;

pub use chinese::CHINESE;
pub use english::ENGLISH;

/// A language.
pub struct Words {
    /// Its tag, as HTML has it (BCP 47).
    pub lang: &'static str,
    /// A station.
    pub place: fn(Place) -> &'static str,
    /// Where stations lie, in a picture of one way.
    pub band: fn(Zone) -> &'static str,
    /// What rows have in common, in a picture of flows.
    pub zone: fn(Zone) -> &'static str,
    /// Who moved bytes.
    pub mover: fn(Mover) -> &'static str,
    /// More about a movement.
    pub note: fn(Note) -> &'static str,
    /// A part of a bar.
    pub what: fn(What) -> &'static str,
    /// A side.
    pub side: fn(Side) -> &'static str,
    /// What was not seen.
    pub not_observed: &'static str,
    /// `1 copy a byte`; the number as text.
    pub copies: fn(&str) -> String,
    /// How many bytes were copied, of those that were handed on; the number as text.
    pub copied: fn(&str) -> String,
    /// What the kinds of arrows mean.
    pub legend: &'static str,
    /// The picture in words.
    pub in_words: &'static str,
    /// How many flows have no arrow.
    pub smaller: fn(usize) -> String,
    /// A link past the navigation.
    pub skip: &'static str,
    /// The navigation.
    pub contents: &'static str,
    /// Stands on a box that scrolls.
    pub scrolls: &'static str,
    /// How a transfer was made.
    pub how: fn(Circumstances) -> &'static str,
    /// Heads the table of all.
    pub summary: &'static str,
    /// Heads pictures of ways.
    pub ways: &'static str,
    /// Heads bars.
    pub side_by_side: &'static str,
    /// What the directions are called, and what counts.
    pub directions: &'static str,
    /// Above bars of copies.
    pub copies_of_each_byte: &'static str,
    /// Above bars of mode switches.
    pub switches_for_each_mib: &'static str,
    /// Heads how to make the report again.
    pub repeat: &'static str,
    /// The command for that.
    pub command: &'static str,
    /// The kernel that ran.
    pub kernel: &'static str,
    /// What was used to observe.
    pub tier: &'static str,
    /// How to compare the page with the JSON.
    pub pointers: &'static str,
}

impl Words {
    /// Those of `lang`.
    pub fn of(lang: Lang) -> &'static Self {
        match lang {
            Lang::En => &ENGLISH,
            Lang::Zh => &CHINESE,
        }
    }
}
