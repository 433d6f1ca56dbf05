//! The table of leaves: the copy primitives that an audit watches, what each carries, what it misses.
//!
//! Read in `lib/iov_iter.c` and `lib/usercopy.c` of 5.10, 6.1, 6.12 and newer, x86-64. The primitives
//! do the move itself (`raw_copy_to_user`, `memcpy`) in line, so that none of them runs inside another,
//! but for `copy_page_to_iter` and `copy_page_from_iter`: see [`Kind`].
//!
//! What no leaf sees: `get_user`, `put_user` and the `unsafe_` forms (single values),
//! `strncpy_from_user` (paths), `__copy_from_user` and `__copy_to_user`, which are in line everywhere,
//! the `_mc` and `_flushcache` forms (persistent memory), `iov_iter_zero` and `clear_user` (a fill, not a
//! copy), and plain `memcpy` between kernel buffers, as `skb_copy_bits` and a copy-on-write fault do. On
//! x86 `copy_to_user` and `copy_from_user` are never in line (no `INLINE_COPY_TO_USER`), and so always
//! pass `_copy_to_user` and `_copy_from_user`.

use serde::Serialize;
use zc_common::{IterClass, Leaf};

use super::catalogue::Direction::{self, KernelToKernel, KernelToUser, UserToKernel};
use crate::kernel::facts::symbol_addresses;

/// What passes a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carries {
    /// Data on its way.
    Payload(Direction),
    /// Arguments and results of a system call: a `msghdr`, a pair of descriptors.
    Control(Direction),
    /// No copy of its own.
    Nothing,
}

/// How a leaf moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kernel memory to an iterator.
    ToIter,
    /// An iterator to kernel memory.
    FromIter,
    /// A page to an iterator, up to 5.19. It copies itself to user memory; for kernel memory it calls
    /// `_copy_to_iter`; to a pipe it gives the page itself.
    PageToIter,
    /// An iterator to a page, up to 5.19, in the same way.
    PageFromIter,
    /// Kernel memory to user memory, no iterator.
    ToUser,
    /// User memory to kernel memory, no iterator.
    FromUser,
}

/// How a leaf is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a kprobe, on all leaves at once. Most kernels refuse them on what lies in `lib/`.
    Kprobe,
    /// By an execution breakpoint, on as many leaves at once as there are debug registers.
    Breakpoint,
}

impl Method {
    /// The name in the BPF object of what it runs at `entry`.
    pub fn program(self, entry: &Entry) -> String {
        let prefix = match self {
            Self::Kprobe => "kprobe",
            Self::Breakpoint => "leaf",
        };
        format!("{prefix}_{}", entry.program)
    }
}

/// One row.
#[derive(Debug)]
pub struct Entry {
    /// The counter, and the registers that the kernel half reads.
    pub leaf: Leaf,
    /// The program in the BPF object, behind the prefix of its [`Method`].
    pub program: &'static str,
    /// Its names, newest first; the first one that this kernel has is watched.
    pub functions: &'static [&'static str],
    /// How it moves bytes.
    pub kind: Kind,
}

impl Entry {
    /// What bytes through an iterator of `class` are.
    ///
    /// The functions without an iterator carry payload elsewhere (a `read` of a file in /proc), but
    /// in no transfer of the lab.
    pub fn carries(&self, class: IterClass) -> Carries {
        match (self.kind, class) {
            (Kind::ToIter | Kind::PageToIter, IterClass::User) => Carries::Payload(KernelToUser),
            (Kind::FromIter | Kind::PageFromIter, IterClass::User) => {
                Carries::Payload(UserToKernel)
            }
            (Kind::ToIter | Kind::FromIter, _) => Carries::Payload(KernelToKernel),
            (Kind::PageToIter | Kind::PageFromIter, _) => Carries::Nothing,
            (Kind::ToUser, _) => Carries::Control(KernelToUser),
            (Kind::FromUser, _) => Carries::Control(UserToKernel),
        }
    }
}

/// A row.
const fn row(
    leaf: Leaf,
    program: &'static str,
    functions: &'static [&'static str],
    kind: Kind,
) -> Entry {
    Entry { leaf, program, functions, kind }
}

/// The table, in counter order.
pub const LEAVES: [Entry; Leaf::ALL.len()] = [
    // Reads, and receiving: file, pipe and socket to reader. On 5.10 the socket only.
    row(Leaf::CopyToIter, "copy_to_iter", &["_copy_to_iter"], Kind::ToIter),
    // Sending, and writing into a pipe.
    row(Leaf::CopyFromIter, "copy_from_iter", &["_copy_from_iter"], Kind::FromIter),
    // Sending, up to 5.13. Copies nothing when the iterator has fewer bytes than asked for.
    row(Leaf::CopyFromIterFull, "copy_from_iter_full", &["_copy_from_iter_full"], Kind::FromIter),
    // File and pipe to reader, up to 5.19.
    row(Leaf::CopyPageToIter, "copy_page_to_iter", &["copy_page_to_iter"], Kind::PageToIter),
    // Writer to pipe, up to 5.19.
    row(
        Leaf::CopyPageFromIter,
        "copy_page_from_iter",
        &["copy_page_from_iter"],
        Kind::PageFromIter,
    ),
    // Writer to page cache. It copies with page faults off, and is called again for what is left
    // after one: the bytes asked for twice are counted twice.
    row(
        Leaf::CopyFolioFromIterAtomic,
        "copy_folio_from_iter_atomic",
        &["copy_folio_from_iter_atomic", "copy_page_from_iter_atomic"],
        Kind::FromIter,
    ),
    row(
        Leaf::IovIterCopyFromUserAtomic,
        "iov_iter_copy_from_user_atomic",
        &["iov_iter_copy_from_user_atomic"],
        Kind::FromIter,
    ),
    // Sending through a device with `tx-nocache-copy` (ethtool).
    row(
        Leaf::CopyFromIterNocache,
        "copy_from_iter_nocache",
        &["_copy_from_iter_nocache"],
        Kind::FromIter,
    ),
    row(
        Leaf::CopyFromIterFullNocache,
        "copy_from_iter_full_nocache",
        &["_copy_from_iter_full_nocache"],
        Kind::FromIter,
    ),
    // Receiving a datagram whose checksum nobody has verified yet.
    row(Leaf::CsumAndCopyToIter, "csum_and_copy_to_iter", &["csum_and_copy_to_iter"], Kind::ToIter),
    // Sending through a device that does not compute checksums, up to 6.x.
    row(
        Leaf::CsumAndCopyFromIter,
        "csum_and_copy_from_iter",
        &["csum_and_copy_from_iter"],
        Kind::FromIter,
    ),
    row(
        Leaf::CsumAndCopyFromIterFull,
        "csum_and_copy_from_iter_full",
        &["csum_and_copy_from_iter_full"],
        Kind::FromIter,
    ),
    row(Leaf::CopyToUser, "copy_to_user", &["_copy_to_user"], Kind::ToUser),
    row(Leaf::CopyFromUser, "copy_from_user", &["_copy_from_user"], Kind::FromUser),
];

/// Leaves of which a kernel has one at least: without it the audit would miss bytes.
const NEEDED: [&[Leaf]; 5] = [
    &[Leaf::CopyToIter],
    &[Leaf::CopyFromIter],
    &[Leaf::CopyFolioFromIterAtomic, Leaf::IovIterCopyFromUserAtomic],
    &[Leaf::CopyToUser],
    &[Leaf::CopyFromUser],
];

/// A leaf of the running kernel.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Its row.
    pub entry: &'static Entry,
    /// The kernel function.
    pub function: &'static str,
    /// Where its code begins; `None` where the kernel hides it.
    pub address: Option<u64>,
}

/// The running kernel has none of these functions.
#[derive(Debug, thiserror::Error)]
#[error("this kernel has no function {0} in /proc/kallsyms")]
pub struct Absent(String);

/// Looks the leaves up. `page_leaves_copy` says which way the running kernel's `copy_page_` functions
/// work (see [`super::resolve::Resolved`]); where they only call others they are left out.
///
/// # Errors
/// [`Absent`] with the names of the first leaf that an audit needs and `/proc/kallsyms` lacks; all
/// are lacking where that cannot be read.
pub fn find(page_leaves_copy: bool) -> Result<Vec<Found>, Absent> {
    let names: Vec<_> = LEAVES.iter().flat_map(|row| row.functions).copied().collect();
    let addresses = symbol_addresses(&names);
    let mut found = Vec::new();
    for entry in &LEAVES {
        let nests = matches!(entry.kind, Kind::PageToIter | Kind::PageFromIter);
        let there = entry.functions.iter().find_map(|name| addresses.get_key_value(name));
        let Some((&function, &address)) = there else { continue };
        if nests && !page_leaves_copy {
            continue;
        }
        found.push(Found { entry, function, address });
    }
    for one_of in NEEDED {
        if !found.iter().any(|found| one_of.contains(&found.entry.leaf)) {
            let names = one_of.iter().flat_map(|leaf| LEAVES[*leaf as usize].functions);
            let names: Vec<_> = names.copied().collect();
            return Err(Absent(names.join(" or ")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_counter_order() {
        for (row, leaf) in LEAVES.iter().zip(Leaf::ALL) {
            assert_eq!(row.leaf, leaf);
        }
    }

    #[test]
    fn a_page_leaf_never_counts_what_it_hands_to_another() {
        let page = |class| LEAVES[Leaf::CopyPageToIter as usize].carries(class);
        assert_eq!(page(IterClass::User), Carries::Payload(KernelToUser));
        // `_copy_to_iter` is called for kernel memory, and a pipe gets the page itself.
        assert_eq!(page(IterClass::Kernel), Carries::Nothing);
        assert_eq!(page(IterClass::Pipe), Carries::Nothing);
        let plain = |class| LEAVES[Leaf::CopyToIter as usize].carries(class);
        assert_eq!(plain(IterClass::Kernel), Carries::Payload(KernelToKernel));
        assert_eq!(plain(IterClass::Pipe), Carries::Payload(KernelToKernel));
    }
}
