//! A process that a claim starts, which ends no later than the claim is decided.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group,
    set_parent_process_death_signal, waitid,
};

use super::super::Unobservable;
use crate::transfer::session::Running;

/// How long a program may take. Emulated processors are slow.
const LIMIT: Duration = Duration::from_secs(180);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// A process in a group of its own, with all that it starts. Dropping it kills and reaps them.
pub(super) struct Process<'a> {
    /// `None` once it is reaped.
    child: Option<Child>,
    name: String,
    running: &'a Running,
    deadline: Instant,
}

impl<'a> Process<'a> {
    /// Starts `command`, called `name` for people.
    ///
    /// # Errors
    /// That there is no such program, or the kernel's reason not to run it.
    pub(super) fn start(
        name: &str,
        command: &mut Command,
        running: &'a Running,
    ) -> Result<Self, Unobservable> {
        command.process_group(0);
        let die_with_zc = || Ok(set_parent_process_death_signal(Some(Signal::TERM))?);
        // SAFETY: one system call between fork and exec; nothing is allocated.
        unsafe { command.pre_exec(die_with_zc) };
        let child = command.spawn().map_err(|error| {
            Unobservable::Lacking(match error.kind() {
                io::ErrorKind::NotFound => format!("{name} is not installed"),
                _ => format!("cannot run {name}: {error}"),
            })
        })?;
        let deadline = Instant::now() + LIMIT;
        Ok(Self { child: Some(child), name: name.to_owned(), running, deadline })
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// That it takes too long, or that zc is to end.
    pub(super) fn end(mut self) -> Result<ExitStatus, Unobservable> {
        self.until(Self::has_ended)?;
        self.reap().map_err(|error| Unobservable::Lacking(format!("{}: {error}", self.name)))
    }

    /// Waits until it is `ready`, or has ended before.
    ///
    /// # Errors
    /// As of [`end`](Self::end).
    pub(super) fn until(&self, ready: impl Fn(&Self) -> bool) -> Result<(), Unobservable> {
        while !ready(self) && !self.has_ended() {
            if let Some(why) = self.running.stopped() {
                return Err(Unobservable::Lacking(why));
            }
            if Instant::now() > self.deadline {
                let limit = LIMIT.as_secs();
                return Err(Unobservable::Lacking(format!(
                    "{} was not done after {limit} s",
                    self.name
                )));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        if let Some(child) = &self.child {
            // It may have ended.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
    }

    /// Whether it has ended; until it is reaped, its id stays its own.
    pub(super) fn has_ended(&self) -> bool {
        let Some(child) = &self.child else { return true };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(waitid(WaitId::Pid(Pid::from_child(child)), look), Ok(None))
    }

    /// Ends it and what it has left behind, before somebody else gets its id.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        let Some(mut child) = self.child.take() else { return Err(io::ErrorKind::NotFound.into()) };
        // The group may be empty.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait()
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        // It is gone, or was reaped before.
        let _ = self.reap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn it_ends_or_is_not_there() {
        let running = Running::default();
        let process = Process::start("sh", &mut shell("exit 3"), &running).unwrap();
        assert_eq!(process.end().unwrap().code(), Some(3));
        let mut command = Command::new("/no such program");
        let why = Process::start("nginx", &mut command, &running).err().unwrap();
        assert_eq!(why.to_string(), "nginx is not installed");
    }

    #[test]
    fn it_and_what_it_started_end_when_zc_does() {
        let running = Running::default();
        let (mut left, theirs) = io::pipe().unwrap();
        let mut command = shell("sleep 1000 & sleep 1000");
        command.stdout(theirs);
        let process = Process::start("sh", &mut command, &running).unwrap();
        drop(command);
        running.stop("interrupted".into());
        assert_eq!(process.end().unwrap_err().to_string(), "interrupted");
        // Whoever is left would keep the pipe open.
        io::copy(&mut left, &mut io::sink()).unwrap();
    }

    #[test]
    fn what_it_leaves_behind_ends_with_it() {
        let running = Running::default();
        let (mut left, theirs) = io::pipe().unwrap();
        let mut command = shell("sleep 1000 &");
        command.stdout(theirs);
        let process = Process::start("sh", &mut command, &running).unwrap();
        drop(command);
        assert!(process.end().unwrap().success());
        io::copy(&mut left, &mut io::sink()).unwrap();
    }
}
