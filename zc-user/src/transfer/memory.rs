//! Memory for payload: whole pages, there before the first touch.

use std::{
    os::fd::AsFd,
    ptr::{self, NonNull},
    slice,
};

use rustix::{
    io::{Errno, Result},
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
};

/// x86-64's page size in bytes.
pub(super) const PAGE: usize = 4096;

/// Whole pages of memory, all of them there: a first touch would be a page fault in the run.
pub(super) struct Mapping {
    start: NonNull<u8>,
    /// Bytes; a multiple of a page.
    length: usize,
}

// SAFETY: it owns its memory as a `Vec<u8>` does, and any thread may read, write or unmap it.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference the memory is only read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Private memory of at least `bytes`, all zero.
    ///
    /// # Errors
    /// `ENOMEM` when there is not so much.
    pub(super) fn private(bytes: usize) -> Result<Self> {
        Self::private_with(bytes, MapFlags::POPULATE)
    }

    fn private_with(bytes: usize, flags: MapFlags) -> Result<Self> {
        let length = whole(bytes)?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | flags);
        // SAFETY: new memory at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, prot, flags)? };
        Self::of(start, length)
    }

    /// The first `bytes` of `file`, shared with whoever else has it.
    ///
    /// # Errors
    /// The kernel's, as mmap(2) has them.
    pub(super) fn shared(file: impl AsFd, bytes: usize) -> Result<Self> {
        let length = whole(bytes)?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        let start = {
            // SAFETY: a new mapping at an address of the kernel's choice.
            unsafe { mmap(ptr::null_mut(), length, prot, flags | MapFlags::POPULATE, file, 0)? }
        };
        Self::of(start, length)
    }

    fn of(start: *mut core::ffi::c_void, length: usize) -> Result<Self> {
        Ok(Self { start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, length })
    }

    /// The memory. Shared memory is read only where its other user says that it is done with it.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, readable and initialised for `length` bytes until drop.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The same, to write to.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped, writable and initialised for `length` bytes until drop, and borrowed
        // through `self` only.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours and no slice of it outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping cannot fail");
    }
}

/// A file in memory, to read; unmapped when dropped.
pub(super) struct FileView {
    start: NonNull<u8>,
    length: usize,
}

impl FileView {
    /// The first `bytes` of `file`, at least one. Its pages come when they are touched.
    ///
    /// # Errors
    /// The kernel's, as mmap(2) has them.
    pub(super) fn new(file: impl AsFd, bytes: u64) -> Result<Self> {
        Self::with(MapFlags::SHARED, file, bytes)
    }

    /// The same with every page there: a first touch would be a page fault in user mode.
    ///
    /// # Errors
    /// The kernel's, as mmap(2) has them.
    pub(super) fn populated(file: impl AsFd, bytes: u64) -> Result<Self> {
        Self::with(MapFlags::SHARED | MapFlags::POPULATE, file, bytes)
    }

    fn with(flags: MapFlags, file: impl AsFd, bytes: u64) -> Result<Self> {
        let length = usize::try_from(bytes.max(1)).map_err(|_| Errno::FBIG)?;
        let prot = ProtFlags::READ;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { mmap(ptr::null_mut(), length, prot, flags, file, 0)? };
        Ok(Self { start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, length })
    }

    /// The mapped bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped and readable for `length` bytes until drop. The file is not written to
        // while it is sent: it is zc's own unlinked one, or the user gave it for this purpose.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for FileView {
    fn drop(&mut self) {
        // SAFETY: the range is ours and no slice of it outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping cannot fail");
    }
}

/// Memory that is not there before its first touch.
pub(super) struct Fresh(Mapping);

impl Fresh {
    /// At least `bytes` of it.
    ///
    /// # Errors
    /// `ENOMEM` when there is not so much.
    pub(super) fn new(bytes: usize) -> Result<Self> {
        let memory = Self(Mapping::private_with(bytes, MapFlags::empty())?);
        let (start, length) = (memory.0.start.as_ptr().cast(), memory.0.length);
        // SAFETY: advice on memory of our own. In large pages one touch would bring many.
        let small = unsafe { madvise(start, length, Advice::LinuxNoHugepage) };
        match small {
            // A kernel without large pages does not know the advice.
            Ok(()) | Err(Errno::INVAL) => Ok(memory),
            Err(errno) => Err(errno),
        }
    }

    /// Writes to the byte at `offset`.
    pub(super) fn touch(&mut self, offset: usize) {
        self.0.bytes_mut()[offset] = 1;
    }
}

/// `bytes` in whole pages, at least one: an empty mapping is an error.
fn whole(bytes: usize) -> Result<usize> {
    bytes.max(1).checked_next_multiple_of(PAGE).ok_or(Errno::NOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_in_whole_pages() {
        let mut memory = Mapping::private(PAGE + 1).unwrap();
        assert_eq!(memory.bytes().len(), 2 * PAGE);
        memory.bytes_mut()[PAGE] = 7;
        assert_eq!(memory.bytes()[PAGE], 7);
        assert_eq!(Mapping::private(0).unwrap().bytes().len(), PAGE);
        assert!(Mapping::private(usize::MAX).is_err());
    }
}
