//! The transfer styles: how each moves the bytes, and what theory says that it costs.
//!
//! One table ([`styles`]), one file a style. CONTRIBUTING.md says how to add one.

use std::collections::BTreeSet;

use crate::probes::catalogue::Job;

mod experiments;
mod handover;
mod lend;
pub mod link;
pub(crate) mod mapped;
mod memory;
mod pace;
pub mod payload;
mod pipe_size;
pub mod receive;
mod resident;
pub mod session;
pub mod styles;
pub(crate) mod tls;
pub mod uncached;
mod uring;
pub mod work;
pub mod worker;

use experiments::EXPERIMENTS;
use link::Link;
pub use styles::STYLES;
use work::Work;

use crate::{
    expect::{Cost, NOTHING, Term, term},
    network::{Facts, Path},
};

/// The numbers that a prediction depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Payload bytes, `N` in formulas.
    pub bytes: u64,
    /// Bytes asked for in a call, `c` in formulas.
    pub chunk: u64,
    /// What packets go through.
    pub route: Route,
    /// How the payload's file system shares blocks between files, if it does.
    pub sharing: Option<Sharing>,
}

/// How a file system shares the payload's blocks with another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Bytes of a block: whole ones are shared, and the last one of a file.
    pub block: u64,
    /// Whether the payload ends where its file does.
    pub to_the_end: bool,
}

/// What packets go through on their way from a TCP or UDP socket to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which way.
    pub path: Path,
    /// Whether the sender's device takes a packet from several places of memory. Where it does not, the
    /// kernel first copies each packet to one place (`skb_linearize` by `validate_xmit_skb`,
    /// net/core/dev.c).
    pub gather: bool,
}

impl Route {
    /// The one that needs nothing.
    pub const LOOPBACK: Self = Self { path: Path::Loopback, gather: true };
}

impl From<&Facts> for Route {
    /// A device that does not say whether it gathers is taken at its best: the count shows if it does
    /// not.
    fn from(facts: &Facts) -> Self {
        Self { path: facts.path, gather: facts.sender.gather.unwrap_or(true) }
    }
}

impl Plan {
    /// Over loopback, from a file system that shares nothing.
    pub const fn plain(bytes: u64, chunk: u64) -> Self {
        Self { bytes, chunk, route: Route::LOOPBACK, sharing: None }
    }

    /// `⌈N/c⌉`.
    pub fn chunks(self) -> u64 {
        self.bytes.div_ceil(self.chunk)
    }

    /// What is copied inside the kernel on the way of packets through the network, on the sender's
    /// account.
    pub fn sent(self) -> Term {
        if self.route.gather { NOTHING } else { term(self.bytes, "N: no gather DMA") }
    }

    /// The same where the packets refer to the sender's own memory, which a receiver on the same
    /// machine must not get to see change (`skb_orphan_frags_rx`, include/linux/skbuff.h).
    pub fn lent(self) -> Term {
        match self.route {
            Route { path: Path::Loopback | Path::Veth, gather: true } => {
                term(self.bytes, "N: the same machine receives")
            }
            _ => self.sent(),
        }
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

/// The style or experiment called `name`.
pub fn known(name: &str) -> Option<&'static Style> {
    style(name).or_else(|| EXPERIMENTS.iter().find(|style| style.name == name))
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
        let all = || STYLES.iter().chain(&EXPERIMENTS);
        let names: BTreeSet<_> = all().map(|style| style.name).collect();
        assert_eq!(names.len(), all().count());
        for style in all() {
            assert_eq!(style.receiver.is_some(), style.link.has_receiver(), "{style:?}");
        }
    }

    #[test]
    fn chunks_round_up() {
        let plan = |bytes| Plan::plain(bytes, 4);
        assert_eq!([10, 8, 1].map(|bytes| plan(bytes).chunks()), [3, 2, 1]);
    }

    #[test]
    fn only_gather_spares_a_sender_the_last_copy_and_only_another_machine_that_of_lent_pages() {
        let copied = |path, gather| {
            let plan = Plan { route: Route { path, gather }, ..Plan::plain(7, 4) };
            [plan.sent().value, plan.lent().value]
        };
        assert_eq!(copied(Path::Loopback, true), [0, 7]);
        assert_eq!(copied(Path::Veth, true), [0, 7]);
        assert_eq!(copied(Path::Veth, false), [7, 7]);
        assert_eq!(copied(Path::Nic, true), [0, 0]);
        assert_eq!(copied(Path::Nic, false), [7, 7]);
    }
}
