//! Claims about programs, decided by what `zc trace` counts while they run on this machine: a file for
//! each program.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc};

use super::{Decided, Evidence, Fact, Unobservable, evidence::PAYLOAD};
use crate::transfer::session::Running;

mod coreutils;
mod go;
mod haproxy;
mod java;
mod kafka;
mod nginx;
mod peer;
mod process;
mod python;
mod rust;
mod shell;
mod stage;
#[cfg(test)]
mod tests;
mod trace;
mod uploads;

pub(super) use coreutils::COREUTILS;
pub(super) use go::GO;
pub(super) use haproxy::HAPROXY;
pub(super) use java::JAVA;
pub(super) use kafka::KAFKA;
pub(super) use nginx::NGINX;
pub(super) use python::PYTHON;
pub(super) use rust::RUST;
pub use rust::copy_file;
pub(super) use shell::T3;
pub(crate) use shell::counted as pipeline;
pub(super) use uploads::UPLOADS;

use stage::Stage;
use trace::{Arrived, FILE, PIPE, TCP, Trace};

/// How often a program is run whose trace is not complete: the kernel skips a probe by chance.
const TRIES: usize = 8;

/// One way to use a program, which is traced.
pub(super) struct Program {
    /// Tells it from the others.
    name: &'static str,
    /// Runs it.
    observe: fn(&Stage<'_>) -> Result<Seen, Unobservable>,
}

/// What was seen of it.
#[derive(Debug)]
struct Seen {
    /// The program and its version.
    who: String,
    /// Bytes that arrived, all of them the right ones.
    payload: u64,
    trace: Trace,
}

/// Runs programs, each once.
pub(crate) struct Programs {
    folder: PathBuf,
    running: Running,
    seen: RefCell<BTreeMap<&'static str, Result<Rc<Seen>, Unobservable>>>,
    problems: RefCell<Vec<String>>,
}

impl Programs {
    /// In new folders below `folder`, until `running` is stopped.
    pub(crate) fn new(folder: PathBuf, running: Running) -> Self {
        Self { folder, running, seen: RefCell::default(), problems: RefCell::default() }
    }

    /// Counts that were lost, a line each.
    pub(crate) fn problems(self) -> Vec<String> {
        self.problems.into_inner()
    }

    /// What is seen of `program`, which is run at the first call.
    fn seen(&self, program: &Program) -> Result<Rc<Seen>, Unobservable> {
        if let Some(seen) = self.seen.borrow().get(program.name) {
            return seen.clone();
        }
        let seen = self.observe(program).map(Rc::new);
        self.seen.borrow_mut().insert(program.name, seen.clone());
        seen
    }

    fn observe(&self, program: &Program) -> Result<Seen, Unobservable> {
        let mut problem = String::new();
        for _ in 0..TRIES {
            let stage = Stage::new(&self.folder, &self.running)?;
            let seen = (program.observe)(&stage)?;
            match seen.trace.problem() {
                None => return Ok(seen),
                Some(why) => problem = format!("{}: {why}", program.name),
            }
        }
        self.problems.borrow_mut().push(problem.clone());
        Err(Unobservable::Lost(problem))
    }
}

impl Evidence {
    /// What is seen of `program`.
    ///
    /// # Errors
    /// Why nothing is.
    fn program(&self, program: &Program) -> Result<Rc<Seen>, Unobservable> {
        self.programs.seen(program)
    }
}

impl Seen {
    /// Whether the payload got to a file without passing the memory of a process.
    fn in_the_kernel(&self) -> Result<Decided, Unobservable> {
        let arrived = self.arrived(FILE)?;
        let [from_user, to_user, _] = arrived.copied;
        Ok(self.decided(from_user == 0 && to_user == 0, arrived, &[]))
    }

    /// Whether the CPU copied no byte of the payload to get it to ends of the kind `sink`.
    fn uncopied(&self, sink: &str) -> Result<Decided, Unobservable> {
        let arrived = self.arrived(sink)?;
        let uncopied =
            self.fact("bytes of them in calls in which the CPU copied none", arrived.uncopied);
        let holds = arrived.uncopied == self.payload && arrived.later == 0;
        Ok(self.decided(holds, arrived, &[uncopied]))
    }

    /// Whether splice(2) moved so many bytes of the payload to a TCP socket that it is `enough`, with the
    /// payload as second argument. The calls say that themselves, whatever of their copies is seen.
    fn spliced(&self, enough: fn(u64, u64) -> bool) -> Result<Decided, Unobservable> {
        let [sent, spliced] = self.trace.moved_to(TCP);
        self.all_seen(TCP, sent)?;
        let facts = vec![
            self.payload(),
            self.fact("bytes sent", sent),
            self.fact("bytes of them that splice moved", spliced),
        ];
        Ok(Decided { holds: enough(spliced, self.payload), facts })
    }

    /// Whether the CPU copied no byte that splice(2) moved from socket to socket, neither on its way into
    /// the pipe nor out of it.
    fn spliced_uncopied(&self) -> Result<Decided, Unobservable> {
        let (pipe, socket) = (self.went_to(PIPE)?, self.arrived(TCP)?);
        let copied = |arrived: Arrived| arrived.copied.iter().sum::<u64>();
        let facts = vec![
            self.fact("bytes spliced into a pipe", pipe.spliced),
            self.fact("bytes copied on the way there", copied(pipe)),
            self.fact("bytes spliced from there to a socket", socket.spliced),
            self.fact("bytes sent in calls in which the CPU copied none", socket.uncopied),
            self.fact("bytes copied later, in the network stack", socket.later),
        ];
        let holds = socket.spliced > 0 && copied(pipe) == 0 && socket.uncopied == socket.spliced;
        let holds = holds && socket.later == 0;
        Ok(Decided { holds, facts })
    }

    /// What went to ends of the kind `sink`: the payload, and to a socket headers too.
    fn arrived(&self, sink: &str) -> Result<Arrived, Unobservable> {
        let arrived = self.went_to(sink)?;
        self.all_seen(sink, arrived.bytes).map(|()| arrived)
    }

    /// Fails unless the payload is in `bytes` that went to ends of the kind `sink`, and to a file nothing else.
    fn all_seen(&self, sink: &str, bytes: u64) -> Result<(), Unobservable> {
        let Self { who, payload, .. } = self;
        if bytes < *payload || (sink == FILE && bytes > *payload) {
            return Err(Unobservable::Lacking(format!(
                "{who}: {bytes} bytes were seen to go to a {sink}, where the payload is {payload}",
            )));
        }
        Ok(())
    }

    fn went_to(&self, sink: &str) -> Result<Arrived, Unobservable> {
        let arrived = self.trace.went_to(sink);
        arrived.map_err(|why| Unobservable::Lacking(format!("{}: {why}", self.who)))
    }

    /// `and` is what decided, beside how much arrived and was copied.
    fn decided(&self, holds: bool, arrived: Arrived, and: &[Fact]) -> Decided {
        let mut facts = vec![self.payload(), self.fact("bytes written or sent", arrived.bytes)];
        facts.extend_from_slice(and);
        let [into, out, inside] = arrived.copied;
        facts.extend([
            self.fact("bytes of them copied from user to kernel", into),
            self.fact("bytes of them copied from kernel to user", out),
            self.fact("bytes of them copied in the kernel", inside),
        ]);
        Decided { holds, facts }
    }

    fn payload(&self) -> Fact {
        Fact { what: PAYLOAD.into(), measured: self.payload }
    }

    fn fact(&self, what: &str, measured: u64) -> Fact {
        Fact { what: format!("{}: {what}", self.who), measured }
    }
}
