//! What each thread did, call by call: raw.

use std::{
    collections::BTreeMap,
    os::fd::{AsRawFd, BorrowedFd},
};

use anyhow::{Context, Result, bail};
use aya::maps::{Array, HashMap, MapData};
use zc_common::{Cell, Group, Tally, TaskId, Thread};

use super::{Engine, since};

/// The sections of the kernel half that user space writes to and reads from.
const PENDING: &str = ".data.pending";
const ANSWER: &str = ".data.answer";

/// Counts by thread, system call, kinds of file, and site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// Only what was counted.
    pub cells: BTreeMap<Cell, Tally>,
    /// Who the threads are; one that the table had no room for is missing.
    pub threads: BTreeMap<TaskId, Thread>,
}

impl Breakdown {
    /// What came after `before`. Counters only grow, and no thread goes.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self { cells: since(&self.cells, &before.cells), threads: self.threads.clone() }
    }
}

impl Engine {
    /// What the breakdown holds since loading. Counting may go on meanwhile: what one thread does is
    /// then read a little earlier than what another does.
    ///
    /// # Errors
    /// When the kernel does not let the tables be read.
    pub fn breakdown(&self) -> Result<Breakdown> {
        Ok(Breakdown { cells: self.table("CELLS")?, threads: self.table("THREADS")? })
    }

    fn table<K: aya::Pod + Ord, V: aya::Pod>(&self, name: &str) -> Result<BTreeMap<K, V>> {
        let map = self.probes.ebpf.map(name).context("the BPF object has no such map")?;
        let map: HashMap<&MapData, K, V> = map.try_into()?;
        let entries = map.iter().collect::<Result<_, _>>();
        entries.with_context(|| format!("cannot read the map {name}"))
    }

    /// Counts process `pid`, and whatever it starts, from its next `execve` on.
    ///
    /// # Errors
    /// When the kernel does not let the kernel half be told.
    pub fn watch_from_exec(&mut self, pid: u32) -> Result<()> {
        let map = self.probes.ebpf.map_mut(PENDING).context("the BPF object has no such map")?;
        let mut pending: Array<_, u32> = map.try_into()?;
        pending.set(0, pid, 0).context("cannot mark the command as traced")
    }

    /// Counts nothing that this process does, where everyone else is counted.
    ///
    /// # Errors
    /// Those of [`Engine::watch`] and [`Engine::own_pid`].
    pub fn spare_self(&mut self) -> Result<()> {
        let own = self.own_pid()?;
        self.watch(own, Group::NOBODY)
    }

    /// This process's id in the initial PID namespace, by which the kernel half knows processes.
    ///
    /// # Errors
    /// When the kernel does not run the program that tells.
    pub fn own_pid(&mut self) -> Result<u32> {
        self.ask("own_pid", [0; 2])
    }

    /// The id in the initial PID namespace of the process that `pidfd` stands for, whose id here is
    /// `pid`.
    ///
    /// # Errors
    /// When the kernel does not run the program that tells, or it cannot tell.
    pub fn translate(&mut self, pidfd: BorrowedFd<'_>, pid: u32) -> Result<u32> {
        let descriptor = u64::try_from(pidfd.as_raw_fd())?;
        match self.ask("translate_pid", [descriptor, u64::from(pid)])? {
            0 => bail!("the id of process {pid} outside of this PID namespace cannot be found out"),
            found => Ok(found),
        }
    }

    /// Runs a program of the kernel half and gives what it answers.
    fn ask(&mut self, program: &'static str, arguments: [u64; 2]) -> Result<u32> {
        self.probes.run(program, arguments).with_context(|| format!("cannot run {program}"))?;
        let map = self.probes.ebpf.map(ANSWER).context("the BPF object has no such map")?;
        let answer: Array<_, u32> = map.try_into()?;
        answer.get(&0, 0).context("cannot read the answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_only_what_is_new() {
        let cell = |call| Cell { call, ..Cell::default() };
        let tally = |bytes| Tally { calls: 1, bytes };
        let mut before = Breakdown::default();
        before.cells.extend([(cell(0), tally(5)), (cell(1), tally(7))]);
        let mut after = before.clone();
        after.cells.insert(cell(1), Tally { calls: 3, bytes: 9 });
        after.cells.insert(cell(2), tally(1));
        let new = BTreeMap::from([(cell(1), Tally { calls: 2, bytes: 2 }), (cell(2), tally(1))]);
        assert_eq!(after.since(&before).cells, new);
        assert!(after.since(&after).cells.is_empty());
    }
}
