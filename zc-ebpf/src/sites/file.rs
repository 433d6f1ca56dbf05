//! Buffered file reads and writes.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::Site;

use super::{count_current, count_iter, return_value};
use crate::layout::iter_class;

/// `ssize_t filemap_read(struct kiocb *, struct iov_iter *, ssize_t already_read)`.
#[fexit]
fn filemap_read(ctx: FExitContext) -> Option<()> {
    let iter: *const u8 = ctx.arg(1);
    let already_read: i64 = ctx.arg(2);
    // It returns `already_read` plus what it read itself, or an error.
    let bytes = return_value(&ctx, Site::FilemapRead) - already_read;
    // SAFETY: argument 1 is a `struct iov_iter *`.
    count_current(Site::FilemapRead, || unsafe { iter_class(iter) }, bytes)
}

/// `ssize_t generic_perform_write(struct kiocb *, struct iov_iter *)`.
#[fexit]
fn generic_perform_write(ctx: FExitContext) -> Option<()> {
    // SAFETY: argument 1 is a `struct iov_iter *`.
    unsafe { count_iter(&ctx, Site::GenericPerformWrite, 1) }
}
