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

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} failed, {} bytes", self.calls, self.failed, self.bytes)
    }
}

/// Tallies by the system call's name.
pub(crate) type Calls = BTreeMap<String, Tally>;

/// Where a call takes bytes and where it puts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From the process into the kernel: a copy there.
    Out,
    /// From the kernel into the process.
    In,
    /// From one file to another: with or without a copy.
    Between,
}

/// The system calls whose positive return value is a number of bytes moved.
const MOVING: [(&str, Way); 19] = [
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
    ("copy_file_range", Way::Between),
    ("sendfile", Way::Between),
    ("splice", Way::Between),
    ("tee", Way::Between),
    ("vmsplice", Way::Between),
];

/// Their names.
pub(crate) fn moving() -> impl Iterator<Item = &'static str> {
    MOVING.iter().map(|(name, _)| *name)
}

/// The bytes of one call; 0 if it never returned any.
pub(crate) fn bytes(calls: &Calls, name: &str) -> u64 {
    calls.get(name).map_or(0, |tally| tally.bytes)
}

/// Fails unless both saw the same of each call that moves bytes: how many, how many of them failed,
/// and how many bytes.
pub(crate) fn assert_agreement(strace: &Calls, zc: &Calls) {
    let differences = differences(strace, zc);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn differences(strace: &Calls, zc: &Calls) -> Vec<String> {
    let pair = |name| [strace, zc].map(|calls| calls.get(name).copied().unwrap_or_default());
    moving()
        .map(|name| (name, pair(name)))
        .filter(|(_, [strace, zc])| strace != zc)
        .map(|(name, [strace, zc])| format!("{name}: strace saw {strace}; zc {zc}"))
        .collect()
}

/// What the CPU has to copy for these calls: each byte that they take from the process or give to
/// it, once, and `in_the_kernel` for calls between two files.
pub(crate) fn copies(calls: &Calls, in_the_kernel: u64) -> Copied {
    let sum = |wanted| {
        let names = MOVING.iter().filter(|(_, way)| *way == wanted);
        names.map(|(name, _)| bytes(calls, name)).sum()
    };
    Copied {
        user_to_kernel: sum(Way::Out),
        kernel_to_user: sum(Way::In),
        kernel_to_kernel: in_the_kernel,
    }
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
    fn a_byte_between_process_and_kernel_is_copied_once() {
        let calls = calls(&[
            ("read", 1, 0, 1),
            ("recvfrom", 1, 0, 2),
            ("writev", 1, 0, 4),
            ("sendto", 1, 0, 8),
            ("sendfile", 1, 0, 16),
        ]);
        let expected = Copied { user_to_kernel: 12, kernel_to_user: 3, kernel_to_kernel: 7 };
        assert_eq!(copies(&calls, 7), expected);
    }
}
