//! How zc itself was started: what a command that it runs is to find as if zc were not there.
//!
//! Rust's runtime ignores SIGPIPE before `main` and makes it fatal again in whatever a program
//! starts. systemd starts services with SIGPIPE ignored; a command under zc would then die where
//! without zc it gets `EPIPE`. Later zc catches signals, which `execve` makes fatal even if they
//! were ignored (signal(7)), and aya raises the limit of locked memory on kernels before 5.11. So
//! this is looked at before any of that, when the C library runs the program's constructors.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::process::{Resource, Rlimit, getrlimit};
use serde::{Deserialize, Serialize};

/// A bit for each ignored signal: signal n is bit n - 1, as in `SigIgn` of `/proc/PID/status`.
static IGNORED: AtomicU64 = AtomicU64::new(0);
/// Limits of locked memory in bytes; all ones is none.
static LOCKED_SOFT: AtomicU64 = AtomicU64::new(u64::MAX);
static LOCKED_HARD: AtomicU64 = AtomicU64::new(u64::MAX);

/// The highest signal number (`_NSIG`, asm/signal.h).
const LAST_SIGNAL: i32 = 64;

// SAFETY: the C library calls each function that `.init_array` points at once, before `main`, with
// arguments that this one may leave alone. It needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

extern "C" fn record() {
    IGNORED.store((1..=LAST_SIGNAL).filter(|&n| ignored_now(n)).map(bit).sum(), Relaxed);
    let locked = getrlimit(Resource::Memlock);
    LOCKED_SOFT.store(locked.current.unwrap_or(u64::MAX), Relaxed);
    LOCKED_HARD.store(locked.maximum.unwrap_or(u64::MAX), Relaxed);
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Whether this process ignores a signal. Those that the C library keeps for itself count as not
/// ignored.
fn ignored_now(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer asks for no change; the old action goes to memory that is there.
    let refused = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    if refused != 0 {
        return false;
    }
    // SAFETY: the call succeeded and so filled it in.
    let action = unsafe { action.assume_init() };
    action.sa_sigaction == libc::SIG_IGN
}

/// What a process was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Ignored signals: signal n is bit n - 1.
    ignored: u64,
    /// Limits of locked memory (RLIMIT_MEMLOCK) in bytes, soft and hard; `None` is no limit.
    locked: (Option<u64>, Option<u64>),
}

impl Started {
    /// What this process was started with.
    pub fn of_self() -> Self {
        let limit = |value: u64| (value != u64::MAX).then_some(value);
        Self {
            ignored: IGNORED.load(Relaxed),
            locked: (limit(LOCKED_SOFT.load(Relaxed)), limit(LOCKED_HARD.load(Relaxed))),
        }
    }

    /// Whether a signal was ignored.
    pub fn ignores(self, signal: i32) -> bool {
        (1..=LAST_SIGNAL).contains(&signal) && self.ignored & bit(signal) != 0
    }

    /// Ignores in this process what was ignored then. Only system calls: fit for a child between
    /// fork and exec.
    pub(super) fn ignore_again(self) {
        for signal in (1..=LAST_SIGNAL).filter(|&signal| self.ignores(signal)) {
            // SAFETY: ignoring runs no code of this process.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
    }

    /// Gives this process the limits of then.
    ///
    /// # Errors
    /// `EPERM` when the hard limit was lowered since and this process may not raise it.
    pub(super) fn limit_again(self) -> rustix::io::Result<()> {
        let (current, maximum) = self.locked;
        let then = Rlimit { current, maximum };
        if getrlimit(Resource::Memlock) == then {
            return Ok(());
        }
        rustix::process::setrlimit(Resource::Memlock, then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_ignores_sigpipe_later_than_this_looks() {
        assert!(ignored_now(libc::SIGPIPE));
        // Whatever started the tests may have ignored it too: asked of the kernel in
        // `tests/launch.rs`, with either answer.
        assert!(!ignored_now(libc::SIGKILL) && !Started::of_self().ignores(libc::SIGKILL));
        assert!(!Started::of_self().ignores(0) && !Started::of_self().ignores(65));
    }

    #[test]
    fn a_bit_is_that_of_the_status_file() {
        let started = Started { ignored: 1 << 12, locked: (None, Some(1 << 16)) };
        assert!(started.ignores(13) && !started.ignores(12) && !started.ignores(14));
    }
}
