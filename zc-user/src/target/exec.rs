//! `zc worker exec`: the process that becomes the command. [`super::command`] starts it.
//!
//! It waits at a gate, a pipe that only zc holds the other end of, and then becomes another user,
//! gives up what privileges it could hand on, and executes the command in its place. Nothing of
//! the command has run while it waits, so that its probes can be put on its process id first.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use anyhow::{Context, Result, bail};
use rustix::{
    io::{FdFlags, fcntl_getfd, fcntl_setfd},
    process::{Gid, Uid},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use serde::{Deserialize, Serialize};

use super::{started::Started, user::Ids};

/// What zc tells it, in JSON on its command line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Orders {
    /// The pipe on which a byte opens the gate.
    pub(super) gate: RawFd,
    /// The pipe for a [`Said`].
    pub(super) report: RawFd,
    /// Whom to become.
    pub(super) ids: Option<Ids>,
    /// What zc was started with.
    pub(super) started: Started,
}

/// What it tells zc, a line of JSON each. The report ends without another line when the command
/// was executed: the pipe closes by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    /// It is at the gate.
    Waiting,
    /// It executes the command now.
    Ready,
    /// The kernel did not let it become that user, by this error number.
    User(i32),
    /// The kernel did not execute the command, by this error number.
    Exec(i32),
}

/// Waits, becomes the command, and only comes back if that failed.
///
/// # Errors
/// When zc is gone before it opened the gate, `orders` are not zc's, or the kernel refuses; zc has
/// been told.
pub(crate) fn main(orders: &str, argv: &[OsString]) -> Result<()> {
    let orders: Orders = serde_json::from_str(orders).context("these are no orders")?;
    let (program, arguments) = argv.split_first().context("no command")?;
    let mut gate = File::from(inherited(orders.gate)?);
    let mut report = inherited(orders.report).map(File::from)?;
    say(&mut report, Said::Waiting)?;
    gate.read_exact(&mut [0]).context("zc is gone")?;
    if let Err(error) = give_up_privileges(&orders) {
        return say(&mut report, Said::User(error.raw_os_error())).and(Err(error.into()));
    }
    say(&mut report, Said::Ready)?;
    let error = execute(program, arguments, orders.started);
    say(&mut report, Said::Exec(error.raw_os_error().unwrap_or_default())).and(Err(error.into()))
}

/// A pipe that zc left open for this process, closed in the command.
fn inherited(fd: RawFd) -> Result<OwnedFd> {
    // 0 to 2 belong to the standard streams.
    if fd <= 2 {
        bail!("descriptor {fd} is not one of zc's");
    }
    // SAFETY: zc made it for this process, which has opened nothing itself so far. One that is not
    // open is not used but for the next call, which the kernel then refuses.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    match fcntl_getfd(&fd).and_then(|flags| fcntl_setfd(&fd, flags | FdFlags::CLOEXEC)) {
        Ok(()) => Ok(fd),
        Err(error) => {
            // There is nothing to close.
            std::mem::forget(fd);
            Err(error).context("a pipe of zc's is not open")
        }
    }
}

/// Becomes the command's user, who gets nothing of what lets zc trace.
fn give_up_privileges(orders: &Orders) -> rustix::io::Result<()> {
    orders.started.limit_again()?;
    if let Some(Ids { uid, gid, groups }) = &orders.ids {
        let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
        // This process has one thread. Groups first: a user may not change them.
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
    }
    // A zc that is not root has its capabilities from these sets, which execve(2) would hand on.
    // What is permitted is not: execve takes that away from all but root, who has it without zc.
    clear_ambient_capability_set()?;
    let sets = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..sets })
}

/// Becomes the command, found along PATH; the error if not.
fn execute(program: &OsString, arguments: &[OsString], started: Started) -> io::Error {
    let mut command = Command::new(program);
    command.args(arguments);
    let ignore = move || {
        started.ignore_again();
        Ok(())
    };
    // `exec` makes SIGPIPE fatal just before this.
    // SAFETY: only system calls. There is no fork: this process itself goes on.
    unsafe { command.pre_exec(ignore) };
    command.exec()
}

fn say(report: &mut File, said: Said) -> Result<()> {
    let line = format!("{}\n", serde_json::to_string(&said)?);
    // One write, smaller than PIPE_BUF: it arrives whole.
    report.write_all(line.as_bytes()).context("zc does not listen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_zc_did_not_make_are_refused() {
        for fd in [-1, 0, 2, 1 << 20] {
            assert!(inherited(fd).is_err(), "{fd}");
        }
    }
}
