//! A tool while it runs.

use std::{
    fs,
    io::{BufRead, BufReader, PipeReader, Read, pipe},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::ticks;

/// How a tool is asked to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By the end of its standard input.
    Stdin,
    /// By ctrl-C.
    Interrupt,
}

/// A tool that was started. Dropping it kills it.
pub(crate) struct Tool {
    child: Child,
    end: End,
    /// Its standard output and error.
    output: BufReader<PipeReader>,
    said: String,
}

/// What its start took, as in `Record::Start`.
#[derive(Clone, Copy)]
pub(crate) struct Started {
    pub(crate) elapsed: u64,
    pub(crate) instructions: u64,
}

impl Tool {
    /// Starts it and waits until it says `armed`.
    pub(crate) fn start(command: &mut Command, armed: &str, end: End) -> Result<(Self, Started)> {
        let (read, write) = pipe()?;
        command.stdin(Stdio::piped()).stdout(write.try_clone()?).stderr(write);
        let start = ticks();
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        // The command has the pipe's other end, whose last copy has to be the tool's.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut tool = Self { child, end, output: BufReader::new(read), said: String::new() };
        tool.wait_for(armed)?;
        let elapsed = ticks() - start;
        let instructions = tool.instructions()?;
        Ok((tool, Started { elapsed, instructions }))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_for(&mut self, armed: &str) -> Result<()> {
        while !self.said.contains(armed) {
            if self.output.read_line(&mut self.said)? == 0 {
                bail!("it ended and said {:?}", self.said.trim());
            }
        }
        Ok(())
    }

    /// What its threads have executed so far: the first number of schedstat is nanoseconds on a
    /// processor (Documentation/scheduler/sched-stats.rst), which are instructions here.
    fn instructions(&self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().context("an empty schedstat")?;
            sum += first.parse::<u64>()?;
        }
        Ok(sum)
    }

    /// Its peak resident set in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let value = line.and_then(|line| line.trim().strip_suffix("kB"));
        Ok(value.context("no VmHWM in its status")?.trim().parse()?)
    }

    /// Ends it; all that it said.
    pub(crate) fn end(mut self) -> Result<String> {
        drop(self.child.stdin.take());
        if self.end == End::Interrupt {
            kill_process(Pid::from_child(&self.child), Signal::INT)?;
        }
        self.output.read_to_string(&mut self.said)?;
        self.child.wait()?;
        Ok(std::mem::take(&mut self.said))
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It has ended unless something went wrong.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
