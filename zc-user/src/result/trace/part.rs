//! The numbers of some threads together.

use std::collections::{BTreeMap, BTreeSet};

use zc_common::{Cell, Event, IterClass, Kind, Site, Tally, TaskId};

use super::{CallReport, Flow, Input, Totals, flows};
use crate::{
    kernel::syscalls,
    measure::{Loss, Meters, Sample, Tasks},
    probes::{
        attach::{Status, probes_functions},
        catalogue::{Direction, Effect, SITES, entry},
    },
    result::{Copied, Coverage, PageFaults, SiteReport, derive, meters},
};

/// Bytes by site and kind of iterator.
pub(super) type Sites = BTreeMap<(Site, IterClass), Tally>;

/// The counts of each system call between two kinds of file.
pub(super) type ByFlow = BTreeMap<(u16, u8, u8), Vec<(Cell, Tally)>>;

/// What can be relied on.
pub(super) struct View<'a> {
    /// By [`Site`].
    pub(super) statuses: &'a [Status],
    /// By row of the meters' table.
    pub(super) meters: &'a [Status],
    /// Counts lost.
    pub(super) loss: &'a Loss,
    /// Sites that this kernel has and that were not, or not always, counted; and why.
    pub(super) unreliable: BTreeMap<Site, String>,
    /// Whether counting went on meanwhile.
    pub(super) live: bool,
}

impl<'a> View<'a> {
    /// Of probes that lost so much.
    pub(super) fn new(input: &Input<'a>, loss: &'a Loss) -> Self {
        let Input { statuses, meters, live, .. } = *input;
        let mut unreliable = BTreeMap::new();
        for (row, status) in SITES.iter().zip(statuses) {
            let why = match status {
                Status::Attached { .. } => loss.of_program(row.program),
                Status::Absent | Status::Unneeded => None,
                Status::Refused { function, .. } => Some(format!("the kernel refused {function}")),
                Status::Miscounts { function, .. } => Some(format!("{function} counts wrong here")),
                Status::Disabled => Some(format!("{} is left out", row.program)),
            };
            unreliable.extend(why.map(|why| (row.site, why)));
        }
        Self { statuses, meters, loss, unreliable, live }
    }

    /// Why bytes copied in `direction` may be missing.
    pub(super) fn unseen(&self, direction: Direction) -> Option<&str> {
        let feeds = |site: &Site| {
            IterClass::ALL.map(entry(*site).effect).iter().any(
                |effect| matches!(effect, Effect::Copy(d) | Effect::Spared(d) if *d == direction),
            )
        };
        let mut lacking = self.unreliable.iter().filter(|(site, _)| feeds(site));
        lacking.next().map(|(_, why)| why.as_str())
    }

    /// Everything that was not counted, a line each: one where nothing could be.
    pub(super) fn all_unseen(&self) -> Vec<String> {
        if let Some(why) = self.bare() {
            let copies = "copies, but those to receivers of sockets";
            return vec![format!("{copies}: {why}; zc doctor says what this machine allows")];
        }
        let mut lines: Vec<_> = self.unreliable.values().cloned().collect();
        lines.dedup();
        lines
    }

    /// Why not one kernel function is probed, where that is so.
    pub(super) fn bare(&self) -> Option<String> {
        if probes_functions(self.statuses) {
            return None;
        }
        let refused = self.statuses.iter().find_map(|status| match status {
            Status::Refused { function, reason } => {
                Some(format!("the kernel refused {function}: {reason}"))
            }
            _ => None,
        });
        let reason = refused.unwrap_or_else(|| "they are left out".into());
        Some(format!("no kernel function is probed ({reason})"))
    }

    /// Why the returns of system calls may be missing.
    pub(super) fn unreturned(&self) -> Option<String> {
        self.loss.of_returns()
    }
}

/// The counts of some threads, without their owners.
#[derive(Default)]
pub(super) struct Part(BTreeMap<Cell, Tally>);

impl Part {
    /// The sum of `cells`.
    pub(super) fn of<'a>(cells: impl Iterator<Item = (&'a Cell, &'a Tally)>) -> Self {
        let mut sum = BTreeMap::<_, Tally>::new();
        for (cell, tally) in cells {
            *sum.entry(Cell { task: TaskId::NOBODY, ..*cell }).or_default() += *tally;
        }
        Self(sum)
    }

    /// Those of system calls and sites, by call and ends.
    pub(super) fn by_flow(&self) -> ByFlow {
        let mut flows = ByFlow::new();
        for (cell, tally) in self.0.iter().filter(|(cell, _)| cell.what != Cell::EVENT) {
            flows.entry((cell.call, cell.source, cell.sink)).or_default().push((*cell, *tally));
        }
        flows
    }

    /// What passed each site.
    pub(super) fn sites(&self) -> Sites {
        sites(self.0.iter())
    }

    fn event(&self, index: usize) -> u64 {
        let of = self
            .0
            .iter()
            .filter(|(cell, _)| cell.what == Cell::EVENT && usize::from(cell.class) == index);
        // A tally of an event holds its value where a site's holds bytes.
        of.map(|(_, tally)| tally.bytes).sum()
    }

    /// Returns of system calls.
    pub(super) fn returns(&self) -> u64 {
        let of = self.0.iter().filter(|(cell, _)| cell.what == Cell::RETURN);
        of.map(|(_, tally)| tally.calls).sum()
    }

    /// The system calls, most bytes first.
    pub(super) fn calls(&self, view: &View<'_>) -> Vec<CallReport> {
        if view.loss.untold {
            return Vec::new();
        }
        let numbers: BTreeSet<_> = self.0.keys().map(|cell| cell.call).collect();
        let mut calls: Vec<_> =
            numbers.into_iter().filter_map(|number| self.call(number, view)).collect();
        calls.sort_by(|a, b| (b.bytes, b.calls, &a.name).cmp(&(a.bytes, a.calls, &b.name)));
        calls
    }

    fn call(&self, number: u16, view: &View<'_>) -> Option<CallReport> {
        let of = || self.0.iter().filter(move |(cell, _)| cell.call == number);
        let returns = || of().filter(|(cell, _)| cell.what == Cell::RETURN);
        let calls: u64 = returns().map(|(_, tally)| tally.calls).sum();
        let failed = returns().filter(|(cell, _)| cell.class == 1);
        let slot = usize::from(number);
        (calls > 0).then(|| CallReport {
            name: flows::call_name(number),
            calls,
            failed: failed.map(|(_, tally)| tally.calls).sum(),
            bytes: syscalls::returns_bytes(slot)
                .then(|| returns().map(|(_, tally)| tally.bytes).sum()),
            copied: copied(&sites(of()), view),
        })
    }

    /// Everything together.
    pub(super) fn totals(&self, view: &View<'_>, flows: &[Flow]) -> Totals {
        let event = |event: Event| self.event(event as usize);
        let sum = Sum {
            sites: self.sites(),
            meters: Meters::from_events(|index| self.event(index)),
            returns: self.returns(),
            faults: [event(Event::PageFaultUser), event(Event::PageFaultKernel)],
            tasks: Tasks {
                forks: event(Event::Fork),
                execs: event(Event::Exec),
                exits: event(Event::Exit),
            },
        };
        let mut totals = sum.totals(view);
        let told = !view.loss.untold;
        totals.coverage = (told && view.bare().is_none()).then(|| coverage(flows));
        totals.set_moved(told.then(|| moved(&self.by_flow())), view, flows);
        totals
    }
}

/// What some threads, or all, did together, whatever it was done to.
pub(super) struct Sum {
    sites: Sites,
    meters: Meters,
    returns: u64,
    /// In user mode, in the kernel.
    faults: [u64; 2],
    tasks: Tasks,
}

impl Sum {
    /// Of all: the counters that have room for everything.
    pub(super) fn of(sample: &Sample) -> Self {
        Self {
            sites: sample.sites.clone(),
            meters: sample.meters.clone(),
            returns: sample.syscall_count(),
            faults: [sample.faults_user, sample.faults_kernel],
            tasks: sample.tasks,
        }
    }

    /// Without what only flows tell.
    pub(super) fn totals(&self, view: &View<'_>) -> Totals {
        let told = !view.loss.untold;
        let returns = told.then_some(self.returns);
        let faults = told.then_some(self.faults);
        let [user, kernel] = [0, 1].map(|mode: usize| faults.map(|faults| faults[mode]));
        let input = meters::Input { counted: &self.meters, statuses: view.meters, loss: view.loss };
        Totals {
            moved_bytes: None,
            copied: copied(&self.sites, view),
            copies_per_byte: None,
            copies_per_byte_bounds: None,
            aside: view
                .unseen(Direction::KernelToKernel)
                .is_none()
                .then(|| derive::sum_of(&self.sites, |effect| matches!(effect, Effect::Aside(_)))),
            coverage: None,
            syscalls: returns,
            mode_switches: returns.zip(user).map(|(calls, faults)| 2 * (calls + faults)),
            switches: meters::switches(&input, returns, user),
            page_faults: PageFaults { user, kernel },
            tasks: self.tasks,
        }
    }
}

/// What passed each site, of some cells.
pub(super) fn sites<'a>(cells: impl Iterator<Item = (&'a Cell, &'a Tally)>) -> Sites {
    let mut sites = Sites::new();
    for (cell, tally) in cells {
        let site = Site::ALL.get(usize::from(cell.what));
        let class = IterClass::ALL.get(usize::from(cell.class));
        if let (Some(site), Some(class)) = (site, class) {
            *sites.entry((*site, *class)).or_default() += *tally;
        }
    }
    sites
}

/// Bytes copied at `sites`, where nothing that matters is missing.
pub(super) fn copied(sites: &Sites, view: &View<'_>) -> Copied<u64> {
    Copied::from_fn(|direction| match view.unseen(direction) {
        Some(_) => None,
        None => net(sites, direction),
    })
}

/// What the copying sites counted, less what was handed on inside them.
pub(super) fn net(sites: &Sites, direction: Direction) -> Option<u64> {
    let sum = |wanted| derive::sum_of(sites, |effect| effect == wanted);
    sum(Effect::Copy(direction)).checked_sub(sum(Effect::Spared(direction)))
}

/// The sites for a report.
pub(super) fn reports(sites: &Sites, view: &View<'_>) -> Vec<SiteReport> {
    derive::site_reports(sites.iter(), view.statuses)
}

/// All directions, if all are known.
pub(super) fn all(copied: Copied<u64>) -> Option<u64> {
    Direction::ALL.into_iter().map(|direction| copied.get(direction)).sum()
}

fn coverage(flows: &[Flow]) -> Coverage {
    let of = |part: fn(Coverage) -> u64| flows.iter().filter_map(|f| f.coverage).map(part).sum();
    Coverage::new(of(|coverage| coverage.returned_bytes), of(|coverage| coverage.explained_bytes))
}

impl Totals {
    /// Of several processes, whose `moved` bytes are the sum of each one's.
    pub(super) fn set_moved(&mut self, moved: Option<u64>, view: &View<'_>, flows: &[Flow]) {
        self.moved_bytes = moved;
        // Where returns are missing, so are bytes that were moved.
        let whole = moved.filter(|_| view.unreturned().is_none());
        self.copies_per_byte_bounds = bounds(whole, self.copied, flows);
        let exact = self.copies_per_byte_bounds.filter(|[low, high]| low == high);
        self.copies_per_byte = exact.map(|[low, _]| low);
    }
}

/// Copies for each byte moved, at least and at most.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people; the bytes are exact")]
fn bounds(moved: Option<u64>, copied: Copied<u64>, flows: &[Flow]) -> Option<[f64; 2]> {
    let (moved, copied) = (moved.filter(|moved| *moved > 0)?, all(copied)?);
    let missing = |coverage: Coverage| {
        // What was seen twice is as uncertain as what was not seen.
        coverage.returned_bytes.abs_diff(coverage.explained_bytes)
    };
    let unseen: u64 = flows.iter().filter_map(|flow| flow.coverage).map(missing).sum();
    Some([copied as f64 / moved as f64, (copied + unseen) as f64 / moved as f64])
}

/// See [`Totals::moved_bytes`].
fn moved(flows: &ByFlow) -> u64 {
    let outside = |kind: u8| kind != Kind::None as u8 && kind != Kind::Memory as u8;
    let pipe = Kind::Pipe as u8;
    let (mut inward, mut outward, mut into_pipes, mut out_of_pipes) = (0, 0, 0, 0);
    for ((call, source, sink), cells) in flows {
        let slot = usize::from(*call);
        if !syscalls::returns_bytes(slot) || syscalls::ends(slot) == 0 {
            continue;
        }
        let returns = cells.iter().filter(|(cell, _)| cell.what == Cell::RETURN);
        let bytes: u64 = returns.map(|(_, tally)| tally.bytes).sum();
        inward += if outside(*source) { bytes } else { 0 };
        outward += if outside(*sink) { bytes } else { 0 };
        let by_reference = syscalls::splices(slot);
        into_pipes += if by_reference && *sink == pipe { bytes } else { 0 };
        out_of_pipes += if by_reference && *source == pipe { bytes } else { 0 };
    }
    let within = into_pipes.min(out_of_pipes);
    (inward - within).max(outward - within)
}
