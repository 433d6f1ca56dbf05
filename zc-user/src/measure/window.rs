//! The time in which a run is counted.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use zc_common::Group;

use super::{Engine, Loss, Sample};
use crate::{
    probes::misses::Misses,
    stacks::{StackCounts, StackSample, read_stacks, stack_counts},
    transfer::{payload::Payload, session},
};

/// What was counted while a window was open.
pub struct Counted {
    /// By group.
    pub samples: BTreeMap<Group, Sample>,
    /// Counts lost meanwhile.
    pub loss: Loss,
    /// By group, where the probes take stacks. What is lost of them is in no other count's `loss`.
    pub stacks: BTreeMap<Group, StackSample>,
}

/// Arms the engine before a run and disarms it after.
pub struct Window<'a> {
    engine: &'a mut Engine,
    groups: &'a [Group],
    cold: Option<&'a Payload>,
    misses: Misses,
    stacks: StackCounts,
    counted: Option<Counted>,
}

impl<'a> Window<'a> {
    /// Counts for `groups`; drops the payload from the page cache first when `cold` names it.
    pub fn new(engine: &'a mut Engine, groups: &'a [Group], cold: Option<&'a Payload>) -> Self {
        let (misses, stacks) = (Misses::Untold, StackCounts::default());
        Self { engine, groups, cold, misses, stacks, counted: None }
    }

    /// What was counted, once it is closed.
    ///
    /// # Errors
    /// When it was never closed.
    pub fn counted(self) -> Result<Counted> {
        self.counted.context("the run was not counted")
    }
}

impl session::Window for Window<'_> {
    fn open(&mut self) -> Result<()> {
        if let Some(payload) = self.cold {
            payload.make_cold()?;
        }
        self.misses = self.engine.probes().recursion_misses()?;
        self.stacks = stack_counts(self.engine.probes())?;
        self.engine.arm(self.groups)
    }

    fn close(&mut self) -> Result<()> {
        let samples = self.engine.disarm()?;
        let misses = self.engine.probes().recursion_misses()?;
        let stacks = read_stacks(self.engine.probes(), self.groups, &self.stacks)?;
        let sum = |of: fn(&Sample) -> u64| samples.values().map(of).sum();
        let loss = Loss {
            untold: misses == Misses::Untold,
            recursion_misses: misses.since(&self.misses),
            unfollowed_children: sum(|sample| sample.unfollowed),
            forgotten_owners: sum(|sample| sample.forgotten_owners),
            unlisted_counts: sum(|sample| sample.unlisted),
        };
        self.counted = Some(Counted { samples, loss, stacks });
        Ok(())
    }
}
