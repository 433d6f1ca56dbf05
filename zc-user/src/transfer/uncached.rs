//! Files without the page cache.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Result,
};

/// `file` once more with `O_DIRECT`, which would else be set for whoever shares it. It begins at the start.
///
/// # Errors
/// The kernel's, as open(2) has them: `EINVAL` where the file system has no direct I/O; `ENOENT` where
/// no `/proc` is mounted.
pub fn reopen(file: impl AsFd, access: OFlags) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    open(path, access | OFlags::DIRECT | OFlags::CLOEXEC, Mode::empty())
}
