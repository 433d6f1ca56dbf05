//! A process that is held by a descriptor, which never means another one (pidfd_open(2)).

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::io::{Interest, unix::AsyncFd};

/// The descriptor.
#[derive(Debug)]
pub(super) struct Pidfd(OwnedFd);

impl Pidfd {
    /// Holds the process with this id.
    ///
    /// # Errors
    /// `ESRCH` where there is none; of a thread's id `EINVAL` or, on later kernels, `ENOENT`.
    pub(super) fn open(pid: Pid) -> rustix::io::Result<Self> {
        pidfd_open(pid, PidfdFlags::empty()).map(Self)
    }

    /// Whether its last thread has ended: from then on the descriptor is readable.
    pub(super) fn has_ended(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&now)) {
                Err(Errno::INTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }

    /// Waits until its last thread has ended. May be given up and called again.
    ///
    /// # Errors
    /// When no descriptor can be waited for any more.
    pub(super) async fn end(&self) -> io::Result<()> {
        // SAFETY: the descriptor is borrowed, and so open, for longer than this lives.
        let readable =
            unsafe { AsyncFd::register_with_interest(self.0.as_fd(), Interest::READABLE) }?;
        readable.readable().await.map(drop)
    }

    /// Sends it a signal. One that has ended is no error.
    ///
    /// # Errors
    /// `EPERM` where it is another user's.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.0, signal) {
            Err(Errno::SRCH) => Ok(()),
            sent => sent.map_err(Into::into),
        }
    }
}
