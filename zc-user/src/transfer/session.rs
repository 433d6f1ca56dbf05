//! The parent's side of a transfer: starts the two workers and walks them through their runs.

use std::{
    env,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use thiserror::Error;

use super::{OwnMemory, Style, payload::Payload, worker::Message};

/// A worker that ended before its work was done.
#[derive(Debug, Error)]
#[error("the {role} {how}")]
pub struct WorkerEnded {
    role: &'static str,
    how: String,
    /// Whether a signal ended it: the cause, where the other side only saw the connection break.
    killed: bool,
}

/// What a run delivered, as user space saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Bytes that the sender's system calls took.
    pub sent: u64,
    /// Bytes that the receiver's system calls gave.
    pub received: u64,
    /// BLAKE3 of the received bytes, in hexadecimal.
    pub hash: String,
    /// What of `sent` went through the sender's memory.
    pub sender: OwnMemory,
    /// What of `received` went through the receiver's.
    pub receiver: OwnMemory,
}

/// The workers that are running now, for whoever has to end them from another thread.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    workers: Vec<Pid>,
    stopped: Option<String>,
}

impl Running {
    /// Kills them, and every one that is started later; whoever waits for one sees it end.
    pub fn stop(&self, why: String) {
        let mut state = self.state();
        for worker in &state.workers {
            // It may have ended on its own.
            let _ = kill_process(*worker, Signal::KILL);
        }
        state.stopped = Some(why);
    }

    /// Why it was stopped, if it was.
    pub fn stopped(&self) -> Option<String> {
        self.state().stopped.clone()
    }

    fn add(&self, worker: Pid) {
        let mut state = self.state();
        if state.stopped.is_some() {
            let _ = kill_process(worker, Signal::KILL);
        }
        state.workers.push(worker);
    }

    fn remove(&self, worker: Pid) {
        self.state().workers.retain(|running| *running != worker);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker process. Dropping it kills and reaps it.
struct Worker {
    role: &'static str,
    pid: Pid,
    child: Child,
    out: BufReader<ChildStdout>,
    running: Running,
}

impl Worker {
    fn start(
        role: &'static str,
        stdin: Stdio,
        arguments: &[String],
        running: &Running,
    ) -> Result<Self> {
        let own = env::current_exe().context("cannot find zc's own program file")?;
        let mut child = Command::new(own)
            .args(["worker", role])
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            // A Ctrl-C is for zc, which ends its workers; were they hit too, it would look as if
            // somebody had killed one.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start the {role}"))?;
        let out = child.stdout.take().map(BufReader::new).context("the worker has no stdout")?;
        let pid = Pid::from_child(&child);
        running.add(pid);
        Ok(Self { role, pid, child, out, running: running.clone() })
    }

    /// The next line that it says; empty when it has ended.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line).context("cannot hear the worker")?;
        Ok(line)
    }

    /// What it says next.
    fn message(&mut self) -> Result<Message> {
        let line = self.line()?;
        match serde_json::from_str(&line) {
            Ok(Message::Failed(_)) | Err(_) => Err(self.ended(&line)?.into()),
            Ok(message) => Ok(message),
        }
    }

    /// Waits until it stops itself at its gate.
    fn wait_at_gate(&mut self) -> Result<()> {
        // A look without taking: when it has ended, `Child` takes the status.
        let either = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.pid), either)?;
        if status.is_some_and(|status| status.stopped()) {
            waitid(WaitId::Pid(self.pid), WaitIdOptions::STOPPED)?;
            return Ok(());
        }
        let line = self.line()?;
        Err(self.ended(&line)?.into())
    }

    /// Lets it go on.
    fn release(&self) -> Result<()> {
        kill_process(self.pid, Signal::CONT)
            .with_context(|| format!("cannot wake the {}", self.role))
    }

    /// Reaps a worker whose last line was `line`.
    fn ended(&mut self, line: &str) -> Result<WorkerEnded> {
        let status = self.child.wait().with_context(|| format!("lost the {}", self.role))?;
        let how = match serde_json::from_str(line) {
            Ok(Message::Failed(why)) => format!("failed: {why}"),
            _ => format!("ended early: {}", describe(status)),
        };
        Ok(WorkerEnded { role: self.role, how, killed: status.signal().is_some() })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // First, so that nobody signals a process id that may be another's by then.
        self.running.remove(self.pid);
        // No effect where it has ended and was reaped: `Child` remembers that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, code) => format!("exit status {}", code.unwrap_or_default()),
    }
}

/// What is done around a run, while both workers are stopped.
pub trait Window {
    /// Just before it.
    ///
    /// # Errors
    /// What keeps the run from being watched; it then does not take place.
    fn open(&mut self) -> Result<()> {
        Ok(())
    }

    /// Just after it.
    ///
    /// # Errors
    /// What was not learned of the run; it then gives no result.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A run that only warms up: code pages, buffers, the connection.
pub struct Unwatched;

impl Window for Unwatched {}

/// A sender and a receiver, connected, stopped before their next run.
pub struct Session {
    sender: Worker,
    receiver: Worker,
}

impl Session {
    /// Starts both for the given `runs` (bytes each) over loopback `port` (0: any).
    ///
    /// # Errors
    /// When a worker cannot be started, and [`WorkerEnded`] when the receiver gives up before it
    /// listens, as on a port that is taken. A sender that cannot connect is told by the first run.
    pub fn start(
        style: &Style,
        payload: &Payload,
        port: u16,
        chunk: u64,
        runs: &[u64],
        running: &Running,
    ) -> Result<Self> {
        let runs = runs.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let common = [
            format!("--parent={}", std::process::id()),
            format!("--chunk={chunk}"),
            format!("--runs={runs}"),
        ];
        let arguments = [&common[..], &[format!("--port={port}")]].concat();
        let mut receiver = Worker::start("receiver", Stdio::null(), &arguments, running)?;
        let Message::Listening(port) = receiver.message()? else {
            bail!("the receiver did not say its port");
        };
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let arguments =
            [&common[..], &[format!("--style={}", style.name), format!("--peer={peer}")]].concat();
        let file = payload.file.try_clone().context("cannot hand on the payload")?;
        let sender = Worker::start("sender", Stdio::from(file), &arguments, running)?;
        Ok(Self { sender, receiver })
    }

    /// Process ids of sender and receiver.
    pub fn pids(&self) -> (u32, u32) {
        (self.sender.child.id(), self.receiver.child.id())
    }

    /// One run: `window` is opened and closed while both are stopped, on either side of it.
    ///
    /// # Errors
    /// [`WorkerEnded`] when a worker failed or was killed, and of two the one that a signal ended;
    /// the `window`'s own; a worker that cannot be woken, heard or understood.
    pub fn run(&mut self, window: &mut dyn Window) -> Result<Delivered> {
        self.step(window).map_err(|error| self.first_cause(error))
    }

    fn step(&mut self, window: &mut dyn Window) -> Result<Delivered> {
        self.at_gate()?;
        window.open()?;
        self.release()?;
        self.at_gate()?;
        window.close()?;
        self.release()?;
        let Message::Moved { bytes: sent, own: sender, .. } = self.sender.message()? else {
            bail!("the sender did not report its run");
        };
        let Message::Moved { bytes: received, own: receiver, hash: Some(hash) } =
            self.receiver.message()?
        else {
            bail!("the receiver did not report its run");
        };
        Ok(Delivered { sent, received, hash, sender, receiver })
    }

    fn at_gate(&mut self) -> Result<()> {
        self.sender.wait_at_gate()?;
        self.receiver.wait_at_gate()
    }

    fn release(&self) -> Result<()> {
        self.receiver.release()?;
        self.sender.release()
    }

    /// When one side dies the other sees its connection break and fails too, perhaps first. Names
    /// the side that a signal ended.
    fn first_cause(&mut self, error: anyhow::Error) -> anyhow::Error {
        if !error.is::<WorkerEnded>() {
            return error;
        }
        for worker in [&mut self.sender, &mut self.receiver] {
            if let Ok(Some(_)) = worker.child.try_wait()
                && let Ok(ended) = worker.ended("")
                && ended.killed
            {
                return ended.into();
            }
        }
        error
    }
}
