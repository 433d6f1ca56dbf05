//! Memory of this process for tests of page faults.

use std::{
    fs::File,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

/// x86-64's page size in bytes.
pub(crate) const PAGE: usize = 4096;

/// Memory of this process that is never backed by large pages.
pub(crate) struct Mapping(*mut libc::c_void, usize);

impl Mapping {
    pub(crate) fn anonymous(pages: usize) -> Self {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), pages * PAGE, prot, flags) }.unwrap();
        Self(start, pages * PAGE).small()
    }

    pub(crate) fn of(file: &File, pages: usize) -> Self {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice; nobody else has the file.
        let start =
            unsafe { mmap(std::ptr::null_mut(), pages * PAGE, prot, flags, file, 0) }.unwrap();
        Self(start, pages * PAGE).small()
    }

    /// Where the kernel can place pages that `socket` receives (`tcp_mmap`, net/ipv4/tcp.c).
    pub(crate) fn of_socket(socket: BorrowedFd<'_>, pages: usize) -> Self {
        let (prot, flags) = (ProtFlags::READ, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start =
            unsafe { mmap(std::ptr::null_mut(), pages * PAGE, prot, flags, socket, 0) }.unwrap();
        Self(start, pages * PAGE)
    }

    pub(crate) fn address(&self) -> u64 {
        self.0.addr() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.1
    }

    /// What it holds now, from its start on; only where it has pages.
    pub(crate) fn content(&self, length: usize) -> Vec<u8> {
        assert!(length <= self.1);
        let start = self.0.cast::<u8>();
        // SAFETY: inside the mapping, which is readable where it has pages.
        (0..length).map(|i| unsafe { start.wrapping_add(i).read_volatile() }).collect()
    }

    /// Unmaps what is behind its first `pages`.
    pub(crate) fn cut(&self, pages: usize) {
        let start = self.0.wrapping_byte_add(pages * PAGE);
        // SAFETY: inside the mapping; nothing refers to what is in it.
        unsafe { munmap(start, self.1 - pages * PAGE) }.unwrap();
    }

    fn small(self) -> Self {
        // SAFETY: a mapping of this type; the advice changes no content.
        unsafe { madvise(self.0, self.1, Advice::LinuxNoHugepage) }.unwrap();
        self
    }

    fn bytes(&self) -> impl Iterator<Item = *mut u8> {
        let start = self.0.cast::<u8>();
        (0..self.1).step_by(PAGE).map(move |offset| start.wrapping_add(offset))
    }

    pub(crate) fn write(&self) {
        for byte in self.bytes() {
            // SAFETY: inside the mapping, which is writable.
            unsafe { byte.write_volatile(1) };
        }
    }

    /// Reads `file` from its start into the whole of it.
    pub(crate) fn fill_from(&self, file: &File) -> isize {
        // SAFETY: the kernel writes inside the mapping.
        unsafe { libc::pread(file.as_raw_fd(), self.0, self.1, 0) }
    }

    pub(crate) fn read(&self) {
        for byte in self.bytes() {
            // SAFETY: inside the mapping, which is readable.
            unsafe { byte.read_volatile() };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nothing refers to any more.
        unsafe { munmap(self.0, self.1) }.unwrap();
    }
}
