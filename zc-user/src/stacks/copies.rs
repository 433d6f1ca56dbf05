//! What was copied on which way: the derived result.

use std::collections::BTreeMap;

use serde::Serialize;
use zc_common::{StackLoss, Tally};

use super::{Names, StackSample};
use crate::probes::catalogue::{Direction, Effect, entry};

/// Bytes that the CPU copied at the end of one way through the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyPath {
    /// Which way they were copied.
    pub direction: Direction,
    /// How many.
    pub bytes: u64,
    /// The kernel's functions, the outermost first; addresses where the kernel hides their names.
    pub frames: Vec<String>,
}

/// The ways on which one group's bytes were copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CopyStacks {
    /// Bytes copied on all of the ways.
    pub bytes: u64,
    /// Whether that is all that the sites saw being copied.
    pub complete: bool,
    /// Why it is not, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Why the frames are addresses, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<String>,
    /// The ways, most bytes first.
    pub paths: Vec<CopyPath>,
}

impl CopyStacks {
    /// Notes something that is missing.
    pub fn lacks(&mut self, problem: String) {
        self.complete = false;
        self.problems.push(problem);
    }

    /// Bytes copied in `direction`.
    pub fn copied(&self, direction: Direction) -> u64 {
        let paths = self.paths.iter().filter(|path| path.direction == direction);
        paths.map(|path| path.bytes).sum()
    }
}

/// Bytes by direction and way.
type Ways = BTreeMap<(Direction, Vec<String>), u64>;

/// What was copied in `run` beyond what was copied in `empty`, where there was such a run.
pub fn copy_stacks(
    run: &StackSample,
    empty: Option<&StackSample>,
    names: &Names<'_>,
) -> CopyStacks {
    let mut result = CopyStacks {
        complete: true,
        unnamed: names.symbols.hidden().map(str::to_owned),
        ..CopyStacks::default()
    };
    for (cause, tally) in run.lost.iter().chain(empty.iter().flat_map(|empty| &empty.lost)) {
        result.lacks(lost(*cause, *tally));
    }
    let mut ways = copied(run, names, &mut result);
    if let Some(empty) = empty {
        for ((direction, frames), bytes) in copied(empty, names, &mut result) {
            let way = (direction, frames);
            match ways.get_mut(&way).filter(|more| **more >= bytes) {
                Some(more) => *more -= bytes,
                None => result.lacks(format!(
                    "the empty run copied {bytes} bytes on the way to {} that this run did not",
                    way.1.last().map_or("nowhere", String::as_str)
                )),
            }
        }
    }
    let ways = ways.into_iter().filter(|(_, bytes)| *bytes > 0);
    result.paths =
        ways.map(|((direction, frames), bytes)| CopyPath { direction, bytes, frames }).collect();
    result.paths.sort_by_key(|path| std::cmp::Reverse(path.bytes));
    result.bytes = result.paths.iter().map(|path| path.bytes).sum();
    result
}

fn lost(cause: StackLoss, tally: Tally) -> String {
    let why = match cause {
        StackLoss::Collision => "other stacks have their places",
        StackLoss::NoRoom => "there was no room for more stacks",
        StackLoss::NotWalked => "the kernel could not walk the stack",
        StackLoss::NoTally => "there was no room for more tallies",
    };
    format!("{} passes of {} bytes have no stack: {why}", tally.calls, tally.bytes)
}

/// What was copied, without what was only handed on.
fn copied(sample: &StackSample, names: &Names<'_>, result: &mut CopyStacks) -> Ways {
    let mut ways = Ways::new();
    let mut spared = Ways::new();
    for stack in &sample.stacks {
        let (all, direction) = match (entry(stack.site).effect)(stack.class) {
            Effect::Copy(direction) => (&mut ways, direction),
            Effect::Spared(direction) => (&mut spared, direction),
            Effect::Aside(_) | Effect::Filled | Effect::Transformed | Effect::Passed => continue,
        };
        *all.entry((direction, names.path(stack))).or_default() += stack.tally.bytes;
    }
    for ((direction, frames), bytes) in spared {
        let left = take(&mut ways, direction, frames, bytes);
        if left > 0 {
            result.lacks(format!("{left} bytes that were handed on are on no way that copies"));
        }
    }
    ways
}

/// Takes `bytes`, which went on by `frames` uncopied, from the sites on that way that counted them as
/// copied, the nearest first. What is left of them.
fn take(ways: &mut Ways, direction: Direction, mut frames: Vec<String>, mut bytes: u64) -> u64 {
    while bytes > 0 && frames.pop().is_some() {
        let way = (direction, frames);
        if let Some(counted) = ways.get_mut(&way) {
            let taken = bytes.min(*counted);
            *counted -= taken;
            bytes -= taken;
        }
        frames = way.1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use zc_common::{IterClass, Site};

    use super::*;
    use crate::stacks::{CountedStack, Symbols};

    const FILE: &str = "\
        ffffffff81001000 T do_syscall_64\n\
        ffffffff81002000 T filemap_read\n\
        ffffffff81003000 T tcp_sendmsg_locked\n\
        ffffffff81004000 T skb_splice_from_iter\n\
        ffffffff81005000 D data\n";

    const SYSCALL: u64 = 0xffff_ffff_8100_1010;
    const READ: u64 = 0xffff_ffff_8100_2005;
    const SEND: u64 = 0xffff_ffff_8100_3005;
    const SPLICE: u64 = 0xffff_ffff_8100_4005;

    fn stack(site: Site, class: IterClass, frames: &[u64], bytes: u64) -> CountedStack {
        let tally = Tally { calls: 1, bytes };
        CountedStack { frames: frames.to_vec(), probe_frames: 0, site, class, tally }
    }

    fn sample(stacks: &[CountedStack]) -> StackSample {
        StackSample { stacks: stacks.to_vec(), ..StackSample::default() }
    }

    fn derive(run: &StackSample, empty: Option<&StackSample>) -> CopyStacks {
        let symbols = Symbols::parse(FILE, None);
        let mut functions = [None; Site::ALL.len()];
        for (site, name) in [
            (Site::FilemapRead, "filemap_read"),
            (Site::TcpSendmsg, "tcp_sendmsg_locked"),
            (Site::SkbSpliceFromIter, "skb_splice_from_iter"),
        ] {
            functions[site as usize] = Some(name);
        }
        copy_stacks(run, empty, &Names { symbols: &symbols, functions: &functions })
    }

    fn read(bytes: u64) -> CountedStack {
        stack(Site::FilemapRead, IterClass::User, &[READ, SYSCALL], bytes)
    }

    fn send(class: IterClass, bytes: u64) -> CountedStack {
        stack(Site::TcpSendmsg, class, &[SEND, SYSCALL], bytes)
    }

    fn spliced(bytes: u64) -> CountedStack {
        stack(Site::SkbSpliceFromIter, IterClass::Kernel, &[SPLICE, SEND + 0x40, SYSCALL], bytes)
    }

    #[test]
    fn only_copies_count_most_bytes_first() {
        let passed = stack(Site::SpliceToSocket, IterClass::None, &[SYSCALL], 99);
        let run = sample(&[send(IterClass::User, 10), read(12), read(3), passed]);
        let copied = derive(&run, None);
        assert!(copied.complete && copied.problems.is_empty(), "{copied:?}");
        assert_eq!(copied.bytes, 25);
        let paths: Vec<_> = copied
            .paths
            .iter()
            .map(|path| (path.direction, path.bytes, path.frames.join(";")))
            .collect();
        assert_eq!(
            paths,
            [
                (Direction::KernelToUser, 15, "do_syscall_64;filemap_read".to_owned()),
                (Direction::UserToKernel, 10, "do_syscall_64;tcp_sendmsg_locked".to_owned()),
            ]
        );
    }

    #[test]
    fn what_was_handed_on_inside_a_site_is_not_copied_there() {
        let all = derive(&sample(&[spliced(10), send(IterClass::Kernel, 10)]), None);
        assert!(all.complete && all.paths.is_empty(), "{all:?}");
        let some = derive(&sample(&[send(IterClass::Kernel, 10), spliced(7)]), None);
        assert_eq!((some.bytes, some.complete), (3, true));
        // Of another direction.
        let none = derive(&sample(&[send(IterClass::User, 10), spliced(7)]), None);
        assert_eq!((none.bytes, none.complete), (10, false));
        assert_eq!(none.problems, ["7 bytes that were handed on are on no way that copies"]);
    }

    #[test]
    fn the_empty_run_is_taken_off() {
        let net = derive(&sample(&[read(12)]), Some(&sample(&[read(2)])));
        assert_eq!((net.bytes, net.complete), (10, true));
        let nothing = derive(&sample(&[read(2)]), Some(&sample(&[read(2)])));
        assert!(nothing.paths.is_empty() && nothing.complete);
        let other = derive(&sample(&[read(2)]), Some(&sample(&[send(IterClass::User, 2)])));
        assert!(!other.complete);
        assert!(other.problems[0].contains("the way to tcp_sendmsg_locked"), "{other:?}");
    }

    #[test]
    fn each_cause_of_loss_is_told_and_leaves_the_result_incomplete() {
        for cause in StackLoss::ALL {
            let lost = BTreeMap::from([(cause, Tally { calls: 2, bytes: 30 })]);
            let copied = derive(&StackSample { lost, ..sample(&[read(2)]) }, None);
            assert_eq!((copied.complete, copied.bytes, copied.problems.len()), (false, 2, 1));
            assert!(copied.problems[0].starts_with("2 passes of 30 bytes have no stack: "));
        }
    }
}
