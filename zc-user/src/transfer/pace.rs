//! A page that both sides of a transfer see: how far each one is, without a system call.
//!
//! A pipe gives a reader what is there, which depends on who ran when, and a datagram that finds no
//! room is lost. So that the number of calls depends on neither, the sides of such styles wait for
//! each other, spinning on this page: a wait in the kernel would be a call that is made or not.

use std::{
    hint,
    os::fd::{AsFd, OwnedFd},
    ptr,
    sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{Acquire, Release},
    },
};

use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    io::{Errno, Result},
};

use super::memory::Mapping;

#[repr(C)]
struct Cells {
    /// Bytes that the sender has put on the link in this run.
    put: AtomicU64,
    /// Bytes that the receiver has taken off it.
    taken: AtomicU64,
    /// The sender: its process id, and where its memory holds the payload.
    process: AtomicU32,
    address: AtomicU64,
    /// One side is gone.
    abandoned: AtomicBool,
}

/// The page, mapped.
pub(super) struct Pace(Mapping);

impl Pace {
    /// The memory that [`Pace::map`] takes, all zero.
    ///
    /// # Errors
    /// The kernel's, as memfd_create(2) has them.
    pub(super) fn create() -> Result<OwnedFd> {
        let memory = memfd_create("pace", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, size_of::<Cells>() as u64)?;
        Ok(memory)
    }

    /// Maps the page that `memory` is.
    ///
    /// # Errors
    /// The kernel's, as mmap(2) has them.
    pub(super) fn map(memory: impl AsFd) -> Result<Self> {
        Ok(Self(Mapping::shared(memory, size_of::<Cells>())?))
    }

    fn cells(&self) -> &Cells {
        // SAFETY: the mapping is as long, page-aligned and lives as long as `self`; every field is an
        // atomic, for which any bytes are good and which others may change.
        unsafe { &*ptr::from_ref(self.0.bytes()).cast::<Cells>() }
    }

    /// Begins a run: nothing was put and nothing taken.
    pub(super) fn reset(&self) {
        self.cells().put.store(0, Release);
        self.cells().taken.store(0, Release);
    }

    /// The sender has put `bytes` on the link so far.
    pub(super) fn put(&self, bytes: u64) {
        self.cells().put.store(bytes, Release);
    }

    /// The receiver has taken `bytes` off it so far.
    pub(super) fn take(&self, bytes: u64) {
        self.cells().taken.store(bytes, Release);
    }

    /// Waits until the sender has put `bytes` on the link.
    ///
    /// # Errors
    /// `ECONNRESET` when it is gone.
    pub(super) fn until_put(&self, bytes: u64) -> Result<()> {
        self.until(|cells| cells.put.load(Acquire) >= bytes)
    }

    /// Waits until the receiver has taken `bytes` off it.
    ///
    /// # Errors
    /// `ECONNRESET` when it is gone.
    pub(super) fn until_taken(&self, bytes: u64) -> Result<()> {
        self.until(|cells| cells.taken.load(Acquire) >= bytes)
    }

    fn until(&self, reached: impl Fn(&Cells) -> bool) -> Result<()> {
        let cells = self.cells();
        while !reached(cells) {
            if cells.abandoned.load(Acquire) {
                return Err(Errno::CONNRESET);
            }
            hint::spin_loop();
        }
        Ok(())
    }

    /// Ends every wait, now and later: a side is gone.
    pub(super) fn abandon(&self) {
        self.cells().abandoned.store(true, Release);
    }

    /// Says where the sender, process `process`, has the payload in memory.
    pub(super) fn announce(&self, process: u32, address: u64) {
        self.cells().process.store(process, Release);
        self.cells().address.store(address, Release);
    }

    /// What was announced.
    pub(super) fn announced(&self) -> (u32, u64) {
        (self.cells().process.load(Acquire), self.cells().address.load(Acquire))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn both_mappings_see_the_same_page_and_a_wait_for_someone_gone_ends() {
        let memory = Pace::create().unwrap();
        let [near, far] = [(); 2].map(|()| Pace::map(&memory).unwrap());
        thread::scope(|threads| {
            threads.spawn(|| {
                far.until_put(3).unwrap();
                far.take(3);
            });
            near.put(3);
            near.until_taken(3).unwrap();
        });
        near.announce(7, 4096);
        assert_eq!(far.announced(), (7, 4096));
        far.reset();
        near.abandon();
        assert_eq!(far.until_put(1), Err(Errno::CONNRESET));
    }
}
