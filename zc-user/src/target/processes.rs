//! Processes that are there already, named by their ids.
//!
//! An id is a process's only until that is reaped. So the process is held first (by a pidfd, which
//! never means another), and then looked at: if it is still alive after the look, what was seen in
//! `/proc` is its own.

use std::{collections::BTreeSet, fs, io};

use rustix::{io::Errno, process::Pid};
use thiserror::Error;

use super::{pidfd::Pidfd, stat::Stat};
use crate::report::text::harmless;

/// Why a process cannot be a target. Names in it are harmless to print.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Nobody has this id.
    #[error(
        "no process {0} (is it in another PID namespace? ids here are those that `ps` shows here)"
    )]
    Nobody(u32),
    /// It has ended, and its parent did not ask for its status yet.
    #[error("process {0} has ended already")]
    Ended(u32),
    /// It has no user mode that could be counted.
    #[error("process {pid} ({comm}) is a thread of the kernel, not a program")]
    Kernel {
        /// Its id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// What zc itself does is not counted.
    #[error("process {0} is zc itself")]
    Own(u32),
    /// The id is a thread's.
    #[error("{tid} is a thread of process {pid} ({comm}): give {pid}")]
    Thread {
        /// The thread's id.
        tid: u32,
        /// Its process's.
        pid: u32,
        /// Its process's name.
        comm: String,
    },
    /// It was given before.
    #[error("process {0} is given twice")]
    Twice(u32),
    /// It is there, but zc may not look at it.
    #[error("cannot look at process {pid} in /proc (is that mounted with hidepid?)")]
    Hidden {
        /// Its id.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
    /// The kernel does not let zc hold it: no more descriptors.
    #[error("cannot hold process {pid}")]
    Hold {
        /// Its id.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
}

/// The id of a process, as a user writes it: one of a list that a comma separates.
///
/// # Errors
/// What is wrong with it, in a line for clap, which quotes the text.
pub fn parse_pid(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a process id; write numbers, as in 12 or 12,34".into());
    }
    match text.parse::<i64>() {
        Ok(pid @ 1..) if i32::try_from(pid).is_ok() => {
            u32::try_from(pid).map_err(|e| e.to_string())
        }
        Ok(..=0) => Err("process ids start at 1".into()),
        _ if text.starts_with('-') => Err("process ids start at 1".into()),
        _ => Err("no process id is that large".into()),
    }
}

/// A process that is held: its id is nobody else's as long as it has not [ended](Self::has_ended).
#[derive(Debug)]
pub struct Process {
    pid: u32,
    comm: String,
    pidfd: Pidfd,
}

impl Process {
    /// Holds the process with this id, if it can be a target.
    ///
    /// # Errors
    /// Every kind but [`TargetError::Twice`].
    pub fn hold(pid: u32) -> Result<Self, TargetError> {
        if pid == std::process::id() {
            return Err(TargetError::Own(pid));
        }
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let raw = raw.ok_or(TargetError::Nobody(pid))?;
        let pidfd = Pidfd::open(raw).map_err(|errno| not_held(pid, errno))?;
        let stat = Stat::read(pid);
        if pidfd.has_ended() {
            return Err(TargetError::Ended(pid));
        }
        let stat = stat.map_err(|source| TargetError::Hidden { pid, source })?;
        let comm = harmless(&String::from_utf8_lossy(&stat.comm));
        if stat.kernel {
            return Err(TargetError::Kernel { pid, comm });
        }
        Ok(Self { pid, comm, pidfd })
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name that it had when it was held, harmless to print.
    pub fn comm(&self) -> &str {
        &self.comm
    }

    /// Whether all its threads have ended. If not, its id is its own: whoever uses the id asks
    /// afterwards.
    pub fn has_ended(&self) -> bool {
        self.pidfd.has_ended()
    }
}

/// Why a process cannot be held.
fn not_held(id: u32, errno: Errno) -> TargetError {
    if errno == Errno::SRCH {
        return TargetError::Nobody(id);
    }
    let hold = || TargetError::Hold { pid: id, source: errno.into() };
    if !matches!(errno, Errno::INVAL | Errno::NOENT) {
        return hold();
    }
    match process_of(id) {
        Some(pid) if pid == std::process::id() => TargetError::Own(pid),
        Some(pid) if pid != id => {
            let comm = Stat::read(pid).map(|stat| stat.comm).unwrap_or_default();
            TargetError::Thread { tid: id, pid, comm: harmless(&String::from_utf8_lossy(&comm)) }
        }
        Some(_) => hold(),
        // It has ended in the meantime.
        None => TargetError::Nobody(id),
    }
}

/// The process that a thread belongs to.
fn process_of(tid: u32) -> Option<u32> {
    // The name is escaped there and cannot pass for a line of its own (proc_pid_status(5)).
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
}

/// Processes that are held.
#[derive(Debug, Default)]
pub struct Processes(Vec<Process>);

impl Processes {
    /// Holds each of the processes with these ids.
    ///
    /// # Errors
    /// For the first that cannot be a target.
    pub fn hold(pids: &[u32]) -> Result<Self, TargetError> {
        let mut seen = BTreeSet::new();
        let hold = |&pid| {
            if !seen.insert(pid) {
                return Err(TargetError::Twice(pid));
            }
            Process::hold(pid)
        };
        pids.iter().map(hold).collect::<Result<_, _>>().map(Self)
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.0.iter()
    }

    /// Waits until all of them have ended; at once if there are none. May be given up and called
    /// again.
    ///
    /// # Errors
    /// When the kernel lets them not be waited for: no descriptor is left.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O.
    pub async fn all_ended(&self) -> io::Result<()> {
        for process in &self.0 {
            process.pidfd.end().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
