//! The running kernel's offsets, as constants that the verifier can see.

use zc_common::{IterClass, Layout, Site};

/// Replaced in `.rodata` by the user half before loading.
#[unsafe(no_mangle)]
static LAYOUT: Layout = Layout::UNKNOWN;

/// Reads one field of [`LAYOUT`]. Volatile, or the compiler would fold in the build-time zero.
macro_rules! layout {
    ($($field:tt)+) => {
        // SAFETY: a valid, aligned, initialised static.
        unsafe { core::ptr::read_volatile(&raw const $crate::layout::LAYOUT.$($field)+) }
    };
}

/// Number of parameters of the kernel function under `site`.
#[inline(always)]
pub(crate) fn params(site: Site) -> u32 {
    layout!(params[site as usize])
}

/// What an iterator of the kernel points at.
///
/// # Safety
/// `iter` is a `struct iov_iter *` that the verifier tracks (an argument of the traced function,
/// or a field of one): a bad address then reads as 0 instead of faulting.
#[inline(always)]
pub(crate) unsafe fn iter_class(iter: *const u8) -> IterClass {
    let offset = layout!(iter_type) as usize;
    // SAFETY: the caller vouches for `iter`; BTF gave the offset of the field.
    let kind = unsafe { iter.wrapping_add(offset).read_volatile() };
    let bit = 1u64 << (kind & 63);
    if layout!(iter_user) & bit != 0 {
        IterClass::User
    } else if layout!(iter_pipe) & bit != 0 {
        IterClass::Pipe
    } else {
        IterClass::Kernel
    }
}

/// The class of a message's iterator.
///
/// # Safety
/// `msg` is a `struct msghdr *` that the verifier tracks.
#[inline(always)]
pub(crate) unsafe fn msg_class(msg: *const u8) -> IterClass {
    let offset = layout!(msg_iter) as usize;
    // SAFETY: `msg_iter` is embedded in the message, at the offset that BTF gave.
    unsafe { iter_class(msg.wrapping_add(offset)) }
}

/// Bytes of a socket buffer that lie in pages.
///
/// # Safety
/// `skb` is a `struct sk_buff *` that the verifier tracks.
#[inline(always)]
pub(crate) unsafe fn skb_data_len(skb: *const u8) -> u64 {
    let offset = layout!(skb_data_len) as usize;
    // SAFETY: the caller vouches for `skb`; BTF gave the offset of the `unsigned int`.
    u64::from(unsafe { skb.wrapping_add(offset).cast::<u32>().read_volatile() })
}

/// The process id (thread group) of a task.
///
/// # Safety
/// `task` is a `struct task_struct *` that the verifier tracks.
#[inline(always)]
pub(crate) unsafe fn task_tgid(task: *const u8) -> u32 {
    let offset = layout!(task_tgid) as usize;
    // SAFETY: the caller vouches for `task`; BTF gave the offset of the `pid_t`.
    unsafe { task.wrapping_add(offset).cast::<u32>().read_volatile() }
}
