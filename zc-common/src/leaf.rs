//! The copy primitives that an audit watches, and their counters.

use crate::{counters::Tally, site::IterClass};

/// A copy primitive of the kernel: the function in which the CPU moves the bytes.
///
/// The kernel functions, and what each misses, stand in the user half's table of leaves; the kernel
/// half needs to know which registers hold size and iterator, and which counter is the leaf's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Leaf {
    /// `size_t _copy_to_iter(const void *, size_t bytes, struct iov_iter *)`.
    CopyToIter = 0,
    /// `size_t _copy_from_iter(void *, size_t bytes, struct iov_iter *)`.
    CopyFromIter,
    /// `bool _copy_from_iter_full(void *, size_t bytes, struct iov_iter *)`, up to 5.13.
    CopyFromIterFull,
    /// `size_t copy_page_to_iter(struct page *, size_t, size_t bytes, struct iov_iter *)`.
    CopyPageToIter,
    /// `size_t copy_page_from_iter(struct page *, size_t, size_t bytes, struct iov_iter *)`.
    CopyPageFromIter,
    /// `size_t copy_folio_from_iter_atomic(struct folio *, size_t, size_t bytes, struct iov_iter *)`,
    /// with a page in place of the folio from 5.14 to 6.17: the copy of a file write.
    CopyFolioFromIterAtomic,
    /// `size_t iov_iter_copy_from_user_atomic(struct page *, struct iov_iter *, unsigned long, size_t
    /// bytes)`: the same, up to 5.13.
    IovIterCopyFromUserAtomic,
    /// `size_t _copy_from_iter_nocache(void *, size_t bytes, struct iov_iter *)`.
    CopyFromIterNocache,
    /// `bool _copy_from_iter_full_nocache(void *, size_t bytes, struct iov_iter *)`, up to 5.13.
    CopyFromIterFullNocache,
    /// `size_t csum_and_copy_to_iter(const void *, size_t bytes, void *, struct iov_iter *)`.
    CsumAndCopyToIter,
    /// `size_t csum_and_copy_from_iter(void *, size_t bytes, __wsum *, struct iov_iter *)`.
    CsumAndCopyFromIter,
    /// `bool csum_and_copy_from_iter_full(void *, size_t bytes, __wsum *, struct iov_iter *)`.
    CsumAndCopyFromIterFull,
    /// `unsigned long _copy_to_user(void __user *, const void *, unsigned long n)`.
    CopyToUser,
    /// `unsigned long _copy_from_user(void *, const void __user *, unsigned long n)`.
    CopyFromUser,
}

impl Leaf {
    /// Every leaf, in counter order.
    pub const ALL: [Self; 14] = [
        Self::CopyToIter,
        Self::CopyFromIter,
        Self::CopyFromIterFull,
        Self::CopyPageToIter,
        Self::CopyPageFromIter,
        Self::CopyFolioFromIterAtomic,
        Self::IovIterCopyFromUserAtomic,
        Self::CopyFromIterNocache,
        Self::CopyFromIterFullNocache,
        Self::CsumAndCopyToIter,
        Self::CsumAndCopyFromIter,
        Self::CsumAndCopyFromIterFull,
        Self::CopyToUser,
        Self::CopyFromUser,
    ];

    /// Room for leaves in [`LeafCounters`].
    pub const SLOTS: usize = 16;
}

const _: () = {
    assert!(Leaf::ALL.len() <= Leaf::SLOTS);
    let mut i = 0;
    while i < Leaf::ALL.len() {
        assert!(Leaf::ALL[i] as usize == i, "Leaf::ALL must be in counter order");
        i += 1;
    }
};

/// What the leaves of one group copied on one CPU.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LeafCounters {
    /// By [`Leaf`] and [`IterClass`]. The calls are the runs of the program.
    pub leaves: [[Tally; IterClass::SLOTS]; Leaf::SLOTS],
}

const _: () = assert!(size_of::<LeafCounters>() == 16 * 8 * 16);

// SAFETY: repr(C), made of u64 only, every bit pattern is valid, no padding (size checked above).
#[cfg(feature = "user")]
unsafe impl aya::Pod for LeafCounters {}

impl Default for LeafCounters {
    fn default() -> Self {
        Self { leaves: [[Tally::default(); IterClass::SLOTS]; Leaf::SLOTS] }
    }
}
