//! From raw samples to results.

use std::collections::BTreeMap;

use zc_common::{IterClass, Site, Tally};

use super::{
    Copied, Coverage, Line, MachineReport, PageFaults, RunReport, SideReport, SiteReport,
    SiteStatus, SyscallReport, meters,
};
use crate::{
    expect::{Cost, Guess, Quantity, Side, Verdict, term},
    kernel::syscalls,
    measure::{Loss, Sample},
    probes::{
        attach::{Status, sees},
        catalogue::{Direction, Effect, Job, SITES, entry},
    },
    transfer::session::{Delivered, OwnSide},
};

/// Copies that the network stack makes by itself, often in a softirq: of headers and of payload.
const IN_NETWORK_STACK: [Job; 4] = [Job::SkbOwn, Job::SkbGather, Job::SkbCsum, Job::SkbDuplicate];

/// Up to 5.11 the workers of a ring are the kernel's, and what they copy is on nobody's account.
const KERNEL_THREADS: &str = "io_uring's workers are no threads of the process here";

/// Bytes of a MiB.
const MIB: f64 = (1 << 20) as f64;

/// Why a number is absent.
type Unobserved = String;

/// Everything that a side's numbers come from.
pub struct SideInput<'a> {
    /// Which one.
    pub side: Side,
    /// Counted over the run.
    pub run: &'a Sample,
    /// Counted over the empty run: the fixed cost.
    pub empty: &'a Sample,
    /// What carries its bytes.
    pub jobs: &'a [Job],
    /// What theory says.
    pub cost: Cost,
    /// What it says of itself.
    pub own: OwnSide,
}

/// What the sides of a run have in common.
pub struct RunInput<'a> {
    /// Name of the style.
    pub style: &'static str,
    /// Payload bytes.
    pub bytes: u64,
    /// BLAKE3 of the payload.
    pub hash: &'a str,
    /// As user space saw it.
    pub delivered: &'a Delivered,
    /// By [`Site`].
    pub statuses: &'a [Status],
    /// By row of the meters' table.
    pub meters: &'a [Status],
    /// Counts lost during this run.
    pub loss: &'a Loss,
    /// Somebody's predictions in place of the formulas'.
    pub guesses: &'a [Guess],
    /// The group of copies that belong to no process.
    pub machine: &'a Sample,
}

/// Derives one run's report.
pub fn run(
    input: &RunInput<'_>,
    sender: &SideInput<'_>,
    receiver: Option<&SideInput<'_>>,
) -> RunReport {
    let sender = side(input, sender);
    let receiver = receiver.map(|receiver| side(input, receiver));
    let hash_ok = input.delivered.hash.as_ref().map(|hash| hash == input.hash);
    let sides = || [Some(&sender), receiver.as_ref()].into_iter().flatten();
    let lines = sides().flat_map(|side| &side.lines).map(|line| line.verdict);
    let delivered = input.delivered.sent == input.bytes && input.delivered.received == input.bytes;
    let transfer =
        if hash_ok != Some(false) && delivered { Verdict::Verified } else { Verdict::Refuted };
    let covered = sides().all(|side| side.coverage.is_some_and(Coverage::is_complete));
    let covered = if covered { Verdict::Verified } else { Verdict::NotObserved };
    let verdict = lines.fold(transfer.max(covered), Verdict::max);
    RunReport {
        verdict,
        moved_bytes: input.delivered.received,
        hash_ok,
        sender,
        receiver,
        machine: machine(input),
        devices: meters::devices(&meters_of(input, input.machine)),
        stacks: Vec::new(),
    }
}

fn side(input: &RunInput<'_>, side: &SideInput<'_>) -> SideReport {
    let net = Net::new(side, input);
    let measured: BTreeMap<_, _> = Direction::ALL
        .into_iter()
        .map(|direction| (direction, net.copied(direction, side.jobs, input.statuses)))
        .collect();
    let copied = Copied::from_fn(|direction| measured[&direction].as_ref().ok().copied());
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people; the bytes are exact")]
    let per_byte = |bytes: u64| bytes as f64 / input.bytes as f64;
    let mode_switches = net.mode_switches().ok();
    SideReport {
        copied,
        aside: net.aside(input.statuses),
        coverage: net.coverage(side.own.completed),
        lent: side.own.lent,
        copies_per_byte: Copied::from_fn(|direction| copied.get(direction).map(per_byte)),
        mode_switches,
        mode_switches_per_mib: mode_switches.map(|switches| per_byte(switches) * MIB),
        switches: meters::switches(
            &meters_of(input, side.run),
            net.syscalls().ok(),
            net.faults_user.clone().ok(),
        ),
        syscalls: net.syscalls().ok(),
        page_faults: PageFaults { user: net.faults_user.clone().ok(), kernel: net.faults_kernel },
        fixed_syscalls: net.syscalls().is_ok().then(|| side.empty.syscall_count()),
        by_syscall: net.by_syscall(),
        sites: net.sites.as_ref().ok().map(|sites| site_reports(sites.iter(), input.statuses)),
        lines: Quantity::ALL.iter().map(|q| line(input, side, &net, *q, &measured)).collect(),
    }
}

/// The meters of one sample.
fn meters_of<'a>(input: &RunInput<'a>, run: &'a Sample) -> meters::Input<'a> {
    meters::Input { counted: &run.meters, statuses: input.meters, loss: input.loss }
}

fn line(
    input: &RunInput<'_>,
    side: &SideInput<'_>,
    net: &Net,
    quantity: Quantity,
    copied: &BTreeMap<Direction, Result<u64, Unobserved>>,
) -> Line {
    let measured = match (quantity, quantity.direction()) {
        (_, Some(direction)) => copied[&direction].clone(),
        (Quantity::Syscalls, _) => net.syscalls(),
        (Quantity::PageFaults, _) => net.faults_user.clone(),
        _ => net.mode_switches(),
    };
    let guess = input.guesses.iter().rev().find(|guess| {
        (guess.style, guess.side, guess.quantity) == (input.style, side.side, quantity)
    });
    let predicted = guess
        .map_or_else(|| side.cost.of(quantity), |guess| term(guess.value, "given by --predict"));
    Line {
        side: side.side,
        quantity,
        predicted: predicted.value,
        formula: predicted.formula.to_owned(),
        measured: measured.as_ref().ok().copied(),
        verdict: Verdict::of(predicted.value, measured.as_ref().ok().copied()),
        reason: measured.err(),
    }
}

/// A sample without its fixed cost.
struct Net {
    syscalls: Result<BTreeMap<usize, Tally>, Unobserved>,
    sites: Result<BTreeMap<(Site, IterClass), Tally>, Unobserved>,
    faults_user: Result<u64, Unobserved>,
    faults_kernel: Option<u64>,
}

impl Net {
    fn new(side: &SideInput<'_>, input: &RunInput<'_>) -> Self {
        let (run, empty) = (side.run, side.empty);
        if let Some(reason) = unusable(run, empty, input.loss) {
            return Self {
                syscalls: Err(reason.clone()),
                sites: Err(reason.clone()),
                faults_user: Err(reason),
                faults_kernel: None,
            };
        }
        let sites = match side.own.by_kernel_threads {
            true => Err(KERNEL_THREADS.into()),
            false => minus(&run.sites, &empty.sites),
        };
        Self {
            syscalls: minus(&run.syscalls, &empty.syscalls),
            sites,
            faults_user: run.faults_user.checked_sub(empty.faults_user).ok_or_else(more_in_empty),
            faults_kernel: run.faults_kernel.checked_sub(empty.faults_kernel),
        }
    }

    fn syscalls(&self) -> Result<u64, Unobserved> {
        let calls = self.syscalls.as_ref().map_err(Clone::clone)?;
        Ok(calls.values().map(|tally| tally.calls).sum())
    }

    /// A system call is two crossings, and so is a page fault in user mode.
    fn mode_switches(&self) -> Result<u64, Unobserved> {
        Ok(2 * self.syscalls()? + 2 * self.faults_user.clone()?)
    }

    /// Bytes copied in `direction`: what the copying sites saw, less what they counted although
    /// it was handed on by reference.
    fn copied(
        &self,
        direction: Direction,
        jobs: &[Job],
        statuses: &[Status],
    ) -> Result<u64, Unobserved> {
        let mut feeding = jobs.iter().filter(|job| feeds(**job, direction)).peekable();
        if feeding.peek().is_none() {
            return Err("no site of this style can see that direction".into());
        }
        feeding.try_for_each(|job| sees(statuses, *job))?;
        if direction == Direction::KernelToKernel {
            // Coverage would not notice: they are at no end of a call.
            IN_NETWORK_STACK.into_iter().try_for_each(|job| sees(statuses, job))?;
        }
        let sites = self.sites.as_ref().map_err(Clone::clone)?;
        let sum = |wanted| sum_of(sites, |effect| effect == wanted);
        let (copied, spared) = (sum(Effect::Copy(direction)), sum(Effect::Spared(direction)));
        copied.checked_sub(spared).ok_or_else(|| {
            format!("sites disagree: {spared} bytes handed on, of {copied} that were sent")
        })
    }

    /// Copied bytes that are no payload.
    fn aside(&self, statuses: &[Status]) -> Option<u64> {
        IN_NETWORK_STACK
            .into_iter()
            .chain([Job::CopyOnWrite])
            .try_for_each(|job| sees(statuses, job).ok())?;
        let sites = self.sites.as_ref().ok()?;
        Some(sum_of(sites, |effect| matches!(effect, Effect::Aside(_))))
    }

    /// What system calls say that they moved, and completions `completed` beside them, next to what
    /// the sites saw of it.
    fn coverage(&self, completed: u64) -> Option<Coverage> {
        let (calls, sites) = (self.syscalls.as_ref().ok()?, self.sites.as_ref().ok()?);
        let returned: u64 = calls
            .iter()
            .filter(|(number, _)| syscalls::returns_bytes(**number))
            .map(|(number, tally)| syscalls::ends(*number) * tally.bytes)
            .sum();
        let explained = sites
            .iter()
            .map(|((site, class), tally)| (entry(*site).end)(*class).count() * tally.bytes);
        Some(Coverage::new(returned + completed, explained.sum()))
    }

    fn by_syscall(&self) -> Option<Vec<SyscallReport>> {
        let calls = self.syscalls.as_ref().ok()?;
        let mut calls: Vec<_> = calls
            .iter()
            .map(|(&number, tally)| SyscallReport {
                number,
                name: syscalls::name(number),
                calls: tally.calls,
                bytes: syscalls::returns_bytes(number).then_some(tally.bytes),
            })
            .collect();
        calls.sort_by_key(|call| (std::cmp::Reverse(call.bytes), call.number));
        Some(calls)
    }
}

/// Why a result with this loss cannot be believed.
fn lossy(loss: &Loss) -> Option<Unobserved> {
    (!loss.is_none()).then(|| loss.reasons().join("; "))
}

/// Why these samples say nothing at all.
fn unusable(run: &Sample, empty: &Sample, loss: &Loss) -> Option<Unobserved> {
    // Each window holds one kill(2) at least. None means that the kernel half never met this
    // process: it numbers processes as the initial PID namespace does.
    let unmet = || {
        (run.syscalls.is_empty() || empty.syscalls.is_empty()).then(|| {
            "the probes never saw the process: is zc in a PID namespace of its own?".into()
        })
    };
    lossy(loss).or_else(unmet)
}

/// Bytes at the sites whose effect is `wanted`.
pub(super) fn sum_of(
    sites: &BTreeMap<(Site, IterClass), Tally>,
    wanted: impl Fn(Effect) -> bool,
) -> u64 {
    sites
        .iter()
        .filter(|((site, class), _)| wanted((entry(*site).effect)(*class)))
        .map(|(_, tally)| tally.bytes)
        .sum()
}

fn more_in_empty() -> Unobserved {
    "the empty run counted more than this run".into()
}

fn minus<K: Copy + Ord>(
    run: &BTreeMap<K, Tally>,
    empty: &BTreeMap<K, Tally>,
) -> Result<BTreeMap<K, Tally>, Unobserved> {
    if empty.keys().any(|key| !run.contains_key(key)) {
        return Err(more_in_empty());
    }
    let mut net = BTreeMap::new();
    for (key, run) in run {
        let empty = empty.get(key).copied().unwrap_or_default();
        let tally = Tally {
            calls: run.calls.checked_sub(empty.calls).ok_or_else(more_in_empty)?,
            bytes: run.bytes.checked_sub(empty.bytes).ok_or_else(more_in_empty)?,
        };
        if tally != Tally::default() {
            net.insert(*key, tally);
        }
    }
    Ok(net)
}

/// Whether bytes in `direction` can pass a site that does `job`.
fn feeds(job: Job, direction: Direction) -> bool {
    let rows = SITES.iter().filter(|row| row.job == job);
    rows.flat_map(|row| IterClass::ALL.map(row.effect))
        .any(|effect| matches!(effect, Effect::Copy(d) | Effect::Spared(d) if d == direction))
}

fn machine(input: &RunInput<'_>) -> Option<MachineReport> {
    let mut jobs = IN_NETWORK_STACK.into_iter().chain([Job::Bounce]);
    if !input.loss.is_none() || jobs.any(|job| sees(input.statuses, job).is_err()) {
        return None;
    }
    let sum = |wanted| sum_of(&input.machine.sites, |effect| effect == wanted);
    Some(MachineReport {
        kernel_to_kernel: sum(Effect::Copy(Direction::KernelToKernel)),
        aside: sum(Effect::Aside(Direction::KernelToKernel)),
        sites: site_reports(input.machine.sites.iter(), input.statuses),
    })
}

/// The catalogue with what became of each site.
pub fn site_statuses(statuses: &[Status]) -> Vec<SiteStatus> {
    SITES
        .iter()
        .zip(statuses)
        .map(|(row, status)| SiteStatus {
            site: row.program,
            job: row.job,
            meaning: row.meaning,
            source: row.source,
            status: status.clone(),
        })
        .collect()
}

pub(super) fn site_reports<'a>(
    sites: impl Iterator<Item = (&'a (Site, IterClass), &'a Tally)>,
    statuses: &[Status],
) -> Vec<SiteReport> {
    sites
        .filter_map(|(&(site, class), tally)| {
            let Status::Attached { function } = statuses[site as usize] else { return None };
            let row = entry(site);
            Some(SiteReport {
                site: row.program,
                function,
                iterator: match class {
                    IterClass::User => "user",
                    IterClass::Kernel => "kernel",
                    IterClass::Pipe => "pipe",
                    IterClass::None => "none",
                    IterClass::Paged => "pages",
                    IterClass::Linear => "headers",
                    IterClass::Record => "record",
                },
                effect: (row.effect)(class),
                calls: tally.calls,
                bytes: tally.bytes,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
