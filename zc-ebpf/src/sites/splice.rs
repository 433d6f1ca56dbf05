//! The splice family: where pages are handed on, and which of the ways was taken.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::{IterClass, Site};

use super::{count_bare, count_current, return_value};
use crate::{layout::layout, memory::Tracked};

/// include/uapi/asm-generic/fcntl.h.
const O_DIRECT: u32 = 0o40000;

/// `ssize_t copy_splice_read(struct file *, loff_t *, struct pipe_inode_info *, size_t, unsigned)`.
#[fexit]
fn copy_splice_read(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::CopySpliceRead)
}

/// `ssize_t filemap_splice_read(…)` with the same parameters; before 6.5 `generic_file_splice_read`,
/// which serves a file opened with `O_DIRECT` as well: the device fills pages of the pipe's, and
/// counts where the device is.
#[fexit]
fn filemap_splice_read(ctx: FExitContext) -> Option<()> {
    let class = || {
        let flags: u32 = Tracked(ctx.arg(0)).read(layout!(file_flags));
        if flags & O_DIRECT == 0 { IterClass::None } else { IterClass::Pipe }
    };
    count_current(&ctx, Site::FilemapSpliceRead, class, || {
        return_value(&ctx, Site::FilemapSpliceRead)
    })
}

/// `ssize_t splice_to_socket(struct pipe_inode_info *, struct file *, loff_t *, size_t, unsigned)`;
/// before 6.5 `generic_splice_sendpage`.
#[fexit]
fn splice_to_socket(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::SpliceToSocket)
}

/// `ssize_t shmem_file_splice_read(…)` with the same parameters.
#[fexit]
fn shmem_file_splice_read(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::ShmemSpliceRead)
}

/// `ssize_t iter_file_splice_write(…)` with the parameters of `splice_to_socket`.
#[fexit]
fn iter_file_splice_write(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::FileSpliceWrite)
}
