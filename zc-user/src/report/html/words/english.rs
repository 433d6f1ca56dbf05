//! English.

use super::Words;
use crate::{
    claims::Circumstances,
    expect::Side,
    probes::catalogue::Direction,
    result::picture::{Mover, Note, Place, Zone, bars::What},
};

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
    how,
    summary: "Summary",
    ways: "The way of the bytes",
    side_by_side: "Side by side",
    directions: "KU: from the kernel into the process; UK: from the process into the kernel; KK: within the kernel. Each \
                 byte counts as often as the CPU copied it; what a device moved is in none of these.",
    copies_of_each_byte: "CPU copies of each byte",
    switches_for_each_mib: "Mode switches for each MiB",
    repeat: "How to repeat it",
    command: "command",
    kernel: "kernel",
    tier: "tier",
    pointers: "Each number in a picture or a bar carries its place in the output of --json as a JSON pointer \
               (data-json), and the number itself (data-value).",
};

fn how(how: Circumstances) -> &'static str {
    match how {
        Circumstances::Warm => "file in memory, loopback",
        Circumstances::Cold => "file on the disk only, loopback",
        Circumstances::Sharing => "file system that shares blocks",
        Circumstances::Veth => "file in memory, veth pair",
        Circumstances::Nic => "file on the disk only, network card that gathers",
        Circumstances::NicWithoutGather => {
            "file on the disk only, network card that does not gather"
        }
        Circumstances::ColdVeth => "file on the disk only, veth pair that gathers",
        Circumstances::ColdVethWithoutGather => {
            "file on the disk only, veth pair that does not gather"
        }
    }
}

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
        Mover::Reference => "not copied",
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
        What::Copies | What::Switches | What::Predicted | What::Measured => "",
    }
}
