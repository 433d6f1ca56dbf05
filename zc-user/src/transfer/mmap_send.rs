//! mmap(2) the file, send(2) from the mapping: one copy fewer.

use std::ptr;

use rustix::{
    io::Result,
    mm::{MapFlags, ProtFlags, mmap, munmap},
    net::{SendFlags, send},
};

use super::{FILE_TO_TCP, Plan, Sending, Style};
use crate::expect::{Cost, NOTHING, term};

pub(super) const STYLE: Style = Style {
    name: "mmap-send",
    how: "mmap(2) the file, send(2) from the mapping",
    textbook_name: "mapped file",
    textbook: "one CPU copy fewer, page faults instead",
    send: transfer,
    cost,
    jobs: FILE_TO_TCP,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: NOTHING,
        user_to_kernel: term(plan.bytes, "N: send"),
        kernel_to_kernel: NOTHING,
        syscalls: term(plan.chunks(), "⌈N/c⌉: send"),
    }
}

/// A read-only shared mapping of a file, unmapped on drop.
struct Mapping {
    start: *mut core::ffi::c_void,
    length: usize,
}

impl Mapping {
    fn new(job: &Sending<'_>) -> Result<Self> {
        // An empty mapping is an error; the empty run maps one byte, so that the two calls are
        // part of the fixed cost.
        let length = usize::try_from(job.bytes.max(1)).map_err(|_| rustix::io::Errno::FBIG)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, job.file, 0)?
        };
        Ok(Self { start, length })
    }

    /// The mapped bytes.
    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped and readable for `length` bytes until drop. The file is not written to
        // while it is sent: it is zc's own unlinked one, or the user gave it for this purpose.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours and no slice of it outlives `self`.
        let unmapped = unsafe { munmap(self.start, self.length) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping cannot fail");
    }
}

fn transfer(job: &mut Sending<'_>) -> Result<u64> {
    let mapping = Mapping::new(job)?;
    let mut sent = 0;
    while sent < job.bytes {
        let start = usize::try_from(sent).map_err(|_| rustix::io::Errno::FBIG)?;
        let ask = job.next(job.bytes - sent);
        let chunk = &mapping.bytes()[start..start + ask];
        sent += send(job.socket, chunk, SendFlags::empty())? as u64;
    }
    job.moved.out_of += sent;
    Ok(sent)
}
