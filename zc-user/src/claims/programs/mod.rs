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
pub(super) use uploads::UPLOADS;

use stage::Stage;
use trace::{Arrived, FILE, PIPE, TCP, Trace};

/// How often a program is run whose trace is not complete: the kernel skips a probe by chance.
const TRIES: usize = 4;

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
pub(super) struct Programs {
    folder: PathBuf,
    running: Running,
    seen: RefCell<BTreeMap<&'static str, Result<Rc<Seen>, Unobservable>>>,
    problems: RefCell<Vec<String>>,
}

impl Programs {
    /// In new folders below `folder`, until `running` is stopped.
    pub(super) fn new(folder: PathBuf, running: Running) -> Self {
        Self { folder, running, seen: RefCell::default(), problems: RefCell::default() }
    }

    /// Counts that were lost, a line each.
    pub(super) fn problems(self) -> Vec<String> {
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
        Err(Unobservable(problem))
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
        Ok(self.decided(from_user == 0 && to_user == 0, FILE, arrived))
    }

    /// Whether the CPU copied no byte of the payload to get it to ends of the kind `sink`.
    fn uncopied(&self, sink: &str) -> Result<Decided, Unobservable> {
        let arrived = self.arrived(sink)?;
        Ok(self.decided(arrived.uncopied == self.payload, sink, arrived))
    }

    /// Whether all of the payload came to a TCP socket by splice(2). Copies on the way into the pipe count
    /// too.
    fn spliced(&self) -> Result<Decided, Unobservable> {
        let mut arrived = self.arrived(TCP)?;
        arrived.count(self.went_to(PIPE)?.copied);
        Ok(self.decided(arrived.spliced == self.payload, TCP, arrived))
    }

    /// What went to ends of the kind `sink`: the payload, and to a socket headers too.
    fn arrived(&self, sink: &str) -> Result<Arrived, Unobservable> {
        let arrived = self.went_to(sink)?;
        if arrived.bytes < self.payload || (sink == FILE && arrived.bytes > self.payload) {
            let Self { who, payload, .. } = self;
            return Err(Unobservable(format!(
                "{who}: {} bytes were seen to go to a {sink}, where the payload is {payload}",
                arrived.bytes
            )));
        }
        Ok(arrived)
    }

    fn went_to(&self, sink: &str) -> Result<Arrived, Unobservable> {
        let arrived = self.trace.went_to(sink);
        arrived.map_err(|Unobservable(why)| Unobservable(format!("{}: {why}", self.who)))
    }

    fn decided(&self, holds: bool, sink: &str, arrived: Arrived) -> Decided {
        let Arrived { bytes, uncopied, spliced, copied } = arrived;
        let facts = [
            self.fact(&format!("bytes that went to a {sink}"), bytes),
            self.fact("those of calls in which the CPU copied none", uncopied),
            self.fact("those that splice moved", spliced),
            self.fact("bytes copied from user to kernel", copied[0]),
            self.fact("bytes copied from kernel to user", copied[1]),
            self.fact("bytes copied in the kernel", copied[2]),
        ];
        let payload = Fact { what: PAYLOAD.into(), measured: self.payload };
        Decided { holds, facts: [payload].into_iter().chain(facts).collect() }
    }

    fn fact(&self, what: &str, measured: u64) -> Fact {
        Fact { what: format!("{}: {what}", self.who), measured }
    }
}
