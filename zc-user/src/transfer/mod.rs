//! The transfer styles: how each moves the bytes, and what theory says that it costs.
//!
//! One table ([`styles`]), one file a style. CONTRIBUTING.md says how to add one.

use std::collections::BTreeSet;

use crate::probes::catalogue::Job;

mod handover;
mod lend;
pub mod link;
pub(crate) mod mapped;
mod memory;
mod pace;
pub mod payload;
mod pipe;
pub mod receive;
mod resident;
pub mod session;
pub mod styles;
mod uring;
pub mod work;
pub mod worker;

use link::Link;
pub use styles::STYLES;
use work::Work;

use crate::expect::Cost;

/// The numbers that a prediction depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Payload bytes, `N` in formulas.
    pub bytes: u64,
    /// Bytes asked for in a call, `c` in formulas.
    pub chunk: u64,
}

impl Plan {
    /// `⌈N/c⌉`.
    pub fn chunks(self) -> u64 {
        self.bytes.div_ceil(self.chunk)
    }
}

/// Where the payload is when a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the file.
    File,
    /// In the sender's own memory, read from the file before the run.
    Memory,
}

impl Source {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

/// What one process does in a style.
#[derive(Clone, Copy)]
pub struct Part {
    /// Moves the bytes; the number moved. An error of the first run, a warm-up, says that this
    /// machine cannot do it ([`worker`] says which errors do).
    pub run: fn(&mut Work<'_>) -> rustix::io::Result<u64>,
    /// What it should cost.
    pub cost: fn(Plan) -> Cost,
    /// The kernel's jobs that carry its bytes: all must be seen for a count to stand. What it does
    /// without needs watching too: "no copy" is a measurement.
    pub jobs: &'static [Job],
}

/// One way to move a payload.
pub struct Style {
    /// Its name on the command line and in JSON.
    pub name: &'static str,
    /// The system calls, for people.
    pub how: &'static str,
    /// What textbooks call it, in two or three words.
    pub textbook_name: &'static str,
    /// What they say of it.
    pub textbook: &'static str,
    /// Where the payload is at first.
    pub source: Source,
    /// What lies between the two sides.
    pub link: Link,
    /// Whoever has the payload at first.
    pub sender: Part,
    /// Whoever gets it; none where the sender does all by itself.
    pub receiver: Option<Part>,
}

impl std::fmt::Debug for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Style {
    /// The jobs that must be seen to count both sides.
    pub fn jobs(&self) -> impl Iterator<Item = Job> {
        let parts = [Some(&self.sender), self.receiver.as_ref()];
        parts.into_iter().flatten().flat_map(|part| part.jobs).copied()
    }
}

/// The jobs that must be seen to count both sides of `styles`.
pub fn jobs<'a>(styles: impl Iterator<Item = &'a Style>) -> BTreeSet<Job> {
    styles.flat_map(Style::jobs).collect()
}

/// The style called `name`.
pub fn style(name: &str) -> Option<&'static Style> {
    STYLES.iter().find(|style| style.name == name)
}

/// The style names nearest to a misspelt one, best first; empty when none is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, STYLES.iter().map(|style| style.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_style_suggests_the_nearest() {
        assert_eq!(nearest("send-file"), Some("sendfile"));
        assert_eq!(nearest("readsend"), Some("read-send"));
        assert_eq!(nearest("zzz"), None);
    }

    #[test]
    fn names_are_unique_and_a_receiver_needs_a_link_to_another_process() {
        let names: BTreeSet<_> = STYLES.iter().map(|style| style.name).collect();
        assert_eq!(names.len(), STYLES.len());
        for style in &STYLES {
            assert_eq!(style.receiver.is_some(), style.link.has_receiver(), "{style:?}");
        }
    }

    #[test]
    fn chunks_round_up() {
        assert_eq!(Plan { bytes: 10, chunk: 4 }.chunks(), 3);
        assert_eq!(Plan { bytes: 8, chunk: 4 }.chunks(), 2);
        assert_eq!(Plan { bytes: 1, chunk: 4 }.chunks(), 1);
    }
}
