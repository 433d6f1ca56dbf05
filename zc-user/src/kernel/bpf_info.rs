//! What the kernel says of a loaded BPF program beyond what aya asks.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_info};

/// How often the kernel skipped this program because it was already running on the CPU
/// (`recursion_misses` of `struct bpf_prog_info`, Linux 5.12): each is a lost count.
///
/// `Ok(None)` where the kernel does not report it.
///
/// # Errors
/// The kernel's answer to `BPF_OBJ_GET_INFO_BY_FD` (bpf(2)): `EINVAL` when `program` is no BPF
/// object.
pub fn recursion_misses(program: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    const END: usize = std::mem::offset_of!(bpf_prog_info, recursion_misses) + size_of::<u64>();
    // SAFETY: a plain C struct for which all-zero bytes are valid, and what the call expects.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    // SAFETY: as above; unused parts of the union have to be zero.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.info.bpf_fd = program.as_raw_fd().cast_unsigned();
    attr.info.info_len = u32::try_from(size_of::<bpf_prog_info>()).map_err(io::Error::other)?;
    attr.info.info = (&raw mut info).expose_provenance() as u64;
    // SAFETY: bpf(2) writes at most `info_len` bytes to `info`, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every bit pattern of the union's `info` is valid, and the kernel has set the length.
    let filled = unsafe { attr.info.info_len };
    Ok((filled as usize >= END).then_some(info.recursion_misses))
}
