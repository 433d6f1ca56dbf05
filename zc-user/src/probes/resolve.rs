//! What the running kernel has: function names, parameter counts, field offsets. All from its
//! BTF, never from its version.

use zc_common::{Layout, Site};

use super::catalogue::SITES;
use crate::kernel::btf::{Btf, BtfError};

/// Enumerators of `enum iter_type` that mean user memory (`include/linux/uio.h`).
const USER_ITERATORS: [&str; 2] = ["ITER_UBUF", "ITER_IOVEC"];

/// The one that means a pipe, up to 6.4.
const PIPE_ITERATOR: &str = "ITER_PIPE";

/// The catalogue as the running kernel has it.
#[derive(Debug)]
pub struct Resolved {
    /// What the kernel half needs to know.
    pub layout: Layout,
    /// By [`Site`]: the function to attach to, `None` when this kernel has none of its names.
    pub functions: [Option<&'static str>; Site::ALL.len()],
}

/// Looks everything up in `/sys/kernel/btf/vmlinux`.
pub fn resolve() -> Result<Resolved, BtfError> {
    let mut wanted = vec!["iov_iter", "iter_type", "msghdr", "sk_buff", "task_struct"];
    wanted.extend(SITES.iter().flat_map(|row| row.functions));
    resolve_in(&Btf::from_kernel(&wanted)?)
}

fn resolve_in(btf: &Btf) -> Result<Resolved, BtfError> {
    let mut layout = Layout {
        iter_type: btf.offset("iov_iter", "iter_type")?,
        msg_iter: btf.offset("msghdr", "msg_iter")?,
        skb_data_len: btf.offset("sk_buff", "data_len")?,
        task_tgid: btf.offset("task_struct", "tgid")?,
        ..Layout::UNKNOWN
    };
    for (name, value) in btf.enumerators("iter_type")? {
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
    Ok(Resolved { layout, functions })
}
