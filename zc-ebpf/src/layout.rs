//! The running kernel's offsets, as constants that the verifier can see, and the few fields that
//! are read with them.

use zc_common::{IterClass, Layout, Site};

use crate::memory::{Tracked, peek};

/// Replaced in `.rodata` by the user half before loading.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout::UNKNOWN;

/// Reads a field of [`LAYOUT`]. Volatile, or the compiler would fold in the build-time zero.
#[inline(always)]
pub(crate) fn loaded<T: Copy>(field: &T) -> T {
    // SAFETY: a reference is valid, aligned and initialised.
    unsafe { core::ptr::from_ref(field).read_volatile() }
}

/// One field of [`LAYOUT`].
macro_rules! layout {
    ($($field:tt)+) => {
        $crate::layout::loaded(&$crate::layout::LAYOUT.$($field)+)
    };
}

pub(crate) use layout;

/// Number of parameters of the kernel function under `site`.
#[inline(always)]
pub(crate) fn params(site: Site) -> u32 {
    layout!(params[site as usize])
}

/// An [`IterClass`] as a number: an index that needs no branches.
#[derive(Clone, Copy)]
pub(crate) struct Class(u8);

impl Class {
    /// That of a counter.
    #[inline(always)]
    pub(crate) const fn of_index(index: u8) -> Self {
        Self(index)
    }

    /// Its counter.
    #[inline(always)]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize & (IterClass::SLOTS - 1)
    }
}

impl From<IterClass> for Class {
    #[inline(always)]
    fn from(class: IterClass) -> Self {
        Self(class as u8)
    }
}

/// What a `struct iov_iter` points at.
#[inline(always)]
pub(crate) fn iter_class(iter: Tracked) -> Class {
    class_of(iter.read(layout!(iter_type)))
}

/// What an iterator with the given byte at its type points at.
#[inline(always)]
pub(crate) fn class_of(kind: u8) -> Class {
    Class(layout!(iter_classes[kind as usize]))
}

/// What a `struct iov_iter` that the verifier does not track points at, and the bytes that it has left.
#[inline(always)]
pub(crate) fn peek_iter(iter: *const u8) -> Option<(Class, u64)> {
    let kind = peek(iter.wrapping_add(layout!(iter_type) as usize))?;
    let left = peek(iter.wrapping_add(layout!(iter_count) as usize))?;
    Some((class_of(kind), left))
}

/// The class of the iterator of a `struct msghdr`.
#[inline(always)]
pub(crate) fn msg_class(msg: Tracked) -> Class {
    iter_class(msg.inner(layout!(msg_iter)))
}

/// Bytes that the iterator of a `struct msghdr` has left.
#[inline(always)]
pub(crate) fn msg_count(msg: Tracked) -> u64 {
    msg.inner(layout!(msg_iter)).read(layout!(iter_count))
}

/// All bytes of a `struct sk_buff`.
#[inline(always)]
pub(crate) fn skb_len(skb: Tracked) -> u64 {
    u64::from(skb.read::<u32>(layout!(skb_len)))
}

/// Bytes of a `struct sk_buff` that lie in pages.
#[inline(always)]
pub(crate) fn skb_data_len(skb: Tracked) -> u64 {
    u64::from(skb.read::<u32>(layout!(skb_data_len)))
}

/// Bytes of a `struct sk_buff` that lie in its linear part.
#[inline(always)]
pub(crate) fn skb_headlen(skb: Tracked) -> u64 {
    skb_len(skb).wrapping_sub(skb_data_len(skb))
}
