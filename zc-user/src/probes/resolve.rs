//! What the running kernel has: function names, parameter counts, field offsets. All from its
//! BTF, never from its version.

use std::collections::HashSet;

use zc_common::{IterClass, Layout, OWNER_SLOTS, PID_SLOTS, Site};

use super::{
    attach::{Status, tracepoints::TYPED},
    catalogue::{At, SITES},
    meters,
};
use crate::kernel::{
    btf::{Btf, BtfError},
    syscalls,
};

/// Enumerators of `enum iter_type` that mean user memory (`include/linux/uio.h`).
const USER_ITERATORS: [&str; 2] = ["ITER_UBUF", "ITER_IOVEC"];

/// The one that means a pipe, up to 6.4.
const PIPE_ITERATOR: &str = "ITER_PIPE";

/// What else is looked up besides the functions of the catalogue.
const TYPES: [&str; 32] = [
    "aead_request",
    "bio_vec",
    "bpf_func_id",
    "bpf_prog",
    "crypto_aead",
    "crypto_alg",
    "crypto_async_request",
    "crypto_tfm",
    "fdtable",
    "file",
    "files_struct",
    "inet_connection_sock",
    "inode",
    "io_kiocb",
    "io_notif_data",
    "iov_iter",
    "iter_type",
    "msghdr",
    "pid",
    "sk_buff",
    "skb_frag",
    "skb_shared_info",
    "sock",
    "sock_common",
    "socket",
    "task_struct",
    "tcp_ulp_ops",
    "thread_info",
    "upid",
    "tcp_zerocopy_receive",
    "vm_fault",
    "__skb_recv_udp",
];

/// The catalogue as the running kernel has it.
#[derive(Debug)]
pub struct Resolved {
    /// What the kernel half needs to know.
    pub layout: Layout,
    /// By [`Site`]: the function to attach to, `None` when this kernel has none of its names.
    pub functions: [Option<&'static str>; Site::ALL.len()],
    /// Whether the kernel skips a program that already runs on the CPU.
    pub skips_nested: bool,
    /// Whether `copy_page_to_iter` and `copy_page_from_iter` copy between a page and user memory
    /// themselves. In 6.0 they became loops around `_copy_to_iter` and `_copy_from_iter`, in the same
    /// release that brought `ITER_UBUF` (`lib/iov_iter.c`).
    pub page_leaves_copy: bool,
    /// By row of [`meters::METERS`]: why it cannot be attached, if so.
    pub meters: Vec<Option<Status>>,
    /// Why there can be no breakdown by thread, if so.
    pub breakdown: Result<(), BtfError>,
    /// The functions and tracepoints that programs attach to, for aya.
    pub targets: aya::Btf,
}

/// Looks everything up in `/sys/kernel/btf/vmlinux`.
///
/// # Errors
/// Those of [`Btf::from_kernel`] and [`Btf::slim`], and [`BtfError::Missing`] when the kernel lacks
/// a field that the programs read, or the iterator types. An absent function is no error.
pub fn resolve() -> Result<Resolved, BtfError> {
    // What aya looks a tracepoint up by.
    let typed = [TYPED].into_iter().chain(meters::tracepoints());
    let tracepoints: Vec<_> = typed.map(|name| format!("btf_trace_{name}")).collect();
    let functions = SITES.iter().flat_map(|row| row.functions).copied();
    let aids = SITES.iter().flat_map(|row| row.aids).map(|aid| aid.function);
    let names = TYPES.into_iter().chain(functions).chain(aids).chain(meters::wanted());
    let mut wanted: HashSet<&str> = tracepoints.iter().map(String::as_str).collect();
    for name in names {
        wanted.insert(name);
    }
    resolve_in(&Btf::from_kernel(&wanted)?)
}

fn resolve_in(btf: &Btf) -> Result<Resolved, BtfError> {
    let mut layout = offsets(btf)?;
    let breakdown = breakdown(btf, &mut layout);
    // Without them no pages can be lent through a ring: 5.19 and before.
    if let (Ok(msg_ubuf), Ok(ubuf_ring)) = (btf.offset("msghdr", "msg_ubuf"), ubuf_ring(btf)) {
        (layout.msg_ubuf, layout.ubuf_ring) = (msg_ubuf, ubuf_ring);
    }
    if let (Ok(ulp), Ok(name)) =
        (btf.offset("inet_connection_sock", "icsk_ulp_ops"), btf.offset("tcp_ulp_ops", "name"))
    {
        (layout.sock_ulp, layout.ulp_name) = (ulp, name);
    }
    if btf.params("crypto_aead_encrypt")?.is_some() {
        ciphers(btf, &mut layout)?;
    }
    let page_leaves_copy = iterators(btf, &mut layout)?;
    let mut functions = [None; Site::ALL.len()];
    for (index, row) in SITES.iter().enumerate() {
        if row.at == At::Tracepoint {
            functions[index] = row.functions.first().copied();
        }
        for &name in row.functions {
            if let Some(params) = btf.params(name)? {
                functions[index] = Some(name);
                layout.params[index] = params;
                break;
            }
        }
    }
    // The flag that it checks, 5.12 and later.
    let skips_nested = btf.offset("bpf_prog", "active").is_ok();
    let meters = meters::resolve(btf, &mut layout)?;
    let targets = btf.slim()?;
    Ok(Resolved { layout, targets, functions, skips_nested, meters, page_leaves_copy, breakdown })
}

fn offsets(btf: &Btf) -> Result<Layout, BtfError> {
    let (frag_len, frag_size) = match btf.offset("skb_frag", "len") {
        Ok(offset) => (offset, btf.size_of("skb_frag")?),
        // Up to 6.8 `skb_frag_t` is another name of this.
        Err(missing) => {
            (btf.offset("bio_vec", "bv_len").map_err(|_| missing)?, btf.size_of("bio_vec")?)
        }
    };
    Ok(Layout {
        iter_count: btf.offset("iov_iter", "count")?,
        msg_iter: btf.offset("msghdr", "msg_iter")?,
        file_flags: btf.offset("file", "f_flags")?,
        file_mode: btf.offset("file", "f_mode")?,
        task_files: btf.offset("task_struct", "files")?,
        files_fdt: btf.offset("files_struct", "fdt")?,
        fdt_max_fds: btf.offset("fdtable", "max_fds")?,
        fdt_fd: btf.offset("fdtable", "fd")?,
        skb_len: btf.offset("sk_buff", "len")?,
        skb_data_len: btf.offset("sk_buff", "data_len")?,
        skb_sk: btf.offset("sk_buff", "sk")?,
        skb_cb: btf.offset("sk_buff", "cb")?,
        skb_head: btf.offset("sk_buff", "head")?,
        skb_end: btf.offset("sk_buff", "end")?,
        skb_next: btf.offset("sk_buff", "next")?,
        skb_cloned: btf.bit("sk_buff", "cloned")?,
        skb_head_frag: btf.bit("sk_buff", "head_frag")?,
        shinfo_dataref: btf.offset("skb_shared_info", "dataref")?,
        shinfo_uarg: btf.offset("skb_shared_info", "destructor_arg")?,
        shinfo_frag_list: btf.offset("skb_shared_info", "frag_list")?,
        shinfo_nr_frags: btf.offset("skb_shared_info", "nr_frags")?,
        shinfo_frag_len: btf.offset("skb_shared_info", "frags")? + frag_len,
        frag_size,
        zerocopy_length: btf.offset("tcp_zerocopy_receive", "length")?,
        vmf_page: btf.offset("vm_fault", "page")?,
        vmf_cow_page: btf.offset("vm_fault", "cow_page")?,
        vmf_pte: btf.offset("vm_fault", "pte")?,
        vmf_orig_pte: btf.offset("vm_fault", "orig_pte")?,
        task_tgid: btf.offset("task_struct", "tgid")?,
        follow: 1,
        udp_dequeue_params: btf.params("__skb_recv_udp")?.unwrap_or(0),
        owner_slots: OWNER_SLOTS,
        pid_slots: PID_SLOTS,
        ..Layout::UNKNOWN
    })
}

/// From the notice about pages that io_uring lends to the pointer to its ring: the notice lies in the
/// part of a request that each kind of request has for itself (io_uring/notif.h).
fn ubuf_ring(btf: &Btf) -> Result<u32, BtfError> {
    let notice = btf.offset("io_kiocb", "cmd")? + btf.offset("io_notif_data", "uarg")?;
    let ring = btf.offset("io_kiocb", "ctx")?;
    ring.checked_sub(notice)
        .ok_or_else(|| BtfError::Missing("struct io_kiocb with ctx behind cmd".into()))
}

/// Where an iterator's type stands and what its values mean; see also
/// [`Resolved::page_leaves_copy`].
fn iterators(btf: &Btf, layout: &mut Layout) -> Result<bool, BtfError> {
    let directed;
    (layout.iter_type, directed) = match btf.offset("iov_iter", "iter_type") {
        Ok(offset) => (offset, false),
        // Up to 5.13 it is `type`, whose lowest bit says READ or WRITE.
        Err(missing) => (btf.offset("iov_iter", "type").map_err(|_| missing)?, true),
    };
    layout.iter_classes = [IterClass::Kernel as u8; 256];
    let mut users = 0;
    let mut page_leaves_copy = true;
    for (name, value) in btf.enumerators("iter_type")? {
        page_leaves_copy &= name != "ITER_UBUF";
        let class = match name {
            _ if USER_ITERATORS.contains(&name) => IterClass::User,
            PIPE_ITERATOR => IterClass::Pipe,
            _ => continue,
        };
        users += usize::from(class == IterClass::User);
        let directions = if directed { value..=value | 1 } else { value..=value };
        for byte in directions {
            let slot = layout.iter_classes.get_mut(byte as usize);
            *slot.ok_or_else(|| BtfError::Missing(format!("{name} of one byte")))? = class as u8;
        }
    }
    if users == 0 {
        return Err(BtfError::Missing(format!("enumerator {}", USER_ITERATORS.join(" or "))));
    }
    Ok(page_leaves_copy)
}

/// Where a request to a cipher says what it is. Kernels may have no such type.
fn ciphers(btf: &Btf, layout: &mut Layout) -> Result<(), BtfError> {
    layout.aead_assoclen = btf.offset("aead_request", "assoclen")?;
    layout.aead_cryptlen = btf.offset("aead_request", "cryptlen")?;
    layout.aead_tfm =
        btf.offset("aead_request", "base")? + btf.offset("crypto_async_request", "tfm")?;
    let (authsize, base) =
        (btf.offset("crypto_aead", "authsize")?, btf.offset("crypto_aead", "base")?);
    layout.aead_authsize_before = base.wrapping_sub(authsize);
    layout.tfm_alg = btf.offset("crypto_tfm", "__crt_alg")?;
    layout.alg_flags = btf.offset("crypto_alg", "cra_flags")?;
    Ok(())
}

/// Fills in what a breakdown by thread, system call and kind of file needs to know of the kernel.
///
/// # Errors
/// [`BtfError::Missing`] when the kernel lacks a field that it reads.
fn breakdown(btf: &Btf, layout: &mut Layout) -> Result<(), BtfError> {
    layout.task_group_leader = btf.offset("task_struct", "group_leader")?;
    layout.task_pid = btf.offset("task_struct", "pid")?;
    layout.task_start_time = btf.offset("task_struct", "start_time")?;
    layout.task_comm = btf.offset("task_struct", "comm")?;
    layout.task_stack = btf.offset("task_struct", "stack")?;
    layout.task_status =
        btf.offset("task_struct", "thread_info")? + btf.offset("thread_info", "status")?;
    layout.file_inode = btf.offset("file", "f_inode")?;
    layout.file_private = btf.offset("file", "private_data")?;
    layout.inode_mode = btf.offset("inode", "i_mode")?;
    layout.inode_flags = btf.offset("inode", "i_flags")?;
    layout.inode_private = btf.offset("inode", "i_private")?;
    layout.socket_sk = btf.offset("socket", "sk")?;
    layout.sock_protocol = btf.offset("sock", "sk_protocol")?;
    layout.sock_family =
        btf.offset("sock", "__sk_common")? + btf.offset("sock_common", "skc_family")?;
    layout.pid_level = btf.offset("pid", "level")?;
    layout.pid_numbers = btf.offset("pid", "numbers")?;
    layout.upid_size = btf.size_of("upid")?;
    // 5.11 and later.
    let helpers = btf.enumerators("bpf_func_id")?;
    let typed = helpers.iter().any(|(name, _)| *name == "BPF_FUNC_get_current_task_btf");
    layout.task_typed = u32::from(typed);
    layout.operands = syscalls::operands();
    Ok(())
}
