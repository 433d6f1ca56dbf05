//! The traced processes: found, marked in the kernel, waited for.

use std::{future::pending, io, process::ExitStatus};

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use zc_common::Group;

use super::{Options, Target, TraceError, cgroup, shown, wind_up};
use crate::{
    measure::Engine,
    probes::attach::Whom,
    target::{
        cgroup::in_cgroup,
        command::Launch,
        find::{by_comm, descendants},
        processes::Processes,
        signals::{Ending, Signals},
    },
};

/// Whom a run is about, and how one knows that it is over.
pub(super) enum Watched {
    Processes(Processes),
    Command { launch: Launch, words: String },
    Cgroup { level: u32, id: u64, path: String },
    Named { name: [u8; 16], shown: String, found: Vec<u32> },
    Everyone,
}

impl Watched {
    /// Finds the target, or gets it ready to start.
    pub(super) fn prepare(target: &Target) -> Result<Self, TraceError> {
        Ok(match target {
            Target::Processes(pids) => Self::Processes(Processes::hold(pids)?),
            Target::Command(command) => {
                let words = command.argv.iter().map(|word| word.to_string_lossy());
                let words = words.collect::<Vec<_>>().join(" ");
                Self::Command { launch: Launch::start(command)?, words }
            }
            Target::Cgroup(path) => {
                let group = in_cgroup(path).map_err(|error| TraceError::Target(error.into()))?;
                let level = cgroup::level(&group.path).map_err(TraceError::Target)?;
                Self::Cgroup { level, id: group.id, path: shown(&group.path) }
            }
            Target::Named(name) => {
                let found = by_comm(name).map_err(|error| TraceError::Target(error.into()))?;
                let mut padded = [0; 16];
                let bytes = name.as_encoded_bytes();
                padded[..bytes.len()].copy_from_slice(bytes);
                Self::Named { name: padded, shown: name.to_string_lossy().into_owned(), found }
            }
            Target::Everyone => Self::Everyone,
        })
    }

    /// What the kernel half has to know from the start.
    pub(super) fn whom(&self) -> Whom {
        match self {
            Self::Processes(_) | Self::Command { .. } => Whom::Watched,
            // The root holds everyone.
            Self::Cgroup { level: 0, .. } | Self::Everyone => Whom::Everyone,
            Self::Cgroup { level, id, .. } => Whom::Cgroup { level: *level, id: *id },
            Self::Named { name, .. } => Whom::Named(*name),
        }
    }

    /// Marks the processes that are there.
    pub(super) fn mark(&self, engine: &mut Engine, options: &Options) -> Result<(), TraceError> {
        match self {
            Self::Processes(held) => {
                let pids: Vec<_> = held.iter().map(|process| process.pid()).collect();
                for pid in &pids {
                    watch(engine, *pid)?;
                }
                if let Some(gone) = held.iter().find(|process| process.has_ended()) {
                    let why = anyhow::anyhow!("process {} has just ended", gone.pid());
                    return Err(TraceError::Target(why));
                }
                if options.follow {
                    mark_descendants(engine, &pids)?;
                }
            }
            Self::Command { launch, .. } => {
                let pid = global_id(engine, launch.pid())?;
                engine.watch_from_exec(pid)?;
            }
            Self::Named { found, .. } => {
                for pid in found {
                    // It may have ended meanwhile.
                    let _ended = watch(engine, *pid);
                }
            }
            Self::Cgroup { level: 0, .. } | Self::Everyone => engine.spare_self()?,
            Self::Cgroup { .. } => {}
        }
        Ok(())
    }

    /// Lets the command go.
    pub(super) fn start(&mut self) -> Result<(), TraceError> {
        if let Self::Command { launch, .. } = self {
            launch.release()?;
        }
        Ok(())
    }

    /// Comes back when there is nothing more to count.
    pub(super) async fn ended(&mut self) -> io::Result<()> {
        match self {
            Self::Processes(held) => held.all_ended().await,
            Self::Command { launch, .. } => launch.wait().await.map(drop),
            _ => pending().await,
        }
    }

    /// What became of the command.
    pub(super) async fn finish(
        &mut self,
        ending: Ending,
        signals: &mut Signals,
    ) -> Option<ExitStatus> {
        match self {
            // If it cannot be waited for, how it ended is not known.
            Self::Command { launch, .. } => wind_up(launch, ending, signals).await.ok().flatten(),
            _ => None,
        }
    }

    /// What to say of a command that is still there.
    pub(super) fn goes_on(&self, status: Option<ExitStatus>) -> &'static str {
        match (self, status) {
            (Self::Command { .. }, None) => "; the command goes on",
            _ => "",
        }
    }

    /// Whom, in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Processes(held) => {
                let all =
                    held.iter().map(|process| format!("{} ({})", process.pid(), process.comm()));
                format!("process {}", all.collect::<Vec<_>>().join(", "))
            }
            Self::Command { words, .. } => format!("command {words}"),
            Self::Cgroup { path, .. } => format!("control group {path}"),
            Self::Named { shown, .. } => format!("processes called {shown}"),
            Self::Everyone => "every process".into(),
        }
    }
}

/// Children that were there before their parent was marked. One that is born meanwhile is either
/// listed or has inherited the mark.
fn mark_descendants(engine: &mut Engine, pids: &[u32]) -> Result<()> {
    let mut known = Vec::new();
    loop {
        let mut found = descendants(pids).context("cannot list the children")?;
        found.retain(|pid| !known.contains(pid));
        if found.is_empty() {
            return Ok(());
        }
        for pid in found {
            // It may have ended meanwhile.
            let _ended = watch(engine, pid);
            known.push(pid);
        }
    }
}

fn watch(engine: &mut Engine, pid: u32) -> Result<()> {
    let global = global_id(engine, pid)?;
    engine.watch(global, Group::FIRST)
}

/// A process's id in the initial PID namespace, by which the kernel half knows it.
fn global_id(engine: &mut Engine, pid: u32) -> Result<u32> {
    if engine.own_pid()? == std::process::id() {
        return Ok(pid);
    }
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no such process")?;
    let pidfd = pidfd_open(raw, PidfdFlags::empty())?;
    engine.translate(std::os::fd::AsFd::as_fd(&pidfd), pid)
}
