//! Where bytes went and who moved them: stations and the arrows between them, taken from a report.
//!
//! A picture holds nothing that its report does not: each number comes with the place that it has in the
//! report's JSON, so that anyone can compare the two.

use std::fmt;

use serde::Serialize;

use super::Copied;
use crate::{check::Number, expect::Side, probes::catalogue::Direction};

pub mod bars;
pub mod lab;
pub mod trace;

#[cfg(test)]
pub(crate) mod tests;

/// A number of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Bytes, calls, switches.
    Whole(u64),
    /// For each byte, or for each MiB.
    Ratio(f64),
}

impl fmt::Display for Value {
    /// As JSON has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            // Both are the shortest that reads back as the same number.
            Self::Ratio(number) => write!(f, "{number:?}"),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Ratio(number)
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        let whole = match number {
            Number::Whole(whole) => u64::try_from(whole).ok(),
            Number::Real(_) => None,
        };
        whole.map_or(Self::Ratio(number.as_f64()), Self::Whole)
    }
}

/// A number and its place in the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// In the report's JSON, as RFC 6901 has it: `/styles/0/sender/copied/kernel_to_user`.
    pub pointer: String,
    /// Absent where it was not observed; then nothing is at that place either.
    pub value: Option<Value>,
}

impl Figure {
    /// The number at `pointer`.
    pub fn at<T: Into<Value>>(pointer: impl Into<String>, value: Option<T>) -> Self {
        Self { pointer: pointer.into(), value: value.map(Into::into) }
    }

    /// The whole number, where it is one.
    pub fn whole(&self) -> Option<u64> {
        match self.value {
            Some(Value::Whole(number)) => Some(number),
            _ => None,
        }
    }

    /// For lengths.
    #[expect(clippy::cast_precision_loss, reason = "a length on a screen")]
    pub fn size(&self) -> f64 {
        match self.value {
            Some(Value::Whole(number)) => number as f64,
            Some(Value::Ratio(number)) => number,
            None => 0.0,
        }
    }
}

/// The direction's name in JSON.
pub(crate) fn key(direction: Direction) -> &'static str {
    match direction {
        Direction::UserToKernel => "user_to_kernel",
        Direction::KernelToUser => "kernel_to_user",
        Direction::KernelToKernel => "kernel_to_kernel",
    }
}

/// The number for `direction` of an object as [`Copied`] that is at `base`.
pub(crate) fn of<T: Copy + Into<Value>>(
    base: &str,
    copied: &Copied<T>,
    direction: Direction,
) -> Figure {
    Figure::at(format!("{base}/{}", key(direction)), copied.get(direction))
}

/// Whose memory, or none: where a station lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Zone {
    /// A process's memory; for a trace: what goes through it.
    User,
    /// The kernel's memory; for a trace: what goes past the process's.
    Kernel,
    /// A device.
    Device,
}

/// What bytes come from or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A disk.
    Disk,
    /// The pages of the payload's file.
    PageCache,
    /// Those of the file that it is copied to.
    OtherPageCache,
    /// A buffer, or pages, of the process.
    UserMemory(Side),
    /// What waits in a socket of that side.
    SocketBuffer(Side),
    /// A packet that the kernel put together in one piece, for a card that does not gather.
    Packet,
    /// A network card.
    Card(Side),
    /// A unix socket's queue.
    UnixSocket,
    /// A pipe.
    Pipe,
    /// Memory that both processes map.
    SharedMemory,
    /// Thrown away.
    Nowhere,
    /// The memory of the traced processes.
    Memory,
    /// The kernel's memory, wherever in it.
    KernelMemory,
    /// A kind of file, as a flow names it.
    Kind(&'static str),
}

/// Where bytes are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Station {
    /// What it is.
    pub place: Place,
    /// Where it lies.
    pub zone: Zone,
    /// How far on the way, from 0.
    pub column: usize,
}

/// Who moved bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mover {
    /// The CPU copied them.
    Cpu(Direction),
    /// A device read or wrote memory by itself.
    Dma,
    /// Nobody: the pages that they lie in were handed on, mapped or lent.
    Reference,
    /// Nobody knows whether, and how often, the CPU copied them.
    Unknown,
}

/// What there is to know about an arrow beside its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// 0 bytes from the disk: they were in the page cache.
    Warm,
    /// 0 bytes from the disk: no file was read, or what was read was in the page cache.
    NothingRead,
    /// 0 bytes to the disk: the page cache is written back later, by the kernel.
    WrittenLater,
    /// 0 bytes to a card: there is none on the way.
    NoCard,
    /// With the headers of packets.
    Headers,
    /// The copies at the end are counted for the whole machine, not for the processes alone.
    MachineWide,
    /// Less than the payload was copied.
    Partly,
    /// The CPU encrypted each byte, which is no copy.
    Encrypted,
    /// What a card writes into memory is not counted.
    CardWrites,
    /// After the call that sent it.
    Later,
    /// Not observed, and no reason stands beside it.
    Unsaid,
}

/// What counts the bytes that devices move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    /// That of block devices.
    Block,
    /// That of network cards.
    Network,
}

impl Meter {
    /// How a report calls what it counts.
    fn name(self) -> &'static str {
        match self {
            Self::Block => "block I/O",
            Self::Network => "network",
        }
    }
}

/// A movement of bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    /// Its first station, by number.
    pub from: usize,
    /// Its last one.
    pub to: usize,
    /// Who moved them.
    pub mover: Mover,
    /// By which call, where that is known.
    pub call: Option<String>,
    /// How many bytes; absent for what no number of the report is about.
    pub bytes: Option<Figure>,
    /// How often each byte was copied (a ratio), or how many were (a whole number).
    pub copies: Option<Figure>,
    /// More about it.
    pub note: Option<Note>,
    /// Why a number is absent, in the report's words.
    pub reason: Option<String>,
}

impl Arrow {
    /// An arrow that nothing else is known of.
    pub fn new([from, to]: [usize; 2], mover: Mover) -> Self {
        Self { from, to, mover, call: None, bytes: None, copies: None, note: None, reason: None }
    }

    /// What a device moved, with `idle` as its note where that was nothing. `unmetered` has why `meter`
    /// counted nothing, where it did not.
    pub(crate) fn dma(
        ends: [usize; 2],
        bytes: Figure,
        idle: Option<Note>,
        meter: Meter,
        unmetered: &[String],
    ) -> Self {
        let mut arrow = Self::new(ends, Mover::Dma);
        match bytes.whole() {
            Some(0) => arrow.note = idle,
            Some(_) => arrow.note = (meter == Meter::Network).then_some(Note::Headers),
            None => {
                let own = |line: &&String| line.starts_with(meter.name());
                arrow.reason = unmetered.iter().find(own).cloned();
            }
        }
        arrow.bytes = Some(bytes);
        arrow
    }

    /// Whether it is known who moved the bytes, and how many.
    pub fn is_observed(&self) -> bool {
        let counted = self.bytes.as_ref().is_some_and(|bytes| bytes.value.is_some());
        counted && self.mover != Mover::Unknown
    }

    /// Whether nothing moved here: a measurement too.
    pub fn is_idle(&self) -> bool {
        self.bytes.as_ref().and_then(Figure::whole) == Some(0)
    }
}

/// How a picture is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One way, from station to station, up into user memory and down again.
    Way,
    /// A row for each flow.
    Flows,
}

/// Stations and arrows.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// How it is laid out.
    pub shape: Shape,
    /// Where bytes are.
    pub stations: Vec<Station>,
    /// How they got there.
    pub arrows: Vec<Arrow>,
    /// Flows that have no arrow, as they are smaller than those that have.
    pub smaller: usize,
}

impl Picture {
    /// An empty one.
    pub fn new(shape: Shape) -> Self {
        Self { shape, stations: Vec::new(), arrows: Vec::new(), smaller: 0 }
    }

    /// The number of a station, which there is afterwards.
    pub(crate) fn station(&mut self, place: Place, zone: Zone, column: usize) -> usize {
        let station = Station { place, zone, column };
        self.stations.iter().position(|known| *known == station).unwrap_or_else(|| {
            self.stations.push(station);
            self.stations.len() - 1
        })
    }

    /// Adds an arrow.
    pub(crate) fn push(&mut self, mut arrow: Arrow) {
        if !arrow.is_observed() && arrow.reason.is_none() {
            arrow.note = arrow.note.or(Some(Note::Unsaid));
        }
        self.arrows.push(arrow);
    }

    /// Bytes of the widest arrow.
    pub fn most_bytes(&self) -> u64 {
        let bytes = self.arrows.iter().filter_map(|arrow| arrow.bytes.as_ref()?.whole());
        bytes.max().unwrap_or(0)
    }
}
