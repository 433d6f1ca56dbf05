//! What the running kernel has: function names, parameter counts, field offsets. All from its
//! BTF, never from its version.

use zc_common::{Layout, OWNER_SLOTS, Site};

use super::{attach::Status, catalogue::SITES, meters};
use crate::kernel::btf::{Btf, BtfError};

/// Enumerators of `enum iter_type` that mean user memory (`include/linux/uio.h`).
const USER_ITERATORS: [&str; 2] = ["ITER_UBUF", "ITER_IOVEC"];

/// The one that means a pipe, up to 6.4.
const PIPE_ITERATOR: &str = "ITER_PIPE";

/// What else is looked up besides the functions of the catalogue.
const TYPES: [&str; 10] = [
    "bpf_prog",
    "iov_iter",
    "iter_type",
    "msghdr",
    "sk_buff",
    "skb_shared_info",
    "task_struct",
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
}

/// Looks everything up in `/sys/kernel/btf/vmlinux`.
pub fn resolve() -> Result<Resolved, BtfError> {
    let mut wanted = TYPES.to_vec();
    wanted.extend(SITES.iter().flat_map(|row| row.functions));
    wanted.extend(meters::wanted());
    resolve_in(&Btf::from_kernel(&wanted)?)
}

fn resolve_in(btf: &Btf) -> Result<Resolved, BtfError> {
    let mut layout = offsets(btf)?;
    let page_leaves_copy = iterators(btf, &mut layout)?;
    let mut functions = [None; Site::ALL.len()];
    for (index, row) in SITES.iter().enumerate() {
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
    Ok(Resolved { layout, functions, skips_nested, meters, page_leaves_copy })
}

fn offsets(btf: &Btf) -> Result<Layout, BtfError> {
    Ok(Layout {
        iter_count: btf.offset("iov_iter", "count")?,
        msg_iter: btf.offset("msghdr", "msg_iter")?,
        skb_len: btf.offset("sk_buff", "len")?,
        skb_data_len: btf.offset("sk_buff", "data_len")?,
        skb_sk: btf.offset("sk_buff", "sk")?,
        skb_cb: btf.offset("sk_buff", "cb")?,
        skb_head: btf.offset("sk_buff", "head")?,
        skb_end: btf.offset("sk_buff", "end")?,
        shinfo_uarg: btf.offset("skb_shared_info", "destructor_arg")?,
        zerocopy_length: btf.offset("tcp_zerocopy_receive", "length")?,
        vmf_page: btf.offset("vm_fault", "page")?,
        vmf_cow_page: btf.offset("vm_fault", "cow_page")?,
        vmf_pte: btf.offset("vm_fault", "pte")?,
        vmf_orig_pte: btf.offset("vm_fault", "orig_pte")?,
        task_tgid: btf.offset("task_struct", "tgid")?,
        udp_dequeue_params: btf.params("__skb_recv_udp")?.unwrap_or(0),
        owner_slots: OWNER_SLOTS,
        ..Layout::UNKNOWN
    })
}

/// Where an iterator's type stands and what its values mean; see also
/// [`Resolved::page_leaves_copy`].
fn iterators(btf: &Btf, layout: &mut Layout) -> Result<bool, BtfError> {
    (layout.iter_type, layout.iter_mask) = match btf.offset("iov_iter", "iter_type") {
        Ok(offset) => (offset, 0xff),
        // Up to 5.13 it is `type`, whose lowest bit says READ or WRITE.
        Err(missing) => (btf.offset("iov_iter", "type").map_err(|_| missing)?, 0xfe),
    };
    let mut page_leaves_copy = true;
    for (name, value) in btf.enumerators("iter_type")? {
        page_leaves_copy &= name != "ITER_UBUF";
        // The kernel half masks with 63, and so must this.
        let bit = 1u64 << (value & 63);
        if USER_ITERATORS.contains(&name) {
            layout.iter_user |= bit;
        } else if name == PIPE_ITERATOR {
            layout.iter_pipe |= bit;
        }
    }
    if layout.iter_user == 0 {
        return Err(BtfError::Missing(format!("enumerator {}", USER_ITERATORS.join(" or "))));
    }
    Ok(page_leaves_copy)
}
