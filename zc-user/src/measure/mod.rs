//! Raw counts: watch processes, arm, disarm, read.

mod breakdown;
mod calibrate;
mod leaves;
mod loss;
mod meters;
pub mod sockopt;
mod window;

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use aya::maps::{Array, PerCpuArray};
use serde::Serialize;
use zc_common::{Counters, Event, Group, IterClass, PID_SLOTS, Site, Tally};

use crate::{
    kernel::syscalls::returns_bytes,
    probes::attach::{Probes, Status},
};

pub use breakdown::Breakdown;
pub use calibrate::{Findings, Miscount, calibrate};
pub use leaves::{CountedLeaves, LeafSample, LeafWindow};
pub use loss::Loss;
pub use meters::{BlockIo, ByMode, ContextSwitches, Meters};
pub use window::{Counted, Window};

/// The counters of one group over one run: a raw sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// By system call number; only those that were called. Bytes only of calls that return bytes.
    pub syscalls: BTreeMap<usize, Tally>,
    /// By site and iterator; only those that were passed.
    pub sites: BTreeMap<(Site, IterClass), Tally>,
    /// Page faults taken in user mode.
    pub faults_user: u64,
    /// Page faults taken in kernel mode.
    pub faults_kernel: u64,
    /// Processes and threads started, programs started in them, and tasks ended.
    pub tasks: Tasks,
    /// Children that could not be followed.
    pub unfollowed: u64,
    /// Counts that the breakdown had no room for.
    pub unlisted: u64,
    /// Sockets whose owner was forgotten.
    pub forgotten_owners: u64,
    /// What no formula predicts.
    pub meters: Meters,
}

/// The life of the tasks of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// Processes and threads that a task of the group started.
    pub forks: u64,
    /// `execve` calls that succeeded.
    pub execs: u64,
    /// Tasks that ended.
    pub exits: u64,
}

impl Sample {
    /// What came after `before`. Counters only grow.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            syscalls: since(&self.syscalls, &before.syscalls),
            sites: since(&self.sites, &before.sites),
            faults_user: self.faults_user - before.faults_user,
            faults_kernel: self.faults_kernel - before.faults_kernel,
            tasks: Tasks {
                forks: self.tasks.forks - before.tasks.forks,
                execs: self.tasks.execs - before.tasks.execs,
                exits: self.tasks.exits - before.tasks.exits,
            },
            unfollowed: self.unfollowed - before.unfollowed,
            unlisted: self.unlisted - before.unlisted,
            forgotten_owners: self.forgotten_owners - before.forgotten_owners,
            meters: self.meters.since(&before.meters),
        }
    }

    /// Returns of system calls.
    pub fn syscall_count(&self) -> u64 {
        self.syscalls.values().map(|tally| tally.calls).sum()
    }
}

/// The section of the kernel half that holds its switch.
const ARMED: &str = ".data.armed";

/// All counters since loading, of every CPU, by group.
struct Snapshot(BTreeMap<Group, Box<Counters>>);

/// The loaded probes and their counters.
pub struct Engine {
    probes: Probes,
    before: Option<Snapshot>,
}

impl Engine {
    /// Counts with `probes`, nothing yet.
    pub fn new(probes: Probes) -> Self {
        Self { probes, before: None }
    }

    /// What is attached.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Does not rely on the sites that miscount.
    pub fn distrust(&mut self, miscounts: &[Miscount]) {
        for Miscount { site, moved, counted } in miscounts {
            let status = &mut self.probes.sites[*site as usize];
            if let Status::Attached { function } = *status {
                *status = Status::Miscounts { function, moved: *moved, counted: *counted };
            }
        }
    }

    /// Puts process `pid`, and whatever it starts from now on, into `group`; [`Group::MACHINE`]
    /// ends that.
    ///
    /// # Errors
    /// When `pid` is [`PID_SLOTS`] or more, and those of [`Probes::set_group`].
    pub fn watch(&mut self, pid: u32, group: Group) -> Result<()> {
        if pid >= PID_SLOTS {
            return Err(anyhow!("process id {pid} is out of range"));
        }
        self.probes.set_group(pid, group.index()).context("cannot mark the process as traced")
    }

    /// Starts counting for `groups`.
    ///
    /// # Errors
    /// When the kernel does not let a counter be read or the switch be set.
    pub fn arm(&mut self, groups: &[Group]) -> Result<()> {
        self.before = Some(self.snapshot(groups)?);
        self.set_armed(1)
    }

    /// Stops counting and gives what was counted since [`Engine::arm`], by group.
    ///
    /// # Errors
    /// When nothing was armed, or as for [`Engine::arm`].
    pub fn disarm(&mut self) -> Result<BTreeMap<Group, Sample>> {
        self.set_armed(0)?;
        self.probes.log.flush();
        let before = self.before.take().context("disarmed before it was armed")?;
        self.since(&before)
    }

    /// What was counted since [`Engine::arm`], while counting goes on.
    ///
    /// # Errors
    /// When nothing was armed, or the counters cannot be read.
    pub fn so_far(&self) -> Result<BTreeMap<Group, Sample>> {
        let before = self.before.as_ref().context("read before it was armed")?;
        self.since(before)
    }

    fn since(&self, before: &Snapshot) -> Result<BTreeMap<Group, Sample>> {
        let groups: Vec<_> = before.0.keys().copied().collect();
        let after = self.snapshot(&groups)?;
        let pairs = after.0.iter().zip(before.0.values());
        Ok(pairs.map(|((group, after), before)| (*group, difference(after, before))).collect())
    }

    fn set_armed(&mut self, armed: u32) -> Result<()> {
        let map = self.probes.ebpf.map_mut(ARMED).context("the BPF object has no switch")?;
        let mut switch: Array<_, u32> = map.try_into()?;
        switch.set(0, armed, 0).context("cannot arm the counters")
    }

    fn snapshot(&self, groups: &[Group]) -> Result<Snapshot> {
        let map = self.probes.ebpf.map("COUNTERS").context("the BPF object has no map COUNTERS")?;
        let counters: PerCpuArray<_, Counters> = map.try_into()?;
        groups
            .iter()
            .map(|group| {
                let mut sum = Box::<Counters>::default();
                for cpu in counters.get(&u32::from(group.index()), 0)?.iter() {
                    add(&mut sum, cpu);
                }
                Ok((*group, sum))
            })
            .collect::<Result<_>>()
            .map(Snapshot)
            .context("cannot read the counters")
    }
}

/// The tallies that have grown, and by how much.
fn since<K: Ord + Copy>(
    after: &BTreeMap<K, Tally>,
    before: &BTreeMap<K, Tally>,
) -> BTreeMap<K, Tally> {
    let grown = after
        .iter()
        .map(|(key, tally)| (*key, *tally - before.get(key).copied().unwrap_or_default()));
    grown.filter(|(_, tally)| *tally != Tally::default()).collect()
}

fn add(sum: &mut Counters, cpu: &Counters) {
    let tallies = sum.syscalls.iter_mut().chain(sum.sites.as_flattened_mut());
    for (sum, cpu) in tallies.zip(cpu.syscalls.iter().chain(cpu.sites.as_flattened())) {
        *sum += *cpu;
    }
    for (sum, cpu) in sum.events.iter_mut().zip(cpu.events) {
        *sum += cpu;
    }
}

/// Counters only grow, so plain subtraction holds.
fn difference(after: &Counters, before: &Counters) -> Sample {
    let event = |event: Event| after.events[event as usize] - before.events[event as usize];
    let mut sites = BTreeMap::new();
    for site in Site::ALL {
        for class in IterClass::ALL {
            let (s, c) = (site as usize, class as usize);
            let tally = after.sites[s][c] - before.sites[s][c];
            if tally != Tally::default() {
                sites.insert((site, class), tally);
            }
        }
    }
    let syscall = |nr: usize| {
        let mut tally = after.syscalls[nr] - before.syscalls[nr];
        if !returns_bytes(nr) {
            tally.bytes = 0;
        }
        (nr, tally)
    };
    Sample {
        syscalls: (0..after.syscalls.len())
            .map(syscall)
            .filter(|(_, tally)| *tally != Tally::default())
            .collect(),
        sites,
        faults_user: event(Event::PageFaultUser),
        faults_kernel: event(Event::PageFaultKernel),
        tasks: Tasks {
            forks: event(Event::Fork),
            execs: event(Event::Exec),
            exits: event(Event::Exit),
        },
        unfollowed: event(Event::Unfollowed),
        unlisted: event(Event::Unlisted),
        forgotten_owners: event(Event::OwnerForgotten),
        meters: Meters::from_events(|index| after.events[index] - before.events[index]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_difference_summed_over_cpus() {
        let mut cpu = Counters::default();
        cpu.syscalls[1] = Tally { calls: 2, bytes: 10 };
        cpu.sites[Site::FilemapRead as usize][IterClass::User as usize] =
            Tally { calls: 1, bytes: 7 };
        cpu.events[Event::PageFaultUser as usize] = 3;
        let mut before = Counters::default();
        add(&mut before, &cpu);
        let mut after = before;
        add(&mut after, &cpu);
        add(&mut after, &cpu);

        let sample = difference(&after, &before);
        assert_eq!(sample.syscalls, BTreeMap::from([(1, Tally { calls: 4, bytes: 20 })]));
        let site = (Site::FilemapRead, IterClass::User);
        assert_eq!(sample.sites, BTreeMap::from([(site, Tally { calls: 2, bytes: 14 })]));
        assert_eq!((sample.faults_user, sample.faults_kernel), (6, 0));
        assert_eq!(sample.syscall_count(), 4);
    }
}
