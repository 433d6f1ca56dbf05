//! Pipe reads and writes.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::Site;

use super::count_iter;

/// `ssize_t pipe_read(struct kiocb *, struct iov_iter *to)`; `anon_pipe_read` in newer kernels.
#[fexit]
fn pipe_read(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::PipeRead, 1)
}

/// `ssize_t pipe_write(struct kiocb *, struct iov_iter *from)`; `anon_pipe_write` in newer kernels.
#[fexit]
fn pipe_write(ctx: FExitContext) -> Option<()> {
    count_iter(&ctx, Site::PipeWrite, 1)
}
