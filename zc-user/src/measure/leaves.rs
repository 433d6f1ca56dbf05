//! The time in which a run is counted at its leaves.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aya::maps::PerCpuArray;
use zc_common::{Group, IterClass, Leaf, LeafCounters, Tally};

use super::{Engine, Loss};
use crate::{
    probes::{
        audit::{Watch, watch},
        leaves::{Found, Method},
        misses::Misses,
    },
    transfer::{payload::Payload, session},
};

/// What one group did at the leaves: a raw sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeafSample {
    /// By leaf and iterator; only those that were passed. The calls are runs of the leaf's program.
    pub tallies: BTreeMap<(Leaf, IterClass), Tally>,
    /// By leaf: how often its breakpoints were hit, by the kernel's own count. A kprobe has none.
    pub hits: BTreeMap<Leaf, u64>,
}

impl LeafSample {
    /// How often the program of `leaf` ran and counted.
    pub fn runs(&self, leaf: Leaf) -> u64 {
        let of = self.tallies.iter().filter(|((passed, _), _)| *passed == leaf);
        of.map(|(_, tally)| tally.calls).sum()
    }
}

/// What was counted at the leaves while a window was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedLeaves {
    /// By group.
    pub samples: BTreeMap<Group, LeafSample>,
    /// Runs of kprobes that the kernel skipped. Of breakpoints it never tells: compare hits and runs.
    pub loss: Loss,
}

/// Watches some leaves in some processes while it is open.
pub struct LeafWindow<'a> {
    engine: &'a mut Engine,
    method: Method,
    leaves: &'a [Found],
    processes: &'a [(u32, Group)],
    cold: Option<&'a Payload>,
    misses: Misses,
    watches: Vec<Watch>,
    before: BTreeMap<Group, LeafCounters>,
    counted: Option<CountedLeaves>,
}

impl<'a> LeafWindow<'a> {
    /// For `leaves` in `processes`, which the engine watches already, by the `method` that they were
    /// loaded for; drops the payload from the page cache first when `cold` names it.
    pub fn new(
        engine: &'a mut Engine,
        method: Method,
        leaves: &'a [Found],
        processes: &'a [(u32, Group)],
        cold: Option<&'a Payload>,
    ) -> Self {
        Self {
            engine,
            method,
            leaves,
            processes,
            cold,
            misses: Misses::Untold,
            watches: Vec::new(),
            before: BTreeMap::new(),
            counted: None,
        }
    }

    /// What was counted, once it is closed.
    ///
    /// # Errors
    /// When it was never closed.
    pub fn counted(self) -> Result<CountedLeaves> {
        self.counted.context("the run was not counted")
    }

    /// What the kernel tells of skipped kprobes. A kernel without the check of the other programs
    /// still has that of kprobes (`trace_call_bpf`, kernel/trace/bpf_trace.c), and is silent about it.
    fn loss(&self, misses: &Misses) -> Loss {
        if self.method == Method::Breakpoint {
            return Loss::default();
        }
        let mut recursion_misses = misses.since(&self.misses);
        let programs: Vec<_> =
            self.leaves.iter().map(|leaf| self.method.program(leaf.entry)).collect();
        recursion_misses.retain(|missed, _| programs.contains(missed));
        let untold = !matches!(misses, Misses::Told(_));
        Loss { untold, recursion_misses, ..Loss::default() }
    }

    fn snapshot(&self) -> Result<BTreeMap<Group, LeafCounters>> {
        let map = self.engine.probes().ebpf.map("LEAVES").context("there is no map LEAVES")?;
        let counters: PerCpuArray<_, LeafCounters> = map.try_into()?;
        self.processes
            .iter()
            .map(|(_, group)| {
                let mut sum = LeafCounters::default();
                for cpu in counters.get(&u32::from(group.index()), 0)?.iter() {
                    add(&mut sum, cpu);
                }
                Ok((*group, sum))
            })
            .collect::<Result<_>>()
            .context("cannot read the counters of the leaves")
    }
}

impl session::Window for LeafWindow<'_> {
    fn open(&mut self) -> Result<()> {
        if let Some(payload) = self.cold {
            payload.make_cold()?;
        }
        if self.method == Method::Breakpoint {
            self.watches = watch(&self.engine.probes().ebpf, self.leaves, self.processes)?;
        }
        self.misses = self.engine.probes().recursion_misses()?;
        self.before = self.snapshot()?;
        let groups: Vec<_> = self.processes.iter().map(|(_, group)| *group).collect();
        self.engine.arm(&groups)
    }

    fn close(&mut self) -> Result<()> {
        self.engine.disarm()?;
        let after = self.snapshot()?;
        let mut samples: BTreeMap<Group, LeafSample> = after
            .iter()
            .map(|(group, after)| {
                let tallies = difference(after, &self.before[group]);
                (*group, LeafSample { tallies, hits: BTreeMap::new() })
            })
            .collect();
        for watch in self.watches.drain(..) {
            let sample = samples.get_mut(&watch.group).context("a breakpoint of no group")?;
            *sample.hits.entry(watch.leaf).or_default() += watch.hits()?;
        }
        let misses = self.engine.probes().recursion_misses()?;
        self.counted = Some(CountedLeaves { samples, loss: self.loss(&misses) });
        Ok(())
    }
}

fn add(sum: &mut LeafCounters, cpu: &LeafCounters) {
    for (sum, cpu) in sum.leaves.as_flattened_mut().iter_mut().zip(cpu.leaves.as_flattened()) {
        *sum += *cpu;
    }
}

fn difference(after: &LeafCounters, before: &LeafCounters) -> BTreeMap<(Leaf, IterClass), Tally> {
    let mut passed = BTreeMap::new();
    for (leaf, class) in
        Leaf::ALL.iter().flat_map(|leaf| IterClass::ALL.map(|class| (*leaf, class)))
    {
        let of = |counters: &LeafCounters| counters.leaves[leaf as usize][class as usize];
        let (after, before) = (of(after), of(before));
        if after != before {
            passed.insert((leaf, class), after - before);
        }
    }
    passed
}
