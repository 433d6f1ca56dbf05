//! Pipe reads and writes.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::Site;

use super::{count_current, return_value};
use crate::layout::iter_class;

/// `ssize_t pipe_read(struct kiocb *, struct iov_iter *to)`; `anon_pipe_read` in newer kernels.
#[fexit]
fn pipe_read(ctx: FExitContext) -> Option<()> {
    let iter: *const u8 = ctx.arg(1);
    let bytes = return_value(&ctx, Site::PipeRead);
    // SAFETY: argument 1 is a `struct iov_iter *`.
    count_current(Site::PipeRead, || unsafe { iter_class(iter) }, bytes)
}

/// `ssize_t pipe_write(struct kiocb *, struct iov_iter *from)`; `anon_pipe_write` in newer kernels.
#[fexit]
fn pipe_write(ctx: FExitContext) -> Option<()> {
    let iter: *const u8 = ctx.arg(1);
    let bytes = return_value(&ctx, Site::PipeWrite);
    // SAFETY: argument 1 is a `struct iov_iter *`.
    count_current(Site::PipeWrite, || unsafe { iter_class(iter) }, bytes)
}
