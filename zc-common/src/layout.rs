//! Facts about the running kernel that the kernel half needs before it is verified.

use crate::site::Site;

/// Process ids are below this on 64-bit kernels (`PID_MAX_LIMIT`, `include/linux/threads.h`).
pub const PID_SLOTS: u32 = 4 << 20;

/// Offsets and numbers of the running kernel, read from its BTF by the user half and placed in
/// the BPF object's `.rodata`, where the verifier knows them as constants. Rust has no CO-RE
/// relocations; an offset baked in at build time would read the wrong field in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Layout {
    /// Bit `n` is set when `enum iter_type` value `n` is user memory.
    pub iter_user: u64,
    /// Bit `n` is set when `enum iter_type` value `n` is a pipe.
    pub iter_pipe: u64,
    /// Bytes: `struct iov_iter`, start of `iter_type`.
    pub iter_type: u32,
    /// Bytes: `struct msghdr`, start of `msg_iter`.
    pub msg_iter: u32,
    /// Bytes: `struct sk_buff`, start of `data_len`.
    pub skb_data_len: u32,
    /// Bytes: `struct task_struct`, start of `tgid`.
    pub task_tgid: u32,
    /// Parameters of the function that each [`Site`] was attached to: a fexit program finds the
    /// return value behind them. 0 where the site is absent.
    pub params: [u32; Site::SLOTS],
}

impl Layout {
    /// Nothing known; what the BPF object is built with.
    pub const UNKNOWN: Self = Self {
        iter_user: 0,
        iter_pipe: 0,
        iter_type: 0,
        msg_iter: 0,
        skb_data_len: 0,
        task_tgid: 0,
        params: [0; Site::SLOTS],
    };
}

const _: () = assert!(size_of::<Layout>() == 2 * 8 + 4 * 4 + Site::SLOTS * 4);

// SAFETY: repr(C), made of integers, every bit pattern is valid, no padding (size checked above).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Layout {}
