//! Raw stacks: addresses, and what passed by them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aya::maps::{Array, HashMap, StackTraceMap};
use zc_common::{
    Group, IterClass, PROBE_FRAMES, STACK_LOSS_SLOTS, Site, StackKey, StackLoss, Tally,
};

use crate::probes::attach::Probes;

/// One way to a site, and what passed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedStack {
    /// Return addresses, the innermost first. At most 127, the innermost ones
    /// (`PERF_MAX_STACK_DEPTH`, include/uapi/linux/perf_event.h).
    pub frames: Vec<u64>,
    /// How many of them, at the beginning, are the probe's.
    pub probe_frames: usize,
    /// Where the way ends.
    pub site: Site,
    /// What the bytes were copied through.
    pub class: IterClass,
    /// Passes and their bytes; passes without a byte are not among them.
    pub tally: Tally,
}

/// The stacks of one group over one run: a raw sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackSample {
    /// In no order that means anything.
    pub stacks: Vec<CountedStack>,
    /// What passed, at any site, and has no stack; only causes that happened.
    pub lost: BTreeMap<StackLoss, Tally>,
}

/// What the kernel half has counted by stack since loading.
#[derive(Clone, Debug, Default)]
pub struct StackCounts {
    passed: BTreeMap<StackKey, Tally>,
    /// By [`StackLoss::slot`].
    lost: Vec<Tally>,
}

impl StackCounts {
    fn lost(&self, group: Group, cause: StackLoss) -> Tally {
        let slot = cause.slot(group.index()) as usize;
        self.lost.get(slot).copied().unwrap_or_default()
    }
}

/// What has been counted until now; nothing where `probes` take no stacks.
///
/// # Errors
/// When the kernel does not let the maps be read.
pub fn stack_counts(probes: &Probes) -> Result<StackCounts> {
    if !probes.stacks {
        return Ok(StackCounts::default());
    }
    let passed = probes.ebpf.map("STACK_BYTES").context("there is no map STACK_BYTES")?;
    let passed: HashMap<_, StackKey, Tally> = passed.try_into()?;
    let lost = probes.ebpf.map("STACK_LOSS").context("there is no map STACK_LOSS")?;
    let lost: Array<_, Tally> = lost.try_into()?;
    Ok(StackCounts {
        passed: passed.iter().collect::<Result<_, _>>().context("cannot read the stacks")?,
        lost: (0..STACK_LOSS_SLOTS)
            .map(|slot| lost.get(&slot, 0))
            .collect::<Result<_, _>>()
            .context("cannot read what has no stack")?,
    })
}

/// What has been counted since `before`, for each of `groups`; no groups where `probes` take no stacks.
/// Counters only grow, so this can be asked at any time, also while counting goes on.
///
/// # Errors
/// When the kernel does not let the maps be read.
pub fn read_stacks(
    probes: &Probes,
    groups: &[Group],
    before: &StackCounts,
) -> Result<BTreeMap<Group, StackSample>> {
    if !probes.stacks {
        return Ok(BTreeMap::new());
    }
    let after = stack_counts(probes)?;
    let traces = probes.ebpf.map("STACKS").context("there is no map STACKS")?;
    let traces = StackTraceMap::try_from(traces)?;
    let frames = |number: u32| -> Result<Vec<u64>> {
        let trace = traces.get(&number, 0).context("cannot read a stack")?;
        Ok(trace.frames().iter().map(|frame| frame.ip).collect())
    };
    groups.iter().map(|group| Ok((*group, difference(*group, &after, before, frames)?))).collect()
}

fn difference(
    group: Group,
    after: &StackCounts,
    before: &StackCounts,
    frames: impl Fn(u32) -> Result<Vec<u64>>,
) -> Result<StackSample> {
    let mut sample = StackSample::default();
    for (key, tally) in after.passed.iter().filter(|(key, _)| key.group == group.index()) {
        let tally = *tally - before.passed.get(key).copied().unwrap_or_default();
        if tally == Tally::default() {
            continue;
        }
        sample.stacks.push(CountedStack {
            frames: frames(key.stack)?,
            probe_frames: PROBE_FRAMES.saturating_sub(key.skipped).into(),
            site: *Site::ALL.get(usize::from(key.site)).context("a stack of no site")?,
            class: *IterClass::ALL.get(usize::from(key.class)).context("a stack of no class")?,
            tally,
        });
    }
    for cause in StackLoss::ALL {
        let tally = after.lost(group, cause) - before.lost(group, cause);
        if tally != Tally::default() {
            sample.lost.insert(cause, tally);
        }
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_what_came_since_for_its_group() {
        let tally = |calls, bytes| Tally { calls, bytes };
        let key = |stack, group| StackKey {
            stack,
            site: Site::TcpSendmsg as u8,
            class: 0,
            group,
            skipped: u8::from(stack == 2),
        };
        let lost = |collisions| {
            let mut lost = vec![Tally::default(); STACK_LOSS_SLOTS as usize];
            lost[StackLoss::Collision.slot(1) as usize] = tally(collisions, 10 * collisions);
            lost[StackLoss::NoRoom.slot(2) as usize] = tally(7, 7);
            lost
        };
        let before = StackCounts {
            passed: BTreeMap::from([(key(1, 1), tally(1, 5)), (key(3, 1), tally(9, 9))]),
            lost: lost(1),
        };
        let passed = [(1, 1, 3, 25), (2, 1, 1, 4), (3, 1, 9, 9), (1, 2, 8, 8)];
        let passed =
            passed.map(|(stack, group, calls, bytes)| (key(stack, group), tally(calls, bytes)));
        let after = StackCounts { passed: BTreeMap::from(passed), lost: lost(3) };

        let group = Group::traced(1).unwrap();
        let frames = |number: u32| Ok(vec![u64::from(number)]);
        let sample = difference(group, &after, &before, frames).unwrap();
        let stack = |number, probe_frames, tally| CountedStack {
            frames: vec![number],
            probe_frames,
            site: Site::TcpSendmsg,
            class: IterClass::User,
            tally,
        };
        assert_eq!(sample.stacks, [stack(1, 3, tally(2, 20)), stack(2, 2, tally(1, 4))]);
        assert_eq!(sample.lost, BTreeMap::from([(StackLoss::Collision, tally(2, 20))]));
    }
}
