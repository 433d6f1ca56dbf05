//! One side of a transfer, in a process of its own: `zc worker`, started by `zc lab`.
//!
//! A worker stops itself (SIGSTOP) before and after each run and goes on when the parent says so.
//! The kernel delivers that signal after the `kill` call's exit was traced, so a run's window
//! holds the transfer and exactly one `kill`, with no race about what falls inside; the empty run
//! has the same `kill`.

use std::{
    fs::File,
    io::{Read, Seek, Write, stdin, stdout},
    num::NonZeroI32,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::{
    fs::ftruncate,
    io::Errno,
    process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal},
};
use serde::{Deserialize, Serialize};

use super::{
    Part, Source, Style, handover,
    link::Link,
    memory::Mapping,
    pace::Pace,
    work::{Lent, OwnMemory, Work, at_most},
};
use crate::{expect::Side, measure::sockopt, report::text::one_line};

/// What a worker tells its parent, a line each, in JSON on its stdout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// A run is over.
    Moved(Moved),
    /// This machine cannot do it: the error number that the first run met.
    NotSupported(i32),
    /// This worker gives up.
    Failed(String),
}

/// What a worker says of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Payload bytes sent or received.
    pub bytes: u64,
    /// What of it went through this worker's memory.
    pub own: OwnMemory,
    /// Bytes that completions or arguments told of and no system call returned.
    pub completed: u64,
    /// Whether the network had something sent twice, whose pages are copied again.
    pub sent_again: bool,
    /// Whether TCP sent any segment twice.
    pub segments_again: bool,
    /// What the kernel said of the pages that were lent to it.
    pub lent: Option<Lent>,
    /// Whether kernel threads that are none of this worker's may have done some of the work.
    pub by_kernel_threads: bool,
    /// From whoever has the payload at last.
    pub arrived: Option<Arrived>,
}

/// What arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrived {
    /// Bytes.
    pub bytes: u64,
    /// Their BLAKE3, in hexadecimal; none where they were thrown away.
    pub hash: Option<String>,
}

/// Runs a worker's `work` and reports its failure to process `parent`, which started it.
///
/// # Errors
/// When `parent` is not, or no more, this process's parent; what `work` failed with; where even
/// that could not be reported, why not.
pub fn run(parent: i32, work: impl FnOnce() -> Result<()>) -> Result<()> {
    // Nothing is left behind when the parent is killed, also when that was a moment ago.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(Pid::as_raw_nonzero).map(NonZeroI32::get) != Some(parent) {
        bail!("process {parent}, which started this worker, is gone");
    }
    work().or_else(|error| {
        let message = match error.downcast_ref::<NotSupported>() {
            Some(NotSupported(errno)) => Message::NotSupported(errno.raw_os_error()),
            None => Message::Failed(one_line(error.as_ref())),
        };
        say(&message).and(Err(error))
    })
}

/// The machine cannot do it.
#[derive(Debug, thiserror::Error)]
#[error("not supported here: {0}")]
struct NotSupported(Errno);

/// Whether an error of the first run says that the machine cannot do what a style needs: the call, the
/// option, the flag or the file system is not there, or not for this user. A lack of memory or room, and
/// a broken connection, say nothing about that.
fn says_not_supported(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOSYS
            | Errno::OPNOTSUPP
            | Errno::NOPROTOOPT
            | Errno::PROTONOSUPPORT
            | Errno::AFNOSUPPORT
            | Errno::INVAL
            | Errno::NOTTY
            | Errno::NOENT
            | Errno::XDEV
            | Errno::PERM
            | Errno::ACCESS
            | Errno::ROFS
    )
}

/// What the parent hands over.
struct Given {
    pace: Pace,
    /// The payload.
    file: Option<File>,
    end: Option<OwnedFd>,
}

/// The descriptors on stdin: the page of both sides, the sender's payload, the end of a link that has
/// some.
fn given(role: Side) -> Result<Given> {
    let mut descriptors = handover::take(stdin()).context("nothing was handed over")?.into_iter();
    let pace = Pace::map(descriptors.next().context("the page of both sides is missing")?)?;
    let file = match role {
        Side::Sender => Some(descriptors.next().context("the payload is missing")?.into()),
        Side::Receiver => None,
    };
    Ok(Given { pace, file, end: descriptors.next() })
}

/// Does `role`'s part of `style` once for each of `runs` (bytes), `chunk` bytes a call.
///
/// # Errors
/// When there is no memory for a chunk or the payload, the file ended early (`ENODATA` of the style)
/// or cannot be rewound, the other side is gone (`ECONNRESET`, `EPIPE`), the kernel refuses a call of
/// the style, or the parent does not hear.
pub fn serve(role: Side, style: &Style, chunk: usize, runs: &[u64]) -> Result<()> {
    let part = match role {
        Side::Sender => Some(&style.sender),
        Side::Receiver => style.receiver.as_ref(),
    };
    let part = part.with_context(|| format!("{} has no {}", style.name, role.name()))?;
    let Given { pace, mut file, end } = given(role)?;
    let Ok(mut buffer) = Mapping::private(chunk) else {
        bail!("no memory for a chunk of {chunk} bytes: choose a smaller --chunk");
    };
    let memory = match (&mut file, style.source) {
        (Some(file), Source::Memory) => Some(loaded(file, runs)?),
        _ => None,
    };
    let memory = memory.as_ref().map_or(&[][..], Mapping::bytes);
    if role == Side::Sender {
        pace.announce(std::process::id(), memory.as_ptr() as u64);
    }
    let gate = Gate::new();
    for (number, &bytes) in runs.iter().enumerate() {
        begin(role, style, file.as_mut(), end.as_ref())?;
        if role == Side::Sender {
            pace.reset();
        }
        let mut hasher = blake3::Hasher::new();
        let mut work = Work {
            file: file.as_ref().map(AsFd::as_fd),
            end: end.as_ref().map(AsFd::as_fd),
            bytes,
            chunk,
            buffer: buffer.bytes_mut(),
            memory,
            pace: &pace,
            hasher: &mut hasher,
            moved: OwnMemory::default(),
            completed: 0,
            sent_again: false,
            lent: None,
            by_kernel_threads: false,
        };
        let before = segments_again(role, style, end.as_ref());
        let moved = once(&gate, part, &mut work).map_err(|error| explain(error, number, style))?;
        let segments_again = segments_again(role, style, end.as_ref()) != before;
        let arrived = arrived(role, style, end.as_ref(), &moved, &hasher)?;
        say(&Message::Moved(Moved { arrived, segments_again, ..moved }))?;
    }
    Ok(())
}

/// One run between two stops.
fn once(gate: &Gate, part: &Part, work: &mut Work<'_>) -> Result<Moved> {
    gate.wait()?;
    let bytes = (part.run)(work)?;
    gate.wait()?;
    let Work { moved: own, completed, sent_again, lent, by_kernel_threads, .. } = *work;
    let moved = Moved { bytes, own, completed, sent_again, lent, ..Moved::default() };
    Ok(Moved { by_kernel_threads, ..moved })
}

/// Segments that a TCP sender has sent twice so far.
fn segments_again(role: Side, style: &Style, end: Option<&OwnedFd>) -> Option<u32> {
    let tcp = role == Side::Sender && style.link == Link::Tcp;
    sockopt::sent_again(end.filter(|_| tcp)?.as_fd()).ok()
}

/// What an error of run `number` means.
fn explain(error: anyhow::Error, number: usize, style: &Style) -> anyhow::Error {
    match error.downcast_ref::<Errno>() {
        Some(&Errno::NODATA) => anyhow!("the file ended early: was it truncated?"),
        Some(&errno) if number == 0 && says_not_supported(errno) => NotSupported(errno).into(),
        Some(errno) => anyhow!("{} failed: {errno}", style.name),
        None => error,
    }
}

/// Each run begins at the payload's start, and with an empty file to write to.
fn begin(role: Side, style: &Style, file: Option<&mut File>, end: Option<&OwnedFd>) -> Result<()> {
    if let Some(file) = file {
        file.rewind()?;
    }
    if let (Side::Sender, Link::File, Some(end)) = (role, style.link, end) {
        ftruncate(end, 0).context("cannot empty the file to write to")?;
        rustix::fs::seek(end, rustix::fs::SeekFrom::Start(0))?;
    }
    Ok(())
}

/// The payload, or as much of it as the largest of `runs` needs, in memory.
fn loaded(file: &mut File, runs: &[u64]) -> Result<Mapping> {
    let most = runs.iter().max().copied().unwrap_or_default();
    let memory = usize::try_from(most).ok().and_then(|bytes| Mapping::private(bytes).ok());
    let mut memory =
        memory.with_context(|| format!("no memory for {most} bytes: choose a smaller --size"))?;
    file.rewind()?;
    let mut rest = Read::by_ref(file).take(most);
    let mut at = 0;
    loop {
        match rest.read(&mut memory.bytes_mut()[at..])? {
            0 => return Ok(memory),
            got => at += got,
        }
    }
}

/// What arrived, where this side has it at last.
fn arrived(
    role: Side,
    style: &Style,
    end: Option<&OwnedFd>,
    moved: &Moved,
    hasher: &blake3::Hasher,
) -> Result<Option<Arrived>> {
    let hex = |hasher: &blake3::Hasher| Some(hasher.finalize().to_hex().to_string());
    Ok(match (role, style.link, end) {
        (Side::Sender, Link::File, Some(end)) => {
            let (bytes, hasher) = hash_of(&File::from(end.try_clone()?), moved.bytes)?;
            Some(Arrived { bytes, hash: hex(&hasher) })
        }
        (Side::Receiver, Link::PipeToNowhere, _) => {
            Some(Arrived { bytes: moved.bytes, hash: None })
        }
        (Side::Sender, Link::OwnMemory, _) | (Side::Receiver, ..) => {
            Some(Arrived { bytes: moved.bytes, hash: hex(hasher) })
        }
        _ => None,
    })
}

/// How many bytes there are at the start of `file`, at most `most`, and their hash.
fn hash_of(file: &File, most: u64) -> Result<(u64, blake3::Hasher)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < most {
        let ask = at_most(buffer.len(), most - at);
        match file.read_at(&mut buffer[..ask], at).context("cannot read what was written")? {
            0 => break,
            got => {
                hasher.update(&buffer[..got]);
                at += got as u64;
            }
        }
    }
    Ok((at, hasher))
}

/// Stops this process until the parent lets it go on.
struct Gate(Pid);

impl Gate {
    fn new() -> Self {
        Self(getpid())
    }

    fn wait(&self) -> Result<()> {
        kill_process(self.0, Signal::STOP).context("cannot stop at the gate")
    }
}

fn say(message: &Message) -> Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    out.flush().map_err(Into::into)
}
