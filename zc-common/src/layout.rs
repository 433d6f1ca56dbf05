//! Facts about the running kernel that the kernel half needs before it is verified.

#[cfg(doc)]
use crate::site::IterClass;
use crate::site::Site;

/// Process ids are below this on 64-bit kernels (`PID_MAX_LIMIT`, `include/linux/threads.h`).
pub const PID_SLOTS: u32 = 4 << 20;

/// Sockets whose owner is remembered; a power of two.
pub const OWNER_SLOTS: u32 = 1 << 14;

/// Offsets and numbers of the running kernel, read from its BTF by the user half and placed in
/// the BPF object's `.rodata`, where the verifier knows them as constants. Rust has no CO-RE
/// relocations; an offset baked in at build time would read the wrong field in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Layout {
    /// The [`IterClass`] of each value of the byte at `iter_type`. A table, because it is one load
    /// on every copy where bit masks are a dozen instructions. Up to 5.13 that byte also holds the
    /// direction, READ or WRITE.
    pub iter_classes: [u8; 256],
    /// Bytes: `struct iov_iter`, start of `iter_type`; `type` up to 5.13.
    pub iter_type: u32,
    /// Bytes: `struct iov_iter`, start of `count`.
    pub iter_count: u32,
    /// Bytes: `struct msghdr`, start of `msg_iter`.
    pub msg_iter: u32,
    /// Bytes: `struct file`, start of `f_flags`.
    pub file_flags: u32,
    /// Bytes: `struct sk_buff`, start of `len`.
    pub skb_len: u32,
    /// Bytes: `struct sk_buff`, start of `data_len`.
    pub skb_data_len: u32,
    /// Bytes: `struct sk_buff`, start of `sk`.
    pub skb_sk: u32,
    /// Bytes: `struct sk_buff`, start of `cb`.
    pub skb_cb: u32,
    /// Bytes: `struct sk_buff`, start of `head`.
    pub skb_head: u32,
    /// Bytes: `struct sk_buff`, start of `end`, an offset from `head`.
    pub skb_end: u32,
    /// Bytes: `struct skb_shared_info`, start of `destructor_arg`.
    pub shinfo_uarg: u32,
    /// Bytes: `struct skb_shared_info`, start of `frag_list`.
    pub shinfo_frag_list: u32,
    /// Bytes: `struct skb_shared_info`, start of `nr_frags`.
    pub shinfo_nr_frags: u32,
    /// Bytes: `struct skb_shared_info`, start of the length of the first of `frags`.
    pub shinfo_frag_len: u32,
    /// Bytes: from one of `frags` to the next.
    pub frag_size: u32,
    /// Bytes: `struct tcp_zerocopy_receive`, start of `length`.
    pub zerocopy_length: u32,
    /// Bytes: `struct vm_fault`, start of `page`.
    pub vmf_page: u32,
    /// Bytes: `struct vm_fault`, start of `cow_page`.
    pub vmf_cow_page: u32,
    /// Bytes: `struct vm_fault`, start of `pte`.
    pub vmf_pte: u32,
    /// Bytes: `struct vm_fault`, start of `orig_pte`.
    pub vmf_orig_pte: u32,
    /// Bytes: `struct task_struct`, start of `tgid`.
    pub task_tgid: u32,
    /// Parameters of `__skb_recv_udp`; 0 where it is absent.
    pub udp_dequeue_params: u32,
    /// Slots of the table of socket owners; a power of two.
    pub owner_slots: u32,
    /// Children with a process id from here on are not followed.
    pub pid_slots: u32,
    /// Bytes: `struct task_struct`, start of `nvcsw`.
    pub task_nvcsw: u32,
    /// Bytes: `struct task_struct`, start of `__state` (`state` up to 5.13).
    pub task_state: u32,
    /// Bytes: `struct task_struct`, start of `mm`.
    pub task_mm: u32,
    /// Bytes: `struct task_struct`, start of `bio_list`.
    pub task_bio_list: u32,
    /// Bytes: `struct bio`, start of `bi_opf`.
    pub bio_opf: u32,
    /// Bytes: `struct bio`, start of `bi_iter.bi_size`.
    pub bio_size: u32,
    /// Bytes: `struct net_device`, start of `dev.parent`.
    pub net_device_parent: u32,
    /// 1 when the kernel stack of each pass is wanted, else 0.
    pub stacks: u32,
    /// Parameters of the function that each [`Site`] was attached to: a fexit program finds the
    /// return value behind them. 0 where the site is absent.
    pub params: [u32; Site::SLOTS],
}

impl Layout {
    /// Nothing known; what the BPF object is built with.
    pub const UNKNOWN: Self = Self {
        iter_classes: [0; 256],
        iter_type: 0,
        iter_count: 0,
        msg_iter: 0,
        file_flags: 0,
        skb_len: 0,
        skb_data_len: 0,
        skb_sk: 0,
        skb_cb: 0,
        skb_head: 0,
        skb_end: 0,
        shinfo_uarg: 0,
        shinfo_frag_list: 0,
        shinfo_nr_frags: 0,
        shinfo_frag_len: 0,
        frag_size: 0,
        zerocopy_length: 0,
        vmf_page: 0,
        vmf_cow_page: 0,
        vmf_pte: 0,
        vmf_orig_pte: 0,
        task_tgid: 0,
        udp_dequeue_params: 0,
        owner_slots: 0,
        pid_slots: 0,
        task_nvcsw: 0,
        task_state: 0,
        task_mm: 0,
        task_bio_list: 0,
        bio_opf: 0,
        bio_size: 0,
        net_device_parent: 0,
        stacks: 0,
        params: [0; Site::SLOTS],
    };
}

const _: () = assert!(size_of::<Layout>() == 256 + 32 * 4 + Site::SLOTS * 4);

// SAFETY: repr(C), made of integers, every bit pattern is valid, no padding (size checked above).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Layout {}
