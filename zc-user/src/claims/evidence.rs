//! What claims are decided by: runs of the lab's styles, in several circumstances.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Decided, Fact, Unobservable, programs::Programs};
use crate::{
    expect::{Quantity, Side},
    lab,
    network::Path,
    probes::{attach::Status, catalogue::Direction},
    result::{
        LabReport, Outcome, RunReport, SideReport,
        architectures::{Way, way},
        transfer::TransferReport,
    },
};

/// How a style is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Circumstances {
    /// Over loopback, the payload in the page cache.
    Warm,
    /// Over loopback, the payload on the disk only.
    Cold,
    /// Files on a file system that shares blocks between them, in the page cache.
    Sharing,
    /// Over a veth pair.
    Veth,
    /// From the disk over two network cards, of which the sender's gathers.
    Nic,
    /// The same, but it does not gather.
    NicWithoutGather,
    /// From the disk over a veth pair.
    ColdVeth,
    /// From the disk over a veth pair of which the sender's end does not gather.
    ColdVethWithoutGather,
}

impl Circumstances {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warm => "",
            Self::Cold => " (cold)",
            Self::Sharing => " (sharing)",
            Self::Veth => " (veth)",
            Self::Nic => " (card)",
            Self::NicWithoutGather => " (card without gather)",
            Self::ColdVeth => " (veth, cold)",
            Self::ColdVethWithoutGather => " (veth without gather, cold)",
        }
    }

    /// What TCP goes over.
    pub fn path(self) -> Path {
        match self {
            Self::Warm | Self::Cold | Self::Sharing => Path::Loopback,
            Self::Veth | Self::ColdVeth | Self::ColdVethWithoutGather => Path::Veth,
            Self::Nic | Self::NicWithoutGather => Path::Nic,
        }
    }

    /// Whether the payload is on the disk only.
    pub fn is_cold(self) -> bool {
        !matches!(self, Self::Warm | Self::Sharing | Self::Veth)
    }

    /// What the lab is to be asked for.
    pub(crate) fn options(self, options: &lab::Options) -> lab::Options {
        let gather = match self {
            Self::Warm | Self::Cold | Self::Sharing => None,
            Self::Veth | Self::ColdVeth | Self::Nic => Some(true),
            Self::NicWithoutGather | Self::ColdVethWithoutGather => Some(false),
        };
        lab::Options { path: self.path(), gather, cold: self.is_cold(), ..options.clone() }
    }
}

/// A run that a claim needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Name of the style.
    pub style: &'static str,
    /// How it is run.
    pub how: Circumstances,
}

/// A style over loopback from a warm cache.
pub(crate) const fn warm(style: &'static str) -> Need {
    Need { style, how: Circumstances::Warm }
}

/// A style over loopback from the disk.
pub(crate) const fn cold(style: &'static str) -> Need {
    Need { style, how: Circumstances::Cold }
}

/// A style on a file system that shares blocks.
pub(crate) const fn sharing(style: &'static str) -> Need {
    Need { style, how: Circumstances::Sharing }
}

/// A style over a veth pair.
pub(crate) const fn over_veth(style: &'static str) -> Need {
    Need { style, how: Circumstances::Veth }
}

/// A style from the disk over network cards.
pub(crate) const fn card(style: &'static str) -> Need {
    Need { style, how: Circumstances::Nic }
}

/// The same, where the sender's card does not gather.
pub(crate) const fn card_without_gather(style: &'static str) -> Need {
    Need { style, how: Circumstances::NicWithoutGather }
}

/// The same over a veth pair, which every machine can have: nothing moves by the card's DMA there.
pub(crate) const fn cold_veth(style: &'static str) -> Need {
    Need { style, how: Circumstances::ColdVeth }
}

/// The same, where the sender's end does not gather.
pub(crate) const fn cold_veth_without_gather(style: &'static str) -> Need {
    Need { style, how: Circumstances::ColdVethWithoutGather }
}

/// What was measured.
pub struct Evidence {
    runs: BTreeMap<Need, Result<RunReport, Unobservable>>,
    /// Sites that this kernel has and that were not watched.
    unwatched: BTreeMap<Circumstances, BTreeSet<&'static str>>,
    /// What no meter could count, and why.
    unmetered: BTreeMap<Circumstances, Vec<String>>,
    /// Measured when a claim asks for them.
    pub(crate) programs: Programs,
}

impl Evidence {
    /// No run yet; and `programs` to be asked.
    pub(crate) fn new(programs: Programs) -> Self {
        let (runs, unwatched, unmetered) = Default::default();
        Self { runs, unwatched, unmetered, programs }
    }

    /// Adds what the lab found in circumstances `how`. Of a report that lost counts nothing is believed.
    pub(crate) fn add(&mut self, how: Circumstances, report: LabReport) {
        let incomplete = (!report.complete).then(|| {
            let why = format!("incomplete: {}", report.completeness.problems.join("; "));
            let lost = !report.completeness.lost.is_none();
            if lost { Unobservable::Lost(why) } else { Unobservable::Lacking(why) }
        });
        let sites = report.completeness.sites.iter();
        let watched = |status: &Status| matches!(status, Status::Attached { .. } | Status::Absent);
        let unwatched = sites.filter(|site| !watched(&site.status)).map(|site| site.site);
        self.unwatched.insert(how, unwatched.collect());
        self.unmetered.insert(how, report.completeness.unmetered);
        for style in report.styles {
            let run = match (&incomplete, style.outcome) {
                (_, Outcome::NotSupported { not_supported: lacking }) => {
                    Err(Unobservable::Lacking(format!(
                        "{} is not supported here: {} in the {}",
                        style.style,
                        lacking.errno,
                        lacking.side.name()
                    )))
                }
                (Some(incomplete), _) => Err(incomplete.clone()),
                (None, Outcome::Measured(run)) => Ok(*run),
            };
            self.runs.insert(Need { style: style.style, how }, run);
        }
    }

    /// Says why nothing was measured for `need`, unless something was.
    pub(crate) fn lacks(&mut self, need: Need, why: &str) {
        let lacking = || Err(Unobservable::Lacking(why.to_owned()));
        self.runs.entry(need).or_insert_with(lacking);
    }

    /// The first of `needs` that this machine does not lack.
    ///
    /// # Errors
    /// What it lacks for the last one, or that counts were lost.
    pub(crate) fn first(&self, needs: &[Need]) -> Result<Measured<'_>, Unobservable> {
        let runs = || needs.iter().map(|need| self.run(*need));
        let lacking = |run: &Result<_, _>| matches!(run, Err(Unobservable::Lacking(_)));
        let found = runs().find(|run| !lacking(run)).or_else(|| runs().last());
        found.unwrap_or_else(|| Err(Unobservable::Lacking("nothing was run".into())))
    }

    /// What was measured for these needs.
    pub(crate) fn transfers(&self, needs: impl Iterator<Item = Need>) -> Vec<TransferReport> {
        let transfer = |need: Need| {
            let run = self.runs.get(&need)?.as_ref().ok()?;
            let unmetered = self.unmetered.get(&need.how).map_or(&[][..], Vec::as_slice);
            Some(TransferReport::new(need.style, need.how, run, unmetered))
        };
        needs.filter_map(transfer).collect()
    }

    /// The run of `need`.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn run(&self, need: Need) -> Result<Measured<'_>, Unobservable> {
        match self.runs.get(&need) {
            Some(Ok(run)) => {
                let unwatched = self.unwatched.get(&need.how);
                let unwatched =
                    unwatched.ok_or_else(|| Unobservable::Lacking("nothing was watched".into()))?;
                Ok(Measured { need, run, unwatched })
            }
            Some(Err(why)) => Err(why.clone()),
            None => Err(Unobservable::Lacking(format!("{} was not run", need.style))),
        }
    }
}

/// A run, and what it can be asked.
#[derive(Clone, Copy)]
pub(crate) struct Measured<'a> {
    need: Need,
    unwatched: &'a BTreeSet<&'static str>,
    pub(crate) run: &'a RunReport,
}

impl<'a> Measured<'a> {
    /// Payload bytes that arrived, all of them the right ones.
    pub(crate) fn bytes(self) -> Result<u64, Unobservable> {
        match self.run.hash_ok {
            Some(false) => Err(self.unobservable("what arrived is not what was sent")),
            _ => Ok(self.run.moved_bytes),
        }
    }

    /// The same as a fact.
    pub(crate) fn payload(self) -> Result<Fact, Unobservable> {
        Ok(Fact { what: PAYLOAD.into(), measured: self.bytes()? })
    }

    fn side(self, side: Side) -> Result<&'a SideReport, Unobservable> {
        let found = self.run.sides().find(|(of, _)| *of == side);
        found.map(|(_, report)| report).ok_or_else(|| self.unobservable("it has no receiver"))
    }

    pub(crate) fn unobservable(self, why: &str) -> Unobservable {
        Unobservable::Lacking(format!("{}{}: {why}", self.need.style, self.need.how.name()))
    }

    /// What was measured of `quantity` on `side`.
    pub(crate) fn fact(self, side: Side, quantity: Quantity) -> Result<Fact, Unobservable> {
        let report = self.side(side)?;
        let line = report.lines.iter().find(|line| line.quantity == quantity);
        let measured = line.and_then(|line| line.measured).ok_or_else(|| {
            let reason = line.and_then(|line| line.reason.as_deref());
            self.unobservable(reason.unwrap_or("it was not counted"))
        })?;
        Ok(self.of(side, quantity_name(quantity), measured))
    }

    /// A number that was measured on `side`.
    pub(crate) fn of(self, side: Side, what: &str, measured: u64) -> Fact {
        let Need { style, how } = self.need;
        Fact { what: format!("{style}{}, {}: {what}", how.name(), side.name()), measured }
    }

    /// A number of the sender's way through its machine.
    fn sent(self, what: &str, number: impl Fn(&Way) -> Option<u64>) -> Result<Fact, Unobservable> {
        let measured = number(&way(self.run));
        let measured =
            measured.ok_or_else(|| self.unobservable(&format!("{what}: not counted")))?;
        Ok(self.of(Side::Sender, what, measured))
    }

    /// Bytes that the sender's disk delivered.
    pub(crate) fn disk_bytes(self) -> Result<Fact, Unobservable> {
        self.sent("bytes read from the disk by DMA", |way| way.disk_dma_bytes)
    }

    /// Bytes that the CPU copied in the sender, in all directions.
    pub(crate) fn cpu_bytes(self) -> Result<Fact, Unobservable> {
        self.sent("bytes copied by the CPU", |way| {
            let copied = way.cpu_copied_bytes;
            Direction::ALL.into_iter().map(|direction| copied.get(direction)).sum()
        })
    }

    /// Payload bytes that the sender's card was handed.
    pub(crate) fn card_bytes(self) -> Result<Fact, Unobservable> {
        self.sent("bytes handed to the card for DMA, without headers", |way| {
            way.nic_dma_bytes?.checked_sub(way.nic_header_bytes?)
        })
    }

    /// Mode switches of the sender.
    pub(crate) fn mode_switches(self) -> Result<Fact, Unobservable> {
        self.sent("mode switches", |way| way.mode_switches)
    }

    /// Bytes that passed the site called `site` on `side`, through `iterator` or any.
    pub(crate) fn at_site(
        self,
        side: Side,
        site: &str,
        iterator: Option<&str>,
    ) -> Result<u64, Unobservable> {
        if self.unwatched.contains(site) {
            return Err(self.unobservable(&format!("{site} was not watched")));
        }
        let sites = self.side(side)?.sites.as_ref();
        let sites = sites.ok_or_else(|| self.unobservable("its sites are not counted"))?;
        let wanted = sites.iter().filter(|passed| {
            passed.site == site && iterator.is_none_or(|iterator| passed.iterator == iterator)
        });
        Ok(wanted.map(|passed| passed.bytes).sum())
    }

    /// Bytes that the CPU copied on `side`: user to kernel, kernel to user, inside the kernel.
    pub(crate) fn copied(self, side: Side) -> Result<[Fact; 3], Unobservable> {
        let [into, out, inside] = Direction::ALL.map(|direction| {
            let quantity = Quantity::ALL.into_iter().find(|q| q.direction() == Some(direction));
            self.fact(side, quantity.unwrap_or(Quantity::UserToKernel))
        });
        Ok([into?, out?, inside?])
    }
}

/// What [`Quantity::UserToKernel`] is called.
pub(crate) const INTO_KERNEL: &str = "bytes copied from user to kernel";

fn quantity_name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::UserToKernel => INTO_KERNEL,
        Quantity::KernelToUser => "bytes copied from kernel to user",
        Quantity::KernelToKernel => "bytes copied in the kernel",
        Quantity::Syscalls => "system calls",
        Quantity::ModeSwitches => "mode switches",
        Quantity::PageFaults => "page faults in user mode",
    }
}

/// What facts are compared with.
pub(crate) const PAYLOAD: &str = "payload bytes";

impl Decided {
    /// Whether the copies on one side are so many times the payload: user to kernel, kernel to user,
    /// inside the kernel.
    pub(crate) fn copies(
        measured: Measured<'_>,
        side: Side,
        times: [u64; 3],
    ) -> Result<Self, Unobservable> {
        let (bytes, facts) = (measured.bytes()?, measured.copied(side)?);
        let holds = facts.iter().zip(times).all(|(fact, times)| fact.measured == times * bytes);
        Ok(Self { holds, facts: [vec![measured.payload()?], facts.into()].concat() })
    }

    /// Whether so many times the payload was copied in the one direction that `quantity` is of.
    pub(crate) fn times(
        measured: Measured<'_>,
        side: Side,
        quantity: Quantity,
        times: u64,
    ) -> Result<Self, Unobservable> {
        let (bytes, fact) = (measured.bytes()?, measured.fact(side, quantity)?);
        let holds = fact.measured == times * bytes;
        Ok(Self { holds, facts: vec![measured.payload()?, fact] })
    }

    /// Whether both hold, with the facts of both.
    pub(crate) fn and(self, other: Self) -> Self {
        let mut facts = self.facts;
        facts.extend(other.facts.into_iter().filter(|fact| fact.what != PAYLOAD));
        Self { holds: self.holds && other.holds, facts }
    }
}

#[cfg(test)]
mod tests;
