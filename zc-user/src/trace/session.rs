//! The time in which a target is counted.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context, Result};
use zc_common::Group;

use crate::{
    measure::{Breakdown, Engine, Loss, Sample},
    probes::misses::Misses,
    result::{
        stacks::trace_stacks,
        trace::{self, Run, TraceReport},
    },
    stacks::{Names, StackCounts, Symbols, read_stacks, stack_counts},
};

const GROUPS: [Group; 2] = [Group::FIRST, Group::MACHINE];

/// Everything counted up to a moment.
struct Reading {
    at: Instant,
    samples: BTreeMap<Group, Sample>,
    breakdown: Breakdown,
    misses: Misses,
}

/// A run that is being counted.
pub(super) struct Session {
    engine: Engine,
    target: String,
    threads: bool,
    start: Reading,
    /// The end of the last interval.
    last: Option<Reading>,
    intervals: u64,
    /// The stacks before, and the kernel's names, where stacks are taken.
    stacks: Option<(StackCounts, Symbols)>,
}

impl Session {
    /// Starts counting.
    pub(super) fn open(mut engine: Engine, target: String, threads: bool) -> Result<Self> {
        let probes = engine.probes();
        let misses = probes.recursion_misses()?;
        let breakdown = engine.breakdown()?;
        let before = probes.stacks.then(|| stack_counts(probes)).transpose()?;
        let stacks = before.map(|before| (before, Symbols::of_kernel()));
        engine.arm(&GROUPS)?;
        let samples = GROUPS.map(|group| (group, Sample::default())).into();
        let start = Reading { at: Instant::now(), samples, breakdown, misses };
        Ok(Self { engine, target, threads, start, last: None, intervals: 0, stacks })
    }

    /// What came since the last interval, or the start.
    pub(super) fn interval(&mut self) -> Result<TraceReport> {
        let samples = self.engine.so_far()?;
        let now = self.reading(samples)?;
        self.intervals += 1;
        let run = Run { interval: Some(self.intervals), ..Run::of(&self.target) };
        let report = self.report(self.last.as_ref().unwrap_or(&self.start), &now, run);
        self.last = Some(now);
        report
    }

    /// Stops counting; what came in the whole run, and what is still attached.
    pub(super) fn close(
        mut self,
        why: String,
        exit_status: Option<i32>,
    ) -> Result<(TraceReport, Engine)> {
        let samples = self.engine.disarm()?;
        let end = self.reading(samples)?;
        let run = Run { ended: Some(why), exit_status, ..Run::of(&self.target) };
        let mut report = self.report(&self.start, &end, run)?;
        if let Some((before, symbols)) = &self.stacks {
            let probes = self.engine.probes();
            let mut stacks = read_stacks(probes, &[Group::FIRST], before)?;
            let sample = stacks.remove(&Group::FIRST).unwrap_or_default();
            let names = Names { symbols, functions: &probes.functions };
            report.stacks = trace_stacks(&sample, &report.total.copied, &names);
        }
        Ok((report, self.engine))
    }

    fn reading(&self, samples: BTreeMap<Group, Sample>) -> Result<Reading> {
        let misses = self.engine.probes().recursion_misses()?;
        let breakdown = self.engine.breakdown()?;
        Ok(Reading { at: Instant::now(), samples, breakdown, misses })
    }

    fn report(&self, before: &Reading, after: &Reading, run: Run) -> Result<TraceReport> {
        let probes = self.engine.probes();
        let sample = |group| {
            let counted = |reading: &Reading| {
                reading.samples.get(&group).cloned().context("the counters of a group are missing")
            };
            anyhow::Ok(counted(after)?.since(&counted(before)?))
        };
        let (total, machine) = (sample(Group::FIRST)?, sample(Group::MACHINE)?);
        let loss = Loss {
            untold: after.misses == Misses::Untold,
            recursion_misses: after.misses.since(&before.misses),
            unfollowed_children: total.unfollowed,
            forgotten_owners: total.forgotten_owners,
            unlisted_counts: total.unlisted,
        };
        let elapsed = after.at.duration_since(before.at).as_secs_f64();
        let live = run.interval.is_some();
        Ok(trace::report(&trace::Input {
            run: Run { elapsed_seconds: elapsed, ..run },
            total: &total,
            machine: &machine,
            breakdown: &after.breakdown.since(&before.breakdown),
            loss: &loss,
            statuses: &probes.sites,
            meters: &probes.meters,
            live,
            threads: self.threads,
        }))
    }
}
