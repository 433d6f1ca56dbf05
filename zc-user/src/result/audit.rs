//! The audit: what the sites counted, what the leaves counted, what user space saw, side by side.
//!
//! The three are independent: the leaves' bytes come from breakpoints on the copy primitives, the
//! user-space bytes from what the workers' own system calls returned to them.

use std::collections::BTreeMap;

use serde::Serialize;
use zc_common::{Group, IterClass, Leaf, Tally};

use super::{RunReport, SideReport};
use crate::{
    expect::{Quantity, Side, Verdict},
    measure::CountedLeaves,
    probes::{
        catalogue::{Direction, Effect},
        leaves::{Carries, Found, LEAVES, Method},
    },
    transfer::{session::Delivered, work::OwnMemory},
};

/// How the leaves were watched, or why they were not.
#[derive(Debug, Serialize)]
pub struct AuditSummary {
    /// By kprobes or by breakpoints; absent when no audit was possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Why not by kprobes, in the kernel's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kprobe_refused: Option<String>,
    /// Debug registers that were free, for breakpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registers: Option<usize>,
    /// The functions watched in each round: a round is one more run of each transfer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Vec<&'static str>>,
    /// Why there is no audit, or none of every style.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The audit of one style.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// The worst of its lines' verdicts.
    pub verdict: Verdict,
    /// Each side and direction.
    pub lines: Vec<AuditLine>,
    /// Bytes of arguments and results that the leaves copied: no payload.
    pub control_bytes: BySide,
    /// Each side's passes through each watched leaf.
    pub leaves: Vec<LeafReport>,
    /// Hits that no program counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
}

/// A value for each side that there is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BySide {
    /// The sender's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<u64>,
    /// The receiver's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<u64>,
}

/// Payload bytes copied in one direction, in three ways.
#[derive(Clone, Debug, Serialize)]
pub struct AuditLine {
    /// Whose.
    pub side: Side,
    /// Which of the three copied quantities.
    pub quantity: Quantity,
    /// By the sites, without copies inside a socket buffer, which pass no leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_bytes: Option<u64>,
    /// By the leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_bytes: Option<u64>,
    /// By the results of the side's own system calls; absent for copies inside the kernel, which
    /// user space cannot see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_bytes: Option<u64>,
    /// Whether all are equal.
    pub verdict: Verdict,
    /// Why one is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One side at one leaf, in the round that watched it.
#[derive(Clone, Debug, Serialize)]
pub struct LeafReport {
    /// Whose.
    pub side: Side,
    /// The kernel function.
    pub function: &'static str,
    /// In which round, from 1.
    pub round: usize,
    /// How often its breakpoint was hit in the transfer, by the kernel's own count; a kprobe has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// How often its program ran and counted: each hit that it missed is a loss.
    pub runs: u64,
    /// Bytes of payload, less those of the empty run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// Bytes of arguments and results, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_bytes: Option<u64>,
}

/// One round of one style, raw.
pub struct Round {
    /// How the leaves were watched.
    pub method: Method,
    /// Watched in it.
    pub leaves: Vec<Found>,
    /// Over the empty run: the fixed cost.
    pub empty: CountedLeaves,
    /// Over the transfer.
    pub run: CountedLeaves,
    /// What the transfer delivered.
    pub delivered: Delivered,
}

/// A side, and what user space knows of it.
pub struct AuditSide {
    /// Which one.
    pub side: Side,
    /// Its counters.
    pub group: Group,
    /// What its system calls moved through its own memory, by its own account.
    pub moved: OwnMemory,
}

/// Derives the audit of the style whose run by the sites is `run`.
pub fn audit(run: &RunReport, rounds: &[Round], sides: &[AuditSide], whole: bool) -> AuditReport {
    // The kernel counts what it skips of kprobes only, and since 6.7; the sites' losses are not the
    // leaves'.
    let by_kprobe = rounds.iter().filter(|round| round.method == Method::Kprobe);
    let skipped = by_kprobe
        .flat_map(|round| [&round.empty, &round.run])
        .flat_map(|window| window.loss.reasons());
    let missed = sides.iter().flat_map(|side| rounds.iter().flat_map(|round| missed(round, side)));
    let losses: Vec<_> = skipped.chain(missed).collect();
    let nets: Vec<_> = sides.iter().map(|side| net(rounds, side, &losses)).collect();
    let control = |wanted: Side| -> Option<u64> {
        let place = sides.iter().position(|side| side.side == wanted)?;
        let net = nets[place].as_ref().ok()?;
        let control = net.iter().filter(|(what, _)| matches!(what, Carries::Control(_)));
        Some(control.map(|(_, bytes)| bytes).sum())
    };
    let lines: Vec<_> = sides
        .iter()
        .zip(run.sides())
        .zip(&nets)
        .flat_map(|((side, (_, sites)), net)| {
            Quantity::ALL.into_iter().filter_map(move |quantity| {
                let direction = quantity.direction()?;
                Some(line(side, quantity, direction, through_leaves(sites, direction), net))
            })
        })
        .collect();
    let transfer = if whole { Verdict::Verified } else { Verdict::Refuted };
    AuditReport {
        verdict: lines.iter().map(|line| line.verdict).fold(transfer, Verdict::max),
        lines,
        control_bytes: BySide { sender: control(Side::Sender), receiver: control(Side::Receiver) },
        leaves: leaf_reports(rounds, sides, &losses),
        losses,
    }
}

/// What the sites saw copied in `direction`, without what no leaf can see: sites without an iterator
/// that copy inside the kernel, as within a socket buffer, do so by plain `memcpy`.
fn through_leaves(side: &SideReport, direction: Direction) -> Option<u64> {
    let iterators = ["user", "kernel", "pipe", "record"];
    let plain = side.sites.iter().flatten().filter(|site| {
        direction == Direction::KernelToKernel
            && site.effect == Effect::Copy(direction)
            && !iterators.contains(&site.iterator)
    });
    side.copied.get(direction)?.checked_sub(plain.map(|site| site.bytes).sum())
}

/// Bytes by what they are, or why they are not known.
type Net = Result<BTreeMap<Carries, u64>, String>;

fn line(
    side: &AuditSide,
    quantity: Quantity,
    direction: Direction,
    site_bytes: Option<u64>,
    net: &Net,
) -> AuditLine {
    let leaf_bytes =
        net.as_ref().map(|net| net.get(&Carries::Payload(direction)).copied().unwrap_or(0));
    let user_bytes = match direction {
        Direction::UserToKernel => Some(side.moved.out_of),
        Direction::KernelToUser => Some(side.moved.into),
        Direction::KernelToKernel => None,
    };
    let known = [site_bytes, leaf_bytes.as_ref().ok().copied(), user_bytes];
    let mut numbers = known.into_iter().flatten();
    let first = numbers.next();
    let verdict = if numbers.any(|number| Some(number) != first) {
        Verdict::Refuted
    } else if site_bytes.is_none() || leaf_bytes.is_err() {
        Verdict::NotObserved
    } else {
        Verdict::Verified
    };
    let unseen = site_bytes.is_none().then(|| "the sites did not observe it".to_owned());
    AuditLine {
        side: side.side,
        quantity,
        site_bytes,
        user_bytes,
        verdict,
        leaf_bytes: leaf_bytes.as_ref().ok().copied(),
        reason: leaf_bytes.err().cloned().or(unseen),
    }
}

/// What a side copied at all leaves, beyond what the empty run does.
fn net(rounds: &[Round], side: &AuditSide, losses: &[String]) -> Net {
    known(losses)?;
    let mut sum = BTreeMap::new();
    for round in rounds {
        for (what, bytes) in net_of(round, side, None)? {
            *sum.entry(what).or_insert(0) += bytes;
        }
    }
    Ok(sum)
}

/// Fails where counts were lost.
fn known(losses: &[String]) -> Result<(), String> {
    losses.first().map_or(Ok(()), |loss| Err(loss.clone()))
}

/// The same of one round, at one leaf or all.
fn net_of(round: &Round, side: &AuditSide, only: Option<Leaf>) -> Net {
    let none = Tally::default();
    let (run, empty) =
        (&round.run.samples[&side.group].tallies, &round.empty.samples[&side.group].tallies);
    let mut sum = BTreeMap::new();
    let keys: std::collections::BTreeSet<&(Leaf, IterClass)> =
        run.keys().chain(empty.keys()).collect();
    for key @ (leaf, class) in keys {
        if only.is_some_and(|only| only != *leaf) {
            continue;
        }
        let [run, empty] = [run, empty].map(|tallies| tallies.get(key).unwrap_or(&none).bytes);
        let bytes = run.checked_sub(empty).ok_or("the empty run counted more than this run")?;
        *sum.entry(LEAVES[*leaf as usize].carries(*class)).or_insert(0) += bytes;
    }
    Ok(sum)
}

/// The breakpoints of a round at which hits and runs differ, for each of its two windows.
fn missed(round: &Round, side: &AuditSide) -> Vec<String> {
    let windows = [&round.empty, &round.run].map(|window| &window.samples[&side.group]);
    let pairs =
        windows.into_iter().flat_map(|sample| round.leaves.iter().map(move |l| (sample, l)));
    pairs
        .filter_map(|(sample, found)| {
            let leaf = found.entry.leaf;
            let (hits, runs) = (sample.hits.get(&leaf).copied(), sample.runs(leaf));
            let uncounted = round.method == Method::Breakpoint && hits != Some(runs);
            uncounted.then(|| match hits {
                None => format!("the {} was not watched at {}", side.side.name(), found.function),
                Some(hits) => format!(
                    "the {} passed {} {hits} times, of which {runs} were counted",
                    side.side.name(),
                    found.function
                ),
            })
        })
        .collect()
}

fn leaf_reports(rounds: &[Round], sides: &[AuditSide], losses: &[String]) -> Vec<LeafReport> {
    let sum = |net: &Net, wanted: fn(&Carries) -> bool| {
        let net = net.as_ref().ok()?;
        Some(net.iter().filter(|(what, _)| wanted(what)).map(|(_, bytes)| bytes).sum())
    };
    let report = |side: &AuditSide, number: usize, round: &Round, found: &Found| {
        let (leaf, sample) = (found.entry.leaf, &round.run.samples[&side.group]);
        let net = known(losses).and_then(|()| net_of(round, side, Some(leaf)));
        LeafReport {
            side: side.side,
            function: found.function,
            round: number + 1,
            hits: sample.hits.get(&leaf).copied(),
            runs: sample.runs(leaf),
            payload_bytes: sum(&net, |what| matches!(what, Carries::Payload(_))),
            control_bytes: sum(&net, |what| matches!(what, Carries::Control(_))),
        }
    };
    let mut reports = Vec::new();
    for side in sides {
        for (number, round) in rounds.iter().enumerate() {
            reports.extend(round.leaves.iter().map(|found| report(side, number, round, found)));
        }
    }
    reports
}

#[cfg(test)]
mod tests;
