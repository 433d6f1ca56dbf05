//! The time in which a run is counted.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use zc_common::Group;

use super::{Engine, Sample};
use crate::transfer::{payload::Payload, session};

/// What was counted while a window was open.
pub struct Counted {
    /// By group.
    pub samples: BTreeMap<Group, Sample>,
    /// Counts lost meanwhile; `None` where the kernel does not tell.
    pub lost: Option<u64>,
}

/// Arms the engine before a run and disarms it after.
pub struct Window<'a> {
    engine: &'a mut Engine,
    groups: &'a [Group],
    cold: Option<&'a Payload>,
    misses: Option<u64>,
    counted: Option<Counted>,
}

impl<'a> Window<'a> {
    /// Counts for `groups`; drops the payload from the page cache first when `cold` names it.
    pub fn new(engine: &'a mut Engine, groups: &'a [Group], cold: Option<&'a Payload>) -> Self {
        Self { engine, groups, cold, misses: None, counted: None }
    }

    /// What was counted, once it is closed.
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
        self.engine.arm(self.groups)
    }

    fn close(&mut self) -> Result<()> {
        let samples = self.engine.disarm()?;
        let misses = self.engine.probes().recursion_misses()?;
        let lost = misses.zip(self.misses).map(|(after, before)| after - before);
        self.counted = Some(Counted { samples, lost });
        Ok(())
    }
}
