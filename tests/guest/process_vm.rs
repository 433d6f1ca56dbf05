//! Copying between the memory of two processes, which rustix has no calls for.

use std::io;

use rustix::process::Pid;

fn part(bytes: *const [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.cast::<libc::c_void>().cast_mut(), iov_len: bytes.len() }
}

fn returned(bytes: isize) -> rustix::io::Result<usize> {
    usize::try_from(bytes).map_err(|_| {
        let error = io::Error::last_os_error();
        rustix::io::Errno::from_io_error(&error).expect("the call failed")
    })
}

/// Reads what process `pid` has at the address of `remote`: this process, or one that shares its memory
/// or had the same when it was forked. `remote` need not be readable.
pub(crate) fn read(pid: Pid, local: &mut [u8], remote: *const [u8]) -> rustix::io::Result<usize> {
    let (local, remote) = (part(local), part(remote));
    // SAFETY: the kernel writes to `local`, which is borrowed for it, and only reads the other.
    let bytes = unsafe {
        libc::process_vm_readv(
            pid.as_raw_nonzero().get(),
            &raw const local,
            1,
            &raw const remote,
            1,
            0,
        )
    };
    returned(bytes)
}

/// Writes to process `pid`, at the address of `remote`, of which the same holds.
pub(crate) fn write(pid: Pid, local: &[u8], remote: &mut [u8]) -> rustix::io::Result<usize> {
    let (local, remote) = (part(local), part(remote));
    // SAFETY: the kernel writes to `remote`, which is borrowed for it in this process.
    let bytes = unsafe {
        libc::process_vm_writev(
            pid.as_raw_nonzero().get(),
            &raw const local,
            1,
            &raw const remote,
            1,
            0,
        )
    };
    returned(bytes)
}
