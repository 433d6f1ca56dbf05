//! A command that zc starts: held before its first instruction, then let go.
//!
//! The command's process is there from the start, as `zc worker exec` ([`super::exec`]): its id is
//! known, and watched, before the command itself is executed in it. It has zc's standard streams,
//! process group, terminal, folder, environment and limits, as if zc were not in between. Only a
//! standard stream that is closed is /dev/null to it: Rust's runtime opens that in its place.

use std::{
    env,
    ffi::OsString,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use nix::errno::Errno;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{FdFlags, fcntl_setfd},
    process::{Pid, Signal},
};
use thiserror::Error;

use super::{
    exec::{Orders, Said},
    pidfd::Pidfd,
    started::Started,
    user::Credentials,
};
use crate::report::text::harmless;

/// How long a command may take to be executed, from the opened gate. A local program takes
/// milliseconds; one on a network file system whose server is gone would take for ever.
const TIME_TO_START: Duration = Duration::from_secs(60);

/// What to run, and as whom.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// The program, looked up along PATH unless it holds a slash, and its arguments.
    pub argv: Vec<OsString>,
    /// As whom.
    pub user: Credentials,
}

/// Why a command does not run. Nothing of it has.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// There are no words in it.
    #[error("no command to run")]
    Empty,
    /// The kernel refuses to execute it: no such file, no permission, not a program.
    #[error("cannot run {command}: {}", .why.desc())]
    Exec {
        /// The program, harmless to print.
        command: String,
        /// The kernel's answer.
        why: Errno,
    },
    /// The kernel does not let it become the user.
    #[error("cannot run {command} as {user}: {}", .why.desc())]
    User {
        /// The program.
        command: String,
        /// The user's name.
        user: String,
        /// The kernel's answer.
        why: Errno,
    },
    /// Its process ended at the gate, as by a Ctrl-C.
    #[error("{command} did not start: its process was ended by {how}")]
    Ended {
        /// The program.
        command: String,
        /// A signal or a status.
        how: String,
    },
    /// The kernel was still at it after a minute. It was given up.
    #[error("{command} did not start within {} s", TIME_TO_START.as_secs())]
    Late {
        /// The program.
        command: String,
    },
    /// zc could not make a process for it.
    #[error("cannot make a process for {command}")]
    Process {
        /// The program.
        command: String,
        /// Why.
        source: io::Error,
    },
}

/// What a command at the gate still waits for.
struct Gate {
    open: PipeWriter,
    report: PipeReader,
}

/// A command: at its gate, or running, or ended.
///
/// Dropped before [`release`](Self::release) it is ended, and nothing of it has run. Dropped later
/// it goes on: whoever wants it to end sends a [`signal`](Self::signal).
pub struct Launch {
    command: String,
    user: String,
    child: Child,
    pidfd: Pidfd,
    gate: Option<Gate>,
}

impl Launch {
    /// Makes a process for `command` and holds it at the gate.
    ///
    /// Not while another thread loads probes: zc may open no files then, and the process would
    /// inherit that.
    ///
    /// # Errors
    /// [`LaunchError::Empty`], [`Process`](LaunchError::Process), [`Ended`](LaunchError::Ended) and
    /// [`Late`](LaunchError::Late).
    pub fn start(command: &CommandLine) -> Result<Self, LaunchError> {
        let own = env::current_exe()
            .map_err(|source| LaunchError::Process { command: name(&command.argv), source })?;
        Self::start_with(&own, command)
    }

    /// The same, with the program file of zc given: for a program that is not zc itself.
    ///
    /// # Errors
    /// As [`Launch::start`].
    pub fn start_with(zc: &Path, command: &CommandLine) -> Result<Self, LaunchError> {
        if command.argv.is_empty() {
            return Err(LaunchError::Empty);
        }
        let mut launch = spawn(zc, command)
            .map_err(|source| LaunchError::Process { command: name(&command.argv), source })?;
        // The kernel lets a parent go on before it tells a tracer of the exec (`begin_new_exec`
        // closes descriptors, `exec_binprm` has the tracepoint): that of zc's own program would
        // pass for the command's.
        let heard = match &mut launch.gate {
            Some(gate) => hear(&mut gate.report, Until::Line, Instant::now() + TIME_TO_START),
            None => Ok(Heard::Nothing),
        };
        match heard {
            Ok(Heard::Last(Said::Waiting)) => Ok(launch),
            heard => Err(launch.failed(heard)),
        }
    }

    /// The id that the command has, and its process already.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Opens the gate and waits until the command is executed. A second call does nothing. Tracers
    /// of the exec, and readers of the process's name, may be told a moment later.
    ///
    /// Blocks for as long as the kernel takes to execute it: milliseconds, and a minute at most.
    ///
    /// # Errors
    /// Every kind but [`LaunchError::Empty`]. The process is gone then.
    pub fn release(&mut self) -> Result<(), LaunchError> {
        let Some(Gate { mut open, mut report }) = self.gate.take() else { return Ok(()) };
        // Where nobody waits any more (EPIPE) the report is empty.
        let _ = open.write_all(&[1]);
        drop(open);
        match hear(&mut report, Until::End, Instant::now() + TIME_TO_START) {
            Ok(Heard::Last(Said::Ready)) => Ok(()),
            heard => Err(self.failed(heard)),
        }
    }

    /// Ends it because of what was heard of it.
    fn failed(&mut self, heard: io::Result<Heard>) -> LaunchError {
        let command = self.command.clone();
        let error = match heard {
            Ok(Heard::Last(Said::User(errno))) => {
                LaunchError::User { command, user: self.user.clone(), why: Errno::from_raw(errno) }
            }
            Ok(Heard::Last(Said::Exec(errno))) => {
                LaunchError::Exec { command, why: Errno::from_raw(errno) }
            }
            // It closed its pipe by ending.
            Ok(Heard::Nothing | Heard::Last(Said::Waiting | Said::Ready)) => {
                match self.child.wait() {
                    Ok(status) => LaunchError::Ended { command, how: describe(status) },
                    Err(source) => LaunchError::Process { command, source },
                }
            }
            Ok(Heard::Late) => LaunchError::Late { command },
            Err(source) => LaunchError::Process { command, source },
        };
        self.end();
        error
    }

    /// Waits until it has ended; its status. May be given up and called again.
    ///
    /// # Errors
    /// When the kernel does not tell: no descriptor is left, or somebody else took the status.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.pidfd.end().await?;
        // At once: it has ended.
        self.child.wait()
    }

    /// Sends it a signal, and nobody else if its id is another's by now. One that has ended is no
    /// error.
    ///
    /// # Errors
    /// `EPERM` where it has become another user (setuid) and zc is not root.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.pidfd.signal(signal)
    }

    /// Kills and reaps it.
    fn end(&mut self) {
        // Either has no effect on what has ended and was reaped: `Child` remembers that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        if self.gate.is_some() {
            self.end();
        } else {
            // Leaves no zombie where it has ended.
            let _ = self.child.try_wait();
        }
    }
}

fn spawn(zc: &Path, command: &CommandLine) -> io::Result<Launch> {
    let (gate, open) = io::pipe()?;
    let (report, say) = io::pipe()?;
    let (gate, say) = (OwnedFd::from(gate), OwnedFd::from(say));
    let other = command.user.other.as_ref();
    let orders = Orders {
        gate: gate.as_raw_fd(),
        report: say.as_raw_fd(),
        ids: other.map(|other| other.ids.clone()),
        started: Started::of_self(),
    };
    let mut process = Command::new(zc);
    process.args(["worker", "exec", "--orders"]).arg(serde_json::to_string(&orders)?);
    process.arg("--").args(&command.argv).envs(command.user.environment());
    // All of zc's descriptors are closed on execve(2); in the child these two are not.
    let inherit = move || {
        fcntl_setfd(&gate, FdFlags::empty())?;
        fcntl_setfd(&say, FdFlags::empty())?;
        Ok(())
    };
    // SAFETY: two system calls between fork and exec; nothing is allocated.
    unsafe { process.pre_exec(inherit) };
    let mut child = process.spawn()?;
    let pidfd = match Pidfd::open(Pid::from_child(&child)) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error.into());
        }
    };
    Ok(Launch {
        command: name(&command.argv),
        user: other.map(|other| harmless(&other.name)).unwrap_or_default(),
        child,
        pidfd,
        gate: Some(Gate { open, report }),
    })
}

/// What came through the report.
enum Heard {
    /// This last; then it was closed.
    Last(Said),
    /// It was closed without a word.
    Nothing,
    /// It is still open.
    Late,
}

/// How long to listen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// To the end of a line.
    Line,
    /// Until the other end is closed: by the exec, or by the end of the process.
    End,
}

fn hear(report: &mut PipeReader, until: Until, deadline: Instant) -> io::Result<Heard> {
    let mut text = Vec::new();
    while until == Until::End || !text.ends_with(b"\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(report, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(Heard::Late),
            // A signal that zc catches.
            Err(rustix::io::Errno::INTR) => continue,
            other => other.map(drop)?,
        }
        let mut some = [0; 64];
        match report.read(&mut some)? {
            0 => break,
            bytes => text.extend_from_slice(&some[..bytes]),
        }
    }
    let last = text.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    Ok(match last {
        Some(line) => Heard::Last(serde_json::from_slice(line)?),
        None => Heard::Nothing,
    })
}

/// A command's name as zc prints it.
fn name(argv: &[OsString]) -> String {
    argv.first().map(|program| harmless(&program.to_string_lossy())).unwrap_or_default()
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit status {}", code.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_silence_ends() {
        let heard = |text: &str| {
            let (mut report, mut say) = io::pipe().unwrap();
            say.write_all(text.as_bytes()).unwrap();
            drop(say);
            hear(&mut report, Until::End, Instant::now() + TIME_TO_START)
        };
        assert!(matches!(heard(""), Ok(Heard::Nothing)));
        assert!(matches!(heard("\"ready\"\n"), Ok(Heard::Last(Said::Ready))));
        assert!(matches!(heard("\"ready\"\n{\"exec\":2}\n"), Ok(Heard::Last(Said::Exec(2)))));
        assert!(matches!(heard("{\"user\":1}\n"), Ok(Heard::Last(Said::User(1)))));
        assert!(heard("\"read").is_err());
        let (mut report, mut say) = io::pipe().unwrap();
        say.write_all(b"\"waiting\"\n").unwrap();
        let line = hear(&mut report, Until::Line, Instant::now() + TIME_TO_START);
        assert!(matches!(line, Ok(Heard::Last(Said::Waiting))), "though it is still open");
    }

    /// As where the command's file system does not answer.
    #[test]
    fn a_process_that_says_no_end_is_late() {
        let (mut report, mut say) = io::pipe().unwrap();
        say.write_all(b"\"ready\"\n").unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(matches!(hear(&mut report, Until::End, soon), Ok(Heard::Late)));
        assert!(
            matches!(hear(&mut report, Until::End, soon), Ok(Heard::Late)),
            "also with the time over"
        );
    }
}
