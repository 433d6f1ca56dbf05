//! The words of pictures and bars, in one place for a language.

use crate::{
    expect::Side,
    probes::catalogue::Direction,
    result::picture::{Mover, Note, Place, Zone, bars::What},
};

/// A language.
pub struct Words {
    /// Its tag, as HTML has it (BCP 47).
    pub lang: &'static str,
    /// A station.
    pub place: fn(Place) -> &'static str,
    /// Where stations lie, in a picture of one way.
    pub band: fn(Zone) -> &'static str,
    /// What rows have in common, in a picture of flows.
    pub zone: fn(Zone) -> &'static str,
    /// Who moved bytes.
    pub mover: fn(Mover) -> &'static str,
    /// More about a movement.
    pub note: fn(Note) -> &'static str,
    /// A part of a bar.
    pub what: fn(What) -> &'static str,
    /// A side.
    pub side: fn(Side) -> &'static str,
    /// What was not seen.
    pub not_observed: &'static str,
    /// `1 copy a byte`; the number as text.
    pub copies: fn(&str) -> String,
    /// How many bytes were copied, of those that were handed on; the number as text.
    pub copied: fn(&str) -> String,
    /// What the kinds of arrows mean.
    pub legend: &'static str,
    /// The picture in words.
    pub in_words: &'static str,
    /// How many flows have no arrow.
    pub smaller: fn(usize) -> String,
    /// A link past the navigation.
    pub skip: &'static str,
    /// The navigation.
    pub contents: &'static str,
    /// Stands on a box that scrolls.
    pub scrolls: &'static str,
    /// What is expected, not measured.
    pub predicted: &'static str,
}

/// English.
pub static ENGLISH: Words = Words {
    lang: "en",
    place,
    band,
    zone,
    mover,
    note,
    what,
    side: Side::name,
    not_observed: "not observed",
    copies: |number| format!("{number} {} a byte", if number == "1" { "copy" } else { "copies" }),
    copied: |number| format!("{number} copied"),
    legend: "Who moves the bytes",
    in_words: "The same in words",
    smaller: |number| format!("{number} smaller flows are in the table only."),
    skip: "Skip to the report",
    contents: "Contents",
    scrolls: "scrolls sideways",
    predicted: "predicted",
};

fn place(place: Place) -> &'static str {
    match place {
        Place::Disk => "disk",
        Place::PageCache => "page cache",
        Place::OtherPageCache => "other file's cache",
        Place::UserMemory(Side::Sender) => "sender's memory",
        Place::UserMemory(Side::Receiver) => "receiver's memory",
        Place::SocketBuffer(Side::Sender) => "sender's socket",
        Place::SocketBuffer(Side::Receiver) => "receiver's socket",
        Place::Packet => "packet, one piece",
        Place::Card(Side::Sender) => "network card",
        Place::Card(Side::Receiver) => "receiver's card",
        Place::UnixSocket => "unix socket",
        Place::Pipe => "pipe",
        Place::SharedMemory => "shared memory",
        Place::Nowhere => "thrown away",
        Place::Memory => "process memory",
        Place::KernelMemory => "kernel memory",
        Place::Kind("") => "(not a file)",
        Place::Kind(kind) => kind,
    }
}

fn band(zone: Zone) -> &'static str {
    match zone {
        Zone::User => "user memory",
        Zone::Kernel => "kernel memory",
        Zone::Device => "devices",
    }
}

fn zone(zone: Zone) -> &'static str {
    match zone {
        Zone::User => "through a process's memory",
        Zone::Kernel => "past every process, inside the kernel",
        Zone::Device => "between devices and memory, without the CPU",
    }
}

fn mover(mover: Mover) -> &'static str {
    match mover {
        Mover::Cpu(Direction::KernelToUser) => "CPU copies KU",
        Mover::Cpu(Direction::UserToKernel) => "CPU copies UK",
        Mover::Cpu(Direction::KernelToKernel) => "CPU copies KK",
        Mover::Dma => "DMA",
        Mover::Reference => "by reference",
        Mover::Unknown => "not observed",
    }
}

fn note(note: Note) -> &'static str {
    match note {
        Note::Warm => "nothing was read from the disk: the page cache was warm",
        Note::NothingRead => {
            "nothing was read from the disk: what was read of files, if any, was in the page cache"
        }
        Note::WrittenLater => {
            "nothing was written to the disk meanwhile: the kernel writes page caches back later"
        }
        Note::NoCard => {
            "nothing was handed to a network card: loopback and local sockets have none"
        }
        Note::Headers => "with the headers of packets",
        Note::MachineWide => {
            "copies here are on no process's account: they are counted for the whole machine"
        }
        Note::Partly => "fewer bytes than the payload: the rest was not copied here",
        Note::Encrypted => {
            "encrypted on the way: the CPU reads and writes each byte anew, which is no copy"
        }
        Note::CardWrites => "what a card writes into memory as it receives is not counted",
        Note::Later => "copied by the network stack, after the call that sent it",
        Note::Unsaid => "see what the report rests on",
    }
}

fn what(what: What) -> &'static str {
    match what {
        What::Cpu(Direction::KernelToUser) => "KU",
        What::Cpu(Direction::UserToKernel) => "UK",
        What::Cpu(Direction::KernelToKernel) => "KK",
        What::Copies => "",
        What::Switches => "",
        What::SystemCalls | What::PageFaults | What::Interrupts => "",
    }
}
