//! Facts about the running kernel that the kernel half needs before it is verified.

#[cfg(doc)]
use crate::site::IterClass;
use crate::{counters::SYSCALL_SLOTS, site::Site};

/// Process ids are below this on 64-bit kernels (`PID_MAX_LIMIT`, `include/linux/threads.h`).
pub const PID_SLOTS: u32 = 4 << 20;

/// Sockets whose owner is remembered; a power of two.
pub const OWNER_SLOTS: u32 = 1 << 14;

/// A field of one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BitField {
    /// Bytes from the start of the structure to the one that it is in.
    pub at: u32,
    /// The bit in that byte.
    pub mask: u32,
}

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
    /// Bytes: `struct sk_buff`, start of `next`.
    pub skb_next: u32,
    /// `struct sk_buff`: `cloned`.
    pub skb_cloned: BitField,
    /// `struct sk_buff`: `head_frag`.
    pub skb_head_frag: BitField,
    /// Bytes: `struct skb_shared_info`, start of `destructor_arg`.
    pub shinfo_uarg: u32,
    /// Bytes: `struct msghdr`, start of `msg_ubuf`; 0 where it has none, before 6.0.
    pub msg_ubuf: u32,
    /// Bytes: from the `struct ubuf_info` of pages that io_uring lends to the pointer to its ring.
    pub ubuf_ring: u32,
    /// Bytes: `struct skb_shared_info`, start of `dataref`.
    pub shinfo_dataref: u32,
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
    /// Bytes: `struct aead_request`, start of `assoclen`.
    pub aead_assoclen: u32,
    /// Bytes: `struct aead_request`, start of `cryptlen`.
    pub aead_cryptlen: u32,
    /// Bytes: `struct aead_request`, start of `base.tfm`.
    pub aead_tfm: u32,
    /// Bytes: from `authsize` of a `struct crypto_aead` on to its `base`, which `base.tfm` points to.
    pub aead_authsize_before: u32,
    /// Bytes: `struct crypto_tfm`, start of `__crt_alg`.
    pub tfm_alg: u32,
    /// Bytes: `struct crypto_alg`, start of `cra_flags`.
    pub alg_flags: u32,
    /// Bytes: `struct inet_connection_sock`, start of `icsk_ulp_ops`; 0 where nothing goes above TCP.
    pub sock_ulp: u32,
    /// Bytes: `struct tcp_ulp_ops`, start of `name`.
    pub ulp_name: u32,
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
    /// Bytes: `struct task_struct`, start of `pid`, the thread's id.
    pub task_pid: u32,
    /// Bytes: `struct task_struct`, start of `start_time`.
    pub task_start_time: u32,
    /// Bytes: `struct task_struct`, start of `group_leader`.
    pub task_group_leader: u32,
    /// Bytes: `struct task_struct`, start of `comm`.
    pub task_comm: u32,
    /// Bytes: `struct task_struct`, start of `stack`.
    pub task_stack: u32,
    /// Bytes: `struct task_struct`, start of `thread_info.status`.
    pub task_status: u32,
    /// Bytes: `struct task_struct`, start of `files`.
    pub task_files: u32,
    /// Bytes: `struct files_struct`, start of `fdt`.
    pub files_fdt: u32,
    /// Bytes: `struct fdtable`, start of `max_fds`.
    pub fdt_max_fds: u32,
    /// Bytes: `struct fdtable`, start of `fd`.
    pub fdt_fd: u32,
    /// Bytes: `struct file`, start of `f_mode`.
    pub file_mode: u32,
    /// Bytes: `struct file`, start of `f_inode`.
    pub file_inode: u32,
    /// Bytes: `struct file`, start of `private_data`.
    pub file_private: u32,
    /// Bytes: `struct inode`, start of `i_mode`.
    pub inode_mode: u32,
    /// Bytes: `struct inode`, start of `i_flags`.
    pub inode_flags: u32,
    /// Bytes: `struct inode`, start of `i_private`.
    pub inode_private: u32,
    /// Bytes: `struct socket`, start of `sk`.
    pub socket_sk: u32,
    /// Bytes: `struct sock`, start of `sk_protocol`.
    pub sock_protocol: u32,
    /// Bytes: `struct sock`, start of `__sk_common.skc_family`.
    pub sock_family: u32,
    /// Bytes: `struct pid`, start of `level`.
    pub pid_level: u32,
    /// Bytes: `struct pid`, start of `numbers`.
    pub pid_numbers: u32,
    /// Bytes: from one of `numbers` to the next.
    pub upid_size: u32,
    /// 1 where programs get the task on the CPU with its type, and so its fields without a helper.
    pub task_typed: u32,
    /// 1 when one of the four below is not 0: all that the programs of a lab have to ask.
    pub extras: u32,
    /// 1 to keep the breakdown by thread, system call and kind of file.
    pub breakdown: u32,
    /// 1 when the kernel stack of each pass is wanted, else 0.
    pub stacks: u32,
    /// 1 to count every process but those of the group [`crate::Group::NOBODY`].
    pub everyone: u32,
    /// How deep below the root the cgroup is whose processes are counted; 0 for none.
    pub cgroup_level: u32,
    /// Its number, the lower half first.
    pub cgroup_id: [u32; 2],
    /// 1 to count the children of traced processes.
    pub follow: u32,
    /// The inode of zc's PID namespace, and the device that it is on, each the lower half first.
    pub pid_namespace: [u32; 4],
    /// The name of the processes that are counted whatever their ids, zero bytes behind it; empty
    /// for none.
    pub comm: [u8; 16],
    /// By system call slot: its [`crate::Operands`].
    pub operands: [u8; SYSCALL_SLOTS],
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
        skb_next: 0,
        skb_cloned: BitField { at: 0, mask: 0 },
        skb_head_frag: BitField { at: 0, mask: 0 },
        shinfo_uarg: 0,
        msg_ubuf: 0,
        ubuf_ring: 0,
        shinfo_dataref: 0,
        shinfo_frag_list: 0,
        shinfo_nr_frags: 0,
        shinfo_frag_len: 0,
        frag_size: 0,
        zerocopy_length: 0,
        aead_assoclen: 0,
        aead_cryptlen: 0,
        aead_tfm: 0,
        aead_authsize_before: 0,
        tfm_alg: 0,
        alg_flags: 0,
        sock_ulp: 0,
        ulp_name: 0,
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
        task_pid: 0,
        task_start_time: 0,
        task_group_leader: 0,
        task_comm: 0,
        task_stack: 0,
        task_status: 0,
        task_files: 0,
        files_fdt: 0,
        fdt_max_fds: 0,
        fdt_fd: 0,
        file_mode: 0,
        file_inode: 0,
        file_private: 0,
        inode_mode: 0,
        inode_flags: 0,
        inode_private: 0,
        socket_sk: 0,
        sock_protocol: 0,
        sock_family: 0,
        pid_level: 0,
        pid_numbers: 0,
        upid_size: 0,
        task_typed: 0,
        extras: 0,
        breakdown: 0,
        everyone: 0,
        follow: 0,
        cgroup_level: 0,
        cgroup_id: [0; 2],
        pid_namespace: [0; 4],
        comm: [0; 16],
        operands: [0; SYSCALL_SLOTS],
        stacks: 0,
        params: [0; Site::SLOTS],
    };
}

const _: () = assert!(size_of::<Layout>() == 256 + 82 * 4 + 16 + SYSCALL_SLOTS + Site::SLOTS * 4);

// SAFETY: repr(C), made of integers, every bit pattern is valid, no padding (size checked above).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Layout {}
