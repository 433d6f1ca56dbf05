//! Whom `zc trace` and `zc check` count: the options that they share.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::anyhow;
use clap::{ArgGroup, value_parser};

use super::Failure;
use crate::{
    probes::attach::Breakdown,
    target::{command::CommandLine, processes::parse_pid, user::Credentials},
    trace::{Options, Target},
};

/// Whom to count, and for how long.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("target").args(["pid", "cgroup", "comm", "all", "command"]))]
pub(super) struct TargetArgs {
    /// Processes by id, as this PID namespace numbers them; with their threads and children
    #[arg(long, short, value_name = "PID", value_delimiter = ',', value_parser = parse_pid, allow_hyphen_values = true)]
    pid: Vec<u32>,
    /// Whoever is in this control group (version 2) or one below it
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
    /// The processes of this name, and those that take it
    #[arg(long, value_name = "NAME")]
    comm: Option<OsString>,
    /// Every process but zc
    #[arg(long)]
    all: bool,
    /// A command, from its first instruction on, run as the user who called sudo
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Run the command as this user instead
    #[arg(long, value_name = "NAME|UID", requires = "command")]
    user: Option<OsString>,
    /// Leave the children of these processes out
    #[arg(long)]
    no_follow: bool,
    /// End after this long: 10s, 500ms, 2m
    #[arg(long, short, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Do without probes on kernel functions, as on a kernel that refuses them
    #[arg(long)]
    boundary: bool,
    /// Room for so many threads that are told apart
    #[arg(long, value_name = "THREADS", default_value_t = Breakdown::default().threads, value_parser = value_parser!(u32).range(1..=1 << 22), hide_default_value = true)]
    max_threads: u32,
}

/// A length of time with its unit; a bare number is in seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = match seconds {
        Some(duration) => duration,
        None => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; write a time such as 10s, 500ms or 2m"))?,
    };
    match duration {
        Duration::ZERO => Err("no time at all; write a time such as 10s, 500ms or 2m".into()),
        // Clocks cannot count further than their epoch.
        long if long > Duration::from_secs(u64::from(u32::MAX)) => {
            Err("too long; write a time such as 10s, 500ms or 2m".into())
        }
        duration => Ok(duration),
    }
}

impl TargetArgs {
    /// The options of a trace without intervals.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            target: self.target()?,
            follow: !self.no_follow,
            threads: false,
            stacks: false,
            boundary: self.boundary,
            breakdown: Breakdown::of(self.max_threads),
            duration: self.duration,
            interval: None,
            count: None,
        })
    }

    /// Whether the run ends by itself.
    pub(super) fn ends(&self) -> bool {
        self.duration.is_some() || !self.command.is_empty() || !self.pid.is_empty()
    }

    /// Whether a command of the user's has the terminal.
    pub(super) fn runs_command(&self) -> bool {
        !self.command.is_empty()
    }

    fn target(&self) -> Result<Target, Failure> {
        if !self.pid.is_empty() {
            return Ok(Target::Processes(self.pid.clone()));
        }
        if let Some(path) = &self.cgroup {
            return Ok(Target::Cgroup(path.clone()));
        }
        if let Some(name) = &self.comm {
            return Ok(Target::Named(name.clone()));
        }
        if self.all {
            return Ok(Target::Everyone);
        }
        match self.command.first() {
            None => {
                return Err(Failure::usage(anyhow!(
                    "whom to count? Give --pid, --comm, --cgroup, --all, or a command after --"
                )));
            }
            Some(program) if program.is_empty() => {
                return Err(Failure::usage(anyhow!("the command has no name")));
            }
            Some(_) => {}
        }
        let user = Credentials::choose(self.user.as_deref()).map_err(Failure::usage)?;
        Ok(Target::Command(CommandLine { argv: self.command.clone(), user }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_bare_ones_are_seconds() {
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "0", "-1", "1x", "nan", "inf", "0s", "99999999999999"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
