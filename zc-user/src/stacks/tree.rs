//! Ways with common beginnings put together.

use std::{cmp::Reverse, collections::BTreeMap};

use super::CopyPath;
use crate::probes::catalogue::Direction;

/// A function on a way, and what was copied in it and below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The function.
    pub frame: String,
    /// Bytes copied at the end of every way through it, by direction.
    pub bytes: BTreeMap<Direction, u64>,
    /// Bytes copied where the way ends here.
    pub own: BTreeMap<Direction, u64>,
    /// What it called, most bytes first.
    pub children: Vec<Self>,
}

impl Node {
    /// All bytes copied in it and below it.
    pub fn total(&self) -> u64 {
        self.bytes.values().sum()
    }

    fn add(&mut self, direction: Direction, bytes: u64, way: &[&str]) {
        *self.bytes.entry(direction).or_default() += bytes;
        let Some((first, rest)) = way.split_first() else {
            *self.own.entry(direction).or_default() += bytes;
            return;
        };
        let index = match self.children.iter().position(|child| child.frame == *first) {
            Some(index) => index,
            None => {
                self.children.push(Self { frame: (*first).to_owned(), ..Self::default() });
                self.children.len() - 1
            }
        };
        self.children[index].add(direction, bytes, rest);
    }

    fn sort(&mut self) {
        self.children.sort_by_cached_key(|child| (Reverse(child.total()), child.frame.clone()));
        self.children.iter_mut().for_each(Self::sort);
    }
}

/// Copied bytes by the way that led to them. Its root is a node without a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathTree {
    root: Node,
}

impl PathTree {
    /// Puts the ways together; each begins with the names in front of it, such as whose they are.
    pub fn new<'a>(ways: impl IntoIterator<Item = (Vec<&'a str>, &'a CopyPath)>) -> Self {
        let mut root = Node::default();
        for (mut way, path) in ways {
            way.extend(path.frames.iter().map(String::as_str));
            root.add(path.direction, path.bytes, &way);
        }
        root.sort();
        Self { root }
    }

    /// Of ways with nothing in front.
    pub fn of(paths: &[CopyPath]) -> Self {
        Self::new(paths.iter().map(|path| (Vec::new(), path)))
    }

    /// What everything hangs on.
    pub fn root(&self) -> &Node {
        &self.root
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use Direction::{KernelToUser, UserToKernel};

    pub(crate) fn path(direction: Direction, bytes: u64, frames: &str) -> CopyPath {
        CopyPath { direction, bytes, frames: frames.split(';').map(str::to_owned).collect() }
    }

    #[test]
    fn common_beginnings_are_one_node_with_the_bytes_of_all() {
        let paths = [
            path(KernelToUser, 3, "call;read"),
            path(UserToKernel, 10, "call;send"),
            path(KernelToUser, 1, "call;send"),
            path(KernelToUser, 5, "call;send;deeper"),
        ];
        let tree = PathTree::of(&paths);
        let [call] = &tree.root().children[..] else { panic!("{tree:?}") };
        assert_eq!((call.frame.as_str(), call.total(), call.own.len()), ("call", 19, 0));
        assert_eq!(call.bytes, BTreeMap::from([(KernelToUser, 9), (UserToKernel, 10)]));
        let [send, read] = &call.children[..] else { panic!("{call:?}") };
        assert_eq!((send.frame.as_str(), send.total()), ("send", 16));
        assert_eq!(send.own, BTreeMap::from([(KernelToUser, 1), (UserToKernel, 10)]));
        assert_eq!((send.children[0].frame.as_str(), send.children[0].total()), ("deeper", 5));
        assert_eq!((read.frame.as_str(), read.total()), ("read", 3));
    }

    #[test]
    fn names_may_stand_in_front() {
        let paths = [path(KernelToUser, 3, "call"), path(KernelToUser, 4, "call")];
        let tree = PathTree::new([(vec!["sender"], &paths[0]), (vec!["receiver"], &paths[1])]);
        let names: Vec<_> = tree.root().children.iter().map(|node| node.frame.as_str()).collect();
        assert_eq!(names, ["receiver", "sender"], "most bytes first");
        assert_eq!(tree.root().total(), 7);
    }
}
