//! The parent's side of a transfer: starts the two workers and walks them through their runs.

use std::{
    env,
    io::{BufRead, BufReader},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use thiserror::Error;

use super::{
    Style, handover,
    link::{Ends, Place},
    pace::Pace,
    payload::Payload,
    work::OwnMemory,
    worker::{Arrived, Message, Moved},
};
use crate::expect::Side;

/// A worker that ended before its work was done.
#[derive(Debug, Error)]
#[error("the {role} {how}")]
pub struct WorkerEnded {
    role: &'static str,
    how: String,
    /// Whether a signal ended it: the cause, where the other side only saw the connection break.
    killed: bool,
}

/// A style that this machine cannot do, as its first run showed.
#[derive(Debug, Error)]
#[error("not supported here: {errno} in the {role}: {}", errno.desc(), role = .side.name())]
pub struct NotSupported {
    /// Which side met the error.
    pub side: Side,
    /// The kernel's error number.
    pub errno: Errno,
}

/// What a run delivered, as user space saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Bytes that the sender's system calls took.
    pub sent: u64,
    /// Bytes that arrived.
    pub received: u64,
    /// BLAKE3 of the received bytes, in hexadecimal; none where they were thrown away.
    pub hash: Option<String>,
    /// What the sender says of its own.
    pub sender: OwnSide,
    /// What the receiver says, where there is one.
    pub receiver: OwnSide,
    /// Whether the network had something sent twice, whose pages are copied again.
    pub sent_again: bool,
}

/// What a side says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSide {
    /// What went through its memory.
    pub moved: OwnMemory,
    /// Bytes that completions told of and no system call returned.
    pub completed: u64,
}

impl From<&Moved> for OwnSide {
    fn from(moved: &Moved) -> Self {
        Self { moved: moved.own, completed: moved.completed }
    }
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
    role: Side,
    pid: Pid,
    child: Child,
    out: BufReader<ChildStdout>,
    running: Running,
}

impl Worker {
    /// Starts one and hands it `descriptors`.
    fn start(
        role: Side,
        descriptors: &[BorrowedFd<'_>],
        arguments: &[String],
        running: &Running,
    ) -> Result<Self> {
        let role_name = role.name();
        let own = env::current_exe().context("cannot find zc's own program file")?;
        let (near, far) = UnixStream::pair().context("no unix sockets")?;
        let mut child = Command::new(own)
            .args(["worker", role_name])
            .args(arguments)
            .stdin(Stdio::from(OwnedFd::from(far)))
            .stdout(Stdio::piped())
            // A Ctrl-C is for zc, which ends its workers; were they hit too, it would look as if
            // somebody had killed one.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start the {role_name}"))?;
        let out = child.stdout.take().map(BufReader::new).context("the worker has no stdout")?;
        let pid = Pid::from_child(&child);
        running.add(pid);
        let worker = Self { role, pid, child, out, running: running.clone() };
        handover::give(&near, descriptors)
            .with_context(|| format!("cannot hand anything to the {role_name}"))?;
        Ok(worker)
    }

    /// The next line that it says; empty when it has ended.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line).context("cannot hear the worker")?;
        Ok(line)
    }

    /// What it says of the run that it has made.
    fn moved(&mut self) -> Result<Moved> {
        let line = self.line()?;
        match serde_json::from_str(&line) {
            Ok(Message::Moved(moved)) => Ok(moved),
            _ => Err(self.ended(&line)?),
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
        Err(self.ended(&line)?)
    }

    /// Lets it go on.
    fn release(&self) -> Result<()> {
        kill_process(self.pid, Signal::CONT)
            .with_context(|| format!("cannot wake the {}", self.role.name()))
    }

    /// Reaps a worker whose last line was `line`; why it ended.
    fn ended(&mut self, line: &str) -> Result<anyhow::Error> {
        let role = self.role.name();
        let status = self.child.wait().with_context(|| format!("lost the {role}"))?;
        let how = match serde_json::from_str(line) {
            Ok(Message::NotSupported(errno)) => {
                return Ok(NotSupported { side: self.role, errno: Errno::from_raw(errno) }.into());
            }
            Ok(Message::Failed(why)) => format!("failed: {why}"),
            _ => format!("ended early: {}", describe(status)),
        };
        Ok(WorkerEnded { role, how, killed: status.signal().is_some() }.into())
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

/// A run that only warms up: code pages, buffers, the connection, whose a socket is.
pub struct Unwatched;

impl Window for Unwatched {}

/// A sender and, where the style has one, a receiver, connected, stopped before their next run.
pub struct Session {
    sender: Worker,
    receiver: Option<Worker>,
    pace: Pace,
}

impl Session {
    /// Starts both for the given `runs` (bytes each), joined by the style's link in `place`.
    ///
    /// # Errors
    /// When the link cannot be made, as on a port that is taken, or a worker cannot be started.
    pub fn start(
        style: &Style,
        payload: &Payload,
        place: &Place<'_>,
        runs: &[u64],
        running: &Running,
    ) -> Result<Self> {
        let runs = runs.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let arguments = [
            format!("--parent={}", std::process::id()),
            format!("--style={}", style.name),
            format!("--chunk={}", place.chunk),
            format!("--runs={runs}"),
        ];
        let page = Pace::create().context("no memory that both workers see")?;
        let Ends { sender: near, receiver: far } = style.link.open(place)?;
        let mut receiver = None;
        if style.receiver.is_some() {
            let descriptors: Vec<_> = [Some(&page), far.as_ref()].into_iter().flatten().collect();
            let descriptors: Vec<_> = descriptors.into_iter().map(AsFd::as_fd).collect();
            receiver = Some(Worker::start(Side::Receiver, &descriptors, &arguments, running)?);
        }
        let descriptors = [Some(page.as_fd()), Some(payload.file.as_fd())];
        let descriptors = descriptors.into_iter().chain([near.as_ref().map(AsFd::as_fd)]);
        let descriptors: Vec<_> = descriptors.flatten().collect();
        let sender = Worker::start(Side::Sender, &descriptors, &arguments, running)?;
        Ok(Self { sender, receiver, pace: Pace::map(&page)? })
    }

    /// Process ids of sender and receiver.
    pub fn pids(&self) -> (u32, Option<u32>) {
        (self.sender.child.id(), self.receiver.as_ref().map(|receiver| receiver.child.id()))
    }

    /// One run: `window` is opened and closed while both are stopped, on either side of it.
    ///
    /// # Errors
    /// [`NotSupported`] when the first run showed that this machine cannot do it; [`WorkerEnded`] when
    /// a worker failed or was killed, and of two the one that a signal ended; the `window`'s own; a
    /// worker that cannot be woken, heard or understood.
    pub fn run(&mut self, window: &mut dyn Window) -> Result<Delivered> {
        self.at_gate()?;
        window.open()?;
        self.release()?;
        self.at_gate()?;
        window.close()?;
        self.release()?;
        self.delivered()
    }

    fn delivered(&mut self) -> Result<Delivered> {
        let sender = self.sender.moved()?;
        let receiver = self.receiver.as_mut().map(Worker::moved).transpose()?;
        let arrived = receiver.as_ref().map_or(&sender.arrived, |receiver| &receiver.arrived);
        let Arrived { bytes: received, hash } =
            arrived.clone().context("nobody said what arrived")?;
        Ok(Delivered {
            sent: sender.bytes,
            received,
            hash,
            sent_again: sender.sent_again,
            receiver: receiver.as_ref().map(OwnSide::from).unwrap_or_default(),
            sender: OwnSide::from(&sender),
        })
    }

    /// Waits for both at once: one that is gone may be what the other waits for.
    fn at_gate(&mut self) -> Result<()> {
        let Self { sender, receiver, pace } = self;
        let wait = |worker: &mut Worker| worker.wait_at_gate().inspect_err(|_| pace.abandon());
        let Some(receiver) = receiver else { return wait(sender) };
        let (sent, received) = thread::scope(|threads| {
            let received = threads.spawn(|| wait(receiver));
            let sent = wait(sender);
            (sent, received.join())
        });
        let Ok(received) = received else { bail!("waiting for the receiver panicked") };
        match (sent, received) {
            (Err(sent), Err(received)) => Err(first_cause(sent, received)),
            (sent, received) => sent.and(received),
        }
    }

    fn release(&self) -> Result<()> {
        self.receiver.as_ref().map_or(Ok(()), Worker::release)?;
        self.sender.release()
    }
}

/// When one side ends the other sees its connection break and fails too, perhaps first. The cause is
/// the side that a signal ended, or that could not do what it was asked to.
fn first_cause(sender: anyhow::Error, receiver: anyhow::Error) -> anyhow::Error {
    let is_cause = |error: &anyhow::Error| {
        error.is::<NotSupported>()
            || error.downcast_ref::<WorkerEnded>().is_some_and(|ended| ended.killed)
    };
    if is_cause(&receiver) && !is_cause(&sender) { receiver } else { sender }
}
