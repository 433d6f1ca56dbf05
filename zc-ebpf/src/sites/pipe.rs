//! Pipe reads and writes, vmsplice(2) among them.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::{IterClass, Site};

use super::{count_current, count_iter, return_int, return_value};
use crate::{descriptor, task::Registers};

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

/// `int pipe_to_user(struct pipe_inode_info *, struct pipe_buffer *, struct splice_desc *)`: a buffer of
/// a pipe that a vmsplice reads.
#[fexit]
fn pipe_to_user(ctx: FExitContext) -> Option<()> {
    let bytes = || return_int(&ctx, Site::VmspliceRead);
    count_current(&ctx, Site::VmspliceRead, || IterClass::None, bytes)
}

/// `long __x64_sys_vmsplice(const struct pt_regs *)`: of a pipe that it writes to, which is told as the
/// kernel does it (`vmsplice_type`, fs/splice.c). Not `add_to_pipe`, which has become a part of it from
/// 6.12 on. If another thread closes the descriptor meanwhile it is not told, and coverage lacks the
/// bytes.
#[fexit]
fn vmsplice(ctx: FExitContext) -> Option<()> {
    let written = || {
        let writes =
            Registers::at(ctx.arg(0)).is_some_and(|saved| descriptor::is_writable(saved.di));
        if writes { return_value(&ctx, Site::VmspliceWrite) } else { -1 }
    };
    count_current(&ctx, Site::VmspliceWrite, || IterClass::None, written)
}
