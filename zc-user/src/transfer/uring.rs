//! A ring of io_uring(7): requests that the kernel takes from shared memory and completes there.
//!
//! Each piece of work is a chain of requests, made one after the other, and is awaited whole: one
//! system call a chain, or none where the kernel polls. A completion returns the bytes that no system
//! call does.

use std::{
    hint, io,
    os::fd::{AsRawFd, BorrowedFd},
};

use io_uring::{
    EnterFlags, IoUring, cqueue, opcode,
    squeue::{Entry, Flags},
    types::{Fd, SubmitArgs, Timespec},
};
use rustix::io::{Errno, Result};

use super::{
    lend::errno,
    work::{Work, usize},
};

/// Room for requests.
const ENTRIES: u32 = 4;

/// Bytes of a SEND for which an idle TCP connection over loopback has room at once: its buffer begins
/// with 2.5 MiB. Before 5.19 a SEND that finds none completes with less.
const ROOM: u64 = 1 << 20;

/// A kernel thread that polls sleeps after so many milliseconds without work, and then has to be woken
/// by a system call: never in a run.
const IDLE_MILLISECONDS: u32 = 600_000;

/// How long a notice is waited for before the ring is looked at, in case none will come.
const PATIENCE: Timespec = Timespec::new().sec(60);

/// `IORING_SEND_ZC_REPORT_USAGE`, 6.2 and later, and `IORING_NOTIF_USAGE_ZC_COPIED`
/// (include/uapi/linux/io_uring.h).
const REPORT_USAGE: u16 = 1 << 3;
const COPIED: i32 = i32::MIN;

/// Bytes that a request moves, of a chunk.
pub(super) fn round(chunk: u64) -> u64 {
    chunk.min(ROOM)
}

/// How a file is read into a buffer.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// READ.
    Plain,
    /// READ_FIXED, into the buffer that [`Ring::register`] was given.
    Fixed,
}

/// What became of a send of lent pages.
pub(super) struct Loan {
    /// Bytes that were sent.
    pub(super) sent: usize,
    /// Whether some were copied after all, where the kernel tells.
    pub(super) copied: Option<bool>,
}

/// A ring.
pub(super) struct Ring {
    ring: IoUring,
    polled: bool,
}

impl Ring {
    /// Whose requests are submitted, and awaited, by a system call.
    ///
    /// # Errors
    /// The kernel's, as io_uring_setup(2) has them: `EPERM` where `kernel.io_uring_disabled` forbids it.
    pub(super) fn new(work: &mut Work<'_>) -> Result<Self> {
        Self::of(IoUring::new(ENTRIES).map_err(errno)?, work)
    }

    /// Whose requests a thread of the kernel's polls for.
    ///
    /// # Errors
    /// As for [`Ring::new`].
    pub(super) fn polled(work: &mut Work<'_>) -> Result<Self> {
        let mut builder = IoUring::builder();
        let ring = builder.setup_sqpoll(IDLE_MILLISECONDS).build(ENTRIES).map_err(errno)?;
        let mut ring = Self::of(ring, work)?;
        ring.wake()?;
        Ok(ring)
    }

    fn of(ring: IoUring, work: &mut Work<'_>) -> Result<Self> {
        let parameters = ring.params();
        work.by_kernel_threads |= !parameters.is_feature_native_workers();
        let polled = parameters.is_setup_sqpoll();
        Ok(Self { ring, polled })
    }

    /// Gives the thread something to do. Its first look finds nothing, if it comes before the first
    /// request, and then it sleeps at once (`io_sq_thread`, io_uring/sqpoll.c). One system call, whether
    /// it does or not.
    fn wake(&mut self) -> Result<()> {
        let request = opcode::Nop::new().build();
        // SAFETY: it refers to nothing.
        unsafe { self.ring.submission().push(&request) }.map_err(|_| Errno::BUSY)?;
        let flags = EnterFlags::GETEVENTS | EnterFlags::SQ_WAKEUP;
        // SAFETY: no argument that the flags would give a meaning to.
        unsafe { self.ring.submitter().enter::<()>(1, 1, flags.bits(), None) }.map_err(errno)?;
        self.ring.completion().next().map(drop).ok_or(Errno::IO)
    }

    /// Lets `buffer` be read into by [`Read::Fixed`].
    ///
    /// # Errors
    /// The kernel's, as io_uring_register(2) has them: `ENOMEM` when more memory may not be locked.
    pub(super) fn register(&mut self, buffer: &mut [u8]) -> Result<()> {
        let whole = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: the kernel takes hold of the pages themselves, and writes to them in a READ_FIXED
        // only, which `pass` is given the buffer for.
        unsafe { self.ring.submitter().register_buffers(&[whole]) }.map_err(errno)
    }

    /// Reads as many bytes as `buffer` has, at `offset` of `file`, and sends them.
    ///
    /// # Errors
    /// `ENODATA` when the file ends there; the completions' own.
    pub(super) fn pass(
        &mut self,
        read: Read,
        (file, offset): (BorrowedFd<'_>, u64),
        buffer: &mut [u8],
        socket: BorrowedFd<'_>,
    ) -> Result<()> {
        let (place, bytes) = (buffer.as_mut_ptr(), length(buffer)?);
        let (file, socket) = (Fd(file.as_raw_fd()), Fd(socket.as_raw_fd()));
        let read = match read {
            Read::Plain => opcode::Read::new(file, place, bytes).offset(offset).build(),
            Read::Fixed => opcode::ReadFixed::new(file, place, bytes, 0).offset(offset).build(),
        };
        // SAFETY: borrowed for the call, at whose end the kernel is done with both.
        let [read, sent] = unsafe { self.chain([read, send(socket, place, bytes)])? };
        whole(read, bytes)?;
        let mut sent = usize(u64::from(told(sent)?))?;
        while let Some(rest) = buffer.get(sent..).filter(|rest| !rest.is_empty()) {
            let rest = send(socket, rest.as_ptr(), length(rest)?);
            // SAFETY: as above.
            let [more] = unsafe { self.chain([rest])? };
            sent += usize(u64::from(told(more)?))?;
        }
        Ok(())
    }

    /// Splices `bytes` at `offset` of `file` into the pipe `into`, whose other end is `out`, and from
    /// there into the socket.
    ///
    /// # Errors
    /// `ENODATA` when the file ends there; the completions' own.
    pub(super) fn splice(
        &mut self,
        (file, offset): (BorrowedFd<'_>, u64),
        [out, into]: [BorrowedFd<'_>; 2],
        socket: BorrowedFd<'_>,
        bytes: usize,
    ) -> Result<()> {
        const NO_OFFSET: i64 = -1;
        let bytes = u32::try_from(bytes).map_err(|_| Errno::INVAL)?;
        let offset = i64::try_from(offset).map_err(|_| Errno::FBIG)?;
        let [file, out, into, socket] =
            [file, out, into, socket].map(|descriptor| Fd(descriptor.as_raw_fd()));
        let fill = opcode::Splice::new(file, offset, into, NO_OFFSET, bytes).build();
        let empty = |bytes| opcode::Splice::new(out, NO_OFFSET, socket, NO_OFFSET, bytes).build();
        // SAFETY: these requests refer to no memory.
        let [filled, emptied] = unsafe { self.chain([fill, empty(bytes)])? };
        whole(filled, bytes)?;
        let mut left = bytes - told(emptied)?;
        while left > 0 {
            // SAFETY: as above.
            let [more] = unsafe { self.chain([empty(left)])? };
            left -= told(more)?;
        }
        Ok(())
    }

    /// Makes `requests` one after the other, each if the one before did all that it was to do; what
    /// each completed with.
    ///
    /// # Safety
    /// What they refer to must be theirs until this returns, or the ring is gone.
    unsafe fn chain<const N: usize>(&mut self, requests: [Entry; N]) -> Result<[i32; N]> {
        for (number, request) in (0_u64..).zip(requests) {
            let last = number + 1 == N as u64;
            let flags = if last { Flags::empty() } else { Flags::IO_LINK };
            let request = request.user_data(number).flags(flags);
            // SAFETY: so says the caller.
            unsafe { self.ring.submission().push(&request) }.map_err(|_| Errno::BUSY)?;
        }
        if self.polled {
            // No system call while the kernel's thread is awake.
            self.ring.submit().map_err(errno)?;
        }
        let mut results = [0; N];
        let mut left = N;
        while left > 0 {
            if self.polled {
                hint::spin_loop();
            } else {
                entered(self.ring.submit_and_wait(left))?;
            }
            for completion in self.ring.completion() {
                results[usize(completion.user_data())?] = completion.result();
                left -= 1;
            }
        }
        Ok(results)
    }

    /// Whether the kernel can tell what became of lent pages; found out with none.
    ///
    /// # Errors
    /// The completion's, where it cannot lend: `EINVAL` up to 5.19.
    pub(super) fn tells(&mut self, socket: BorrowedFd<'_>) -> Result<bool> {
        match self.loan(socket, &[], REPORT_USAGE) {
            Err(Errno::INVAL) => self.loan(socket, &[], 0).map(|_| false),
            result => result.map(|_| true),
        }
    }

    /// SEND_ZC of `bytes`; done when the pages are the process's own again.
    ///
    /// # Errors
    /// The completion's.
    pub(super) fn lend(
        &mut self,
        socket: BorrowedFd<'_>,
        bytes: &[u8],
        tells: bool,
    ) -> Result<Loan> {
        self.loan(socket, bytes, if tells { REPORT_USAGE } else { 0 })
    }

    fn loan(&mut self, socket: BorrowedFd<'_>, bytes: &[u8], flags: u16) -> Result<Loan> {
        let socket = Fd(socket.as_raw_fd());
        let request = opcode::SendZc::new(socket, bytes.as_ptr(), length(bytes)?)
            .flags(libc::MSG_WAITALL)
            .zc_flags(flags)
            .build();
        // SAFETY: borrowed for the call, at whose end the kernel is done with it.
        unsafe { self.ring.submission().push(&request) }.map_err(|_| Errno::BUSY)?;
        // A kernel that cannot lend gives a completion and no notice: of no bytes that is found out.
        let mut wanted = if bytes.is_empty() { 1 } else { 2 };
        let (mut sent, mut noticed, mut copied) = (None, false, None);
        loop {
            let arguments = SubmitArgs::new().timespec(&PATIENCE);
            entered(self.ring.submitter().submit_with_args(wanted, &arguments))?;
            for completion in self.ring.completion() {
                if cqueue::notif(completion.flags()) {
                    noticed = true;
                    copied = (flags & REPORT_USAGE != 0).then(|| completion.result() & COPIED != 0);
                } else {
                    sent = Some(told(completion.result()));
                    noticed |= !cqueue::more(completion.flags());
                }
            }
            match sent {
                Some(sent) if noticed => {
                    return Ok(Loan { sent: usize(u64::from(sent?))?, copied });
                }
                _ => wanted = 1,
            }
        }
    }
}

/// A SEND that is to send all.
fn send(socket: Fd, place: *const u8, bytes: u32) -> Entry {
    opcode::Send::new(socket, place, bytes).flags(libc::MSG_WAITALL).build()
}

/// A wait that a signal or the time ended is none that failed.
fn entered(result: io::Result<usize>) -> Result<()> {
    match result.map_err(errno) {
        Ok(_) | Err(Errno::INTR | Errno::TIME) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a completion tells.
fn told(result: i32) -> Result<u32> {
    u32::try_from(result).map_err(|_| Errno::from_raw_os_error(-result))
}

/// Fails unless the request that took from the file got all `bytes`: a regular file gives less only
/// where it ends.
fn whole(result: i32, bytes: u32) -> Result<()> {
    if told(result)? == bytes { Ok(()) } else { Err(Errno::NODATA) }
}

fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| Errno::INVAL)
}
