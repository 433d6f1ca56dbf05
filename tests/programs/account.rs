//! System calls and their bytes, and whether two accounts of them agree.

use std::{collections::BTreeMap, fmt};

use super::report::Copied;

/// What was seen of one system call. One that did not return counts nowhere.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All, those that failed too.
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.bytes += other.bytes;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} failed, {} bytes", self.calls, self.failed, self.bytes)
    }
}

/// Tallies by the system call's name.
pub(crate) type Calls = BTreeMap<String, Tally>;

/// A system call and what is at both of its ends.
pub(crate) type Ends = (String, String, String);

/// Bytes by call and ends.
pub(crate) type Flows = BTreeMap<Ends, u64>;

/// What the process's own memory is called where it is an end.
pub(crate) const MEMORY: &str = "memory";

/// Where a call takes bytes and where it puts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the process to its first argument: a copy into the kernel.
    Out,
    /// From its first argument to the process: a copy there.
    In,
    /// From one file to another, the arguments with these numbers: with or without a copy.
    Between(usize, usize),
}

/// The system calls whose positive return value is a number of bytes moved.
const MOVING: [(&str, Way); 18] = [
    ("read", Way::In),
    ("readv", Way::In),
    ("pread64", Way::In),
    ("preadv", Way::In),
    ("preadv2", Way::In),
    ("recvfrom", Way::In),
    ("recvmsg", Way::In),
    ("write", Way::Out),
    ("writev", Way::Out),
    ("pwrite64", Way::Out),
    ("pwritev", Way::Out),
    ("pwritev2", Way::Out),
    ("sendto", Way::Out),
    ("sendmsg", Way::Out),
    ("copy_file_range", Way::Between(0, 2)),
    ("sendfile", Way::Between(1, 0)),
    ("splice", Way::Between(0, 2)),
    ("tee", Way::Between(0, 1)),
];

/// Their names.
pub(crate) fn moving() -> impl Iterator<Item = &'static str> {
    MOVING.iter().map(|(name, _)| *name)
}

/// Which way the bytes of a call go, if it is one of them.
pub(crate) fn way(name: &str) -> Option<Way> {
    MOVING.iter().find(|(moving, _)| *moving == name).map(|(_, way)| *way)
}

/// The bytes of one call; 0 if it never returned any.
pub(crate) fn bytes(calls: &Calls, name: &str) -> u64 {
    calls.get(name).map_or(0, |tally| tally.bytes)
}

/// What the CPU has to copy where a call moves so many bytes: each that it takes from the process or
/// gives to it, once, and `in_the_kernel` for a call between two files.
pub(crate) fn copies(way: Way, bytes: u64, in_the_kernel: u64) -> Copied {
    match way {
        Way::Out => Copied { user_to_kernel: bytes, ..Copied::NONE },
        Way::In => Copied { kernel_to_user: bytes, ..Copied::NONE },
        Way::Between(..) => Copied { kernel_to_kernel: in_the_kernel, ..Copied::NONE },
    }
}

/// Where two accounts of the calls that move bytes differ: in how many there were, how many of them
/// failed, or how many bytes they moved.
pub(crate) fn differences(strace: &Calls, zc: &Calls) -> Vec<String> {
    let of = |calls: &Calls, name| calls.get(name).copied().unwrap_or_default();
    moving()
        .map(|name| (name, of(strace, name), of(zc, name)))
        .filter(|(_, strace, zc)| strace != zc)
        .map(|(name, strace, zc)| format!("{name}: strace saw {strace}; zc {zc}"))
        .collect()
}

/// Where two accounts differ in which kind of file the bytes came from or went to.
pub(crate) fn flow_differences(strace: &Flows, zc: &Flows) -> Vec<String> {
    let all: BTreeMap<_, _> = strace.iter().chain(zc).collect();
    let of = |flows: &Flows, ends| flows.get(ends).copied().unwrap_or_default();
    all.into_keys()
        .map(|ends| (ends, of(strace, ends), of(zc, ends)))
        .filter(|(_, strace, zc)| strace != zc)
        .map(|((call, source, sink), strace, zc)| {
            format!("{call} from {source} to {sink}: strace saw {strace} bytes; zc {zc}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(tallies: &[(&str, u64, u64, u64)]) -> Calls {
        let tally = |&(name, calls, failed, bytes): &(&str, u64, u64, u64)| {
            (name.to_owned(), Tally { calls, failed, bytes })
        };
        tallies.iter().map(tally).collect()
    }

    #[test]
    fn a_difference_of_one_is_a_difference() {
        let strace = calls(&[("read", 3, 1, 832), ("sendto", 1, 0, 5)]);
        let same = calls(&[("read", 3, 1, 832), ("sendto", 1, 0, 5), ("mmap", 7, 0, 0)]);
        assert_eq!(differences(&strace, &same), Vec::<String>::new());
        for other in [
            calls(&[("read", 3, 1, 831), ("sendto", 1, 0, 5)]),
            calls(&[("read", 4, 1, 832), ("sendto", 1, 0, 5)]),
            calls(&[("read", 3, 0, 832), ("sendto", 1, 0, 5)]),
            calls(&[("read", 3, 1, 832)]),
            calls(&[("read", 3, 1, 832), ("sendto", 1, 0, 5), ("write", 1, 0, 1)]),
        ] {
            assert_eq!(differences(&strace, &other).len(), 1, "{other:?}");
        }
    }

    #[test]
    fn bytes_at_another_end_are_a_difference() {
        let flows = |sink: &str, bytes| {
            let ends = ("sendfile".to_owned(), "regular file".to_owned(), sink.to_owned());
            Flows::from([(ends, bytes)])
        };
        let tcp = flows("TCP", 5);
        assert_eq!(flow_differences(&tcp, &tcp), Vec::<String>::new());
        assert_eq!(flow_differences(&tcp, &flows("TCP", 4)).len(), 1);
        assert_eq!(flow_differences(&tcp, &flows("pipe", 5)).len(), 2);
    }
}
