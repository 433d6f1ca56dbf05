//! Which ways through the kernel a side's bytes were copied on.

use serde::Serialize;

use super::{Copied, SideReport, StyleReport};
use crate::{
    expect::Side,
    probes::catalogue::Direction,
    stacks::{CopyStacks, Names, PathTree, StackSample, copy_stacks},
};

/// The ways of one side, beyond those of an empty payload.
#[derive(Clone, Debug, Serialize)]
pub struct SideStacks {
    /// Whose.
    pub side: Side,
    /// The ways.
    #[serde(flatten)]
    pub stacks: CopyStacks,
    /// The same ways, put together.
    #[serde(skip)]
    pub tree: PathTree,
}

/// The ways of traced processes.
#[derive(Clone, Debug, Serialize)]
pub struct TraceStacks {
    /// The ways.
    #[serde(flatten)]
    pub stacks: CopyStacks,
    /// The same ways, put together.
    #[serde(skip)]
    pub tree: PathTree,
}

/// Derives the ways of traced processes from their stacks, and compares them with what their sites
/// counted. None where no copies were observed, which is not to say that there were none.
pub fn trace_stacks(
    sample: &StackSample,
    copied: &Copied<u64>,
    names: &Names<'_>,
) -> Option<TraceStacks> {
    let mut stacks = copy_stacks(sample, None, names);
    compare(&mut stacks, copied);
    let unknown = Direction::ALL.iter().filter(|direction| copied.get(**direction).is_none());
    match unknown.count() {
        0 => {}
        3 if stacks.paths.is_empty() => return None,
        _ => stacks.lacks("not all copies were observed".into()),
    }
    let tree = PathTree::of(&stacks.paths);
    Some(TraceStacks { stacks, tree })
}

/// Says what `stacks` lack of the bytes that were `copied`.
fn compare(stacks: &mut CopyStacks, copied: &Copied<u64>) {
    for direction in Direction::ALL {
        let on_ways = stacks.copied(direction);
        match copied.get(direction) {
            Some(copied) if copied != on_ways && stacks.complete => {
                stacks
                    .lacks(format!("{copied} bytes were copied, {on_ways} of them on known ways"));
            }
            _ => {}
        }
    }
}

/// Derives the ways of `side` from the stacks of a run and those of the empty run, and compares them
/// with what its sites counted.
pub fn side_stacks(
    side: Side,
    report: &SideReport,
    run: &StackSample,
    empty: &StackSample,
    names: &Names<'_>,
) -> SideStacks {
    let mut stacks = copy_stacks(run, Some(empty), names);
    compare(&mut stacks, &report.copied);
    let tree = PathTree::of(&stacks.paths);
    SideStacks { side, stacks, tree }
}

/// The ways of all styles: each begins with the style and the side.
pub fn all(styles: &[StyleReport]) -> PathTree {
    let runs = styles.iter().filter_map(|style| Some((style, style.run()?)));
    let sides = runs.flat_map(|(style, run)| run.stacks.iter().map(move |side| (style, side)));
    PathTree::new(sides.flat_map(|(style, side)| {
        let whose = vec![style.style, side.side.name()];
        side.stacks.paths.iter().map(move |path| (whose.clone(), path))
    }))
}
