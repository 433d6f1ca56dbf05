//! File reads and writes.

use aya_ebpf::{EbpfContext as _, macros::fexit, programs::FExitContext};
use zc_common::{IterClass, Site};

use super::{count_bare, count_current, count_iter, return_int, return_value};
use crate::{
    layout::iter_class,
    memory::{Tracked, peek_or_zero},
};

/// `ssize_t filemap_read(struct kiocb *, struct iov_iter *, ssize_t already_read)`;
/// `generic_file_buffered_read` up to 5.11.
#[fexit]
fn filemap_read(ctx: FExitContext) -> Option<()> {
    // It returns what was read before, argument 2, plus what it read itself, or an error.
    let bytes = || return_value(&ctx, Site::FilemapRead) - ctx.arg::<i64>(2);
    count_current(&ctx, Site::FilemapRead, || iter_class(Tracked(ctx.arg(1))), bytes)
}

/// `ssize_t generic_perform_write(struct kiocb *, struct iov_iter *)`; up to 5.17 the first is a
/// `struct file *`.
#[fexit]
fn generic_perform_write(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::GenericPerformWrite, 1)
}

/// `ssize_t iomap_file_buffered_write(struct kiocb *, struct iov_iter *, …)`.
#[fexit]
fn iomap_file_buffered_write(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::IomapWrite, 1)
}

/// `REMAP_FILE_DEDUP`, include/linux/fs.h.
const DEDUP: u32 = 1;

/// `int generic_remap_file_range_prep(struct file *, loff_t, struct file *, loff_t, loff_t *len, unsigned
/// flags)`: how much a file system is about to share, which may be less than was asked for. Files that
/// are found to be the same (`FIDEDUPERANGE`) stay what they are: nothing moves.
///
/// Verifiers before 5.17 let no program load an argument that points to a number (`btf_ctx_access`,
/// kernel/bpf/btf.c); it is read where the context has it, like any other memory.
#[fexit]
fn generic_remap_file_range_prep(ctx: FExitContext) -> Option<()> {
    let bytes = || {
        let len: *const u8 = peek_or_zero(ctx.as_ptr().cast::<u8>().wrapping_add(4 * 8));
        let flags: u32 = ctx.arg(5);
        let shares = return_int(&ctx, Site::RemapRange) == 0 && flags & DEDUP == 0;
        if shares { peek_or_zero(len) } else { -1 }
    };
    count_current(&ctx, Site::RemapRange, || IterClass::None, bytes)
}

/// `ssize_t shmem_file_read_iter(struct kiocb *, struct iov_iter *)`.
#[fexit]
fn shmem_file_read_iter(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::ShmemRead, 1)
}

/// `ssize_t seq_read_iter(struct kiocb *, struct iov_iter *)`.
#[fexit]
fn seq_read_iter(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::SeqRead, 1)
}

/// `ssize_t read_iter_zero(struct kiocb *, struct iov_iter *)`.
#[fexit]
fn read_iter_zero(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::ZeroFill, 1)
}

/// `ssize_t read_zero(struct file *, char __user *, size_t, loff_t *)`, which a plain `read` takes,
/// 5.10 and later.
#[fexit]
fn read_zero(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::ZeroRead)
}

/// `ssize_t write_null(struct file *, const char __user *, size_t, loff_t *)`.
#[fexit]
fn write_null(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::NullWrite)
}

/// `ssize_t write_iter_null(struct kiocb *, struct iov_iter *)`.
#[fexit]
fn write_iter_null(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::NullWriteIter, 1)
}

/// `ssize_t splice_write_null(struct pipe_inode_info *, struct file *, loff_t *, size_t, unsigned int)`.
#[fexit]
fn splice_write_null(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::NullSplice)
}

/// `ssize_t simple_read_from_buffer(void __user *to, size_t, loff_t *, const void *, size_t)`.
#[fexit]
fn simple_read_from_buffer(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::SimpleRead)
}

/// `ssize_t iomap_dio_complete(struct iomap_dio *)`. Not `iomap_dio_rw`: it has seven parameters
/// from 5.16 on, and kernels before 6.6 refuse programs on more than six.
#[fexit]
fn iomap_dio_complete(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::DirectIo)
}

/// `ssize_t iomap_dio_simple_complete(struct iomap_dio_simple *)`.
#[fexit]
fn iomap_dio_simple_complete(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::DirectSimpleRead)
}
