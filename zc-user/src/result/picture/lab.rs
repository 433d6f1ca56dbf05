//! The way of a style's bytes, from its disk or memory to whoever gets them.
//!
//! Which stations there are is the style's affair (its source, its link, whether it is meant to take bytes
//! through its own memory); who moved the bytes between them is what was measured.

use std::collections::BTreeSet;

use super::{Arrow, Figure, Meter, Mover, Note, Picture, Place, Shape, Zone, of};
use crate::{
    expect::{Quantity, Side},
    network::Path,
    probes::catalogue::{Direction, Effect, Job, SITES},
    result::{RunReport, SideReport, StyleReport},
    transfer::{Plan, Source, Style, known, link::Link},
};
use Direction::{KernelToKernel, KernelToUser, UserToKernel};

/// What a picture is of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The style.
    pub style: &'a Style,
    /// Its run.
    pub run: &'a RunReport,
    /// Where the run is in the report's JSON: `/styles/0`.
    pub base: &'a str,
    /// What TCP and UDP went over.
    pub path: Path,
    /// Why meters counted nothing, as the report says it.
    pub unmetered: &'a [String],
}

/// The picture of a style, where it was measured.
pub fn style(
    report: &StyleReport,
    base: &str,
    path: Path,
    unmetered: &[String],
) -> Option<Picture> {
    let (style, run) = (known(report.style)?, report.run()?);
    Some(picture(&Input { style, run, base, path, unmetered }))
}

/// The picture of a run.
pub fn picture(input: &Input<'_>) -> Picture {
    let mut way = Way { input, picture: Picture::new(Shape::Way), drawn: BTreeSet::new() };
    let (near, far) = if input.style.sender.jobs.contains(&Job::DirectIo) {
        (way.direct(), None)
    } else {
        let near = way.sender();
        (near, way.receiver(near))
    };
    way.rest(Side::Sender, near);
    if let Some(far) = far {
        way.rest(Side::Receiver, far);
    }
    way.picture
}

/// Where a side has its bytes.
#[derive(Clone, Copy, Default)]
struct Ends {
    user: Option<usize>,
    /// Where they come from in the kernel.
    from: Option<usize>,
    /// Where they go in the kernel.
    to: Option<usize>,
    column: usize,
}

struct Way<'a> {
    input: &'a Input<'a>,
    picture: Picture,
    /// What has an arrow.
    drawn: BTreeSet<(Side, Direction)>,
}

impl Way<'_> {
    fn report(&self, side: Side) -> Option<&SideReport> {
        self.input.run.sides().find(|(known, _)| *known == side).map(|(_, report)| report)
    }

    fn base(&self, side: Side) -> String {
        format!("{}/{}", self.input.base, side.name())
    }

    /// The sender's way to where it leaves the bytes.
    fn sender(&mut self) -> Ends {
        let link = self.input.style.link;
        let mut ends = Ends::default();
        if self.input.style.source == Source::File {
            let disk = self.picture.station(Place::Disk, Zone::Device, 0);
            let cache = self.picture.station(Place::PageCache, Zone::Kernel, 0);
            self.disk_read([disk, cache], Some(Note::Warm));
            ends.from = Some(cache);
        }
        if self.passes_user_memory() {
            ends.column = ends.from.map_or(0, |_| 1);
            let place = match link {
                Link::SharedMemory => Place::SharedMemory,
                _ => Place::UserMemory(Side::Sender),
            };
            let user = self.picture.station(place, Zone::User, ends.column);
            ends.user = Some(user);
            if let Some(cache) = ends.from {
                let way = if self.fills_buffer() { KernelToKernel } else { KernelToUser };
                self.leg([cache, user], Side::Sender, way);
            }
        }
        let place = match link {
            Link::Tcp | Link::Udp => Place::SocketBuffer(Side::Sender),
            Link::UnixStream => Place::UnixSocket,
            Link::Pipe | Link::PipeToNowhere => Place::Pipe,
            Link::File => Place::OtherPageCache,
            Link::OwnMemory | Link::ProcessMemory | Link::SharedMemory => return ends,
        };
        ends.column += 1;
        let to = self.picture.station(place, Zone::Kernel, ends.column);
        ends.to = Some(to);
        match (ends.user, ends.from) {
            (Some(user), _) => self.leg([user, to], Side::Sender, UserToKernel),
            (None, Some(cache)) => self.leg([cache, to], Side::Sender, KernelToKernel),
            (None, None) => {}
        }
        if link == Link::File {
            let disk = self.picture.station(Place::Disk, Zone::Device, ends.column);
            self.disk_written([to, disk]);
        }
        ends
    }

    /// Whether the sender is meant to take the bytes through its own memory. What was copied there
    /// though nobody meant it has an arrow of its own.
    fn passes_user_memory(&self) -> bool {
        let Input { style, .. } = self.input;
        let cost = (style.sender.cost)(Plan::plain(1 << 20, 1 << 16));
        let copies = cost.user_to_kernel.value > 0 || cost.kernel_to_user.value > 0;
        let ends_there =
            matches!(style.link, Link::OwnMemory | Link::ProcessMemory | Link::SharedMemory);
        style.source == Source::Memory || ends_there || copies
    }

    /// Whether what was copied inside the kernel came from a file into memory that the process had
    /// registered, which the kernel knows by its pages.
    fn fills_buffer(&self) -> bool {
        let sender = &self.input.run.sender;
        let read = |site: &str| {
            SITES.iter().any(|row| row.program == site && row.job == Job::PageCacheRead)
        };
        let copied = sender.sites.iter().flatten();
        let mut copied = copied.filter(|site| site.effect == Effect::Copy(KernelToKernel));
        sender.copied.kernel_to_user == Some(0)
            && copied.any(|site| site.bytes > 0 && read(site.site))
    }

    /// With O_DIRECT the disk moves the bytes to and from the program's memory; what fills no block goes
    /// through the page cache.
    fn direct(&mut self) -> Ends {
        let disk = self.picture.station(Place::Disk, Zone::Device, 0);
        let user = self.picture.station(Place::UserMemory(Side::Sender), Zone::User, 1);
        let other = self.picture.station(Place::Disk, Zone::Device, 2);
        self.disk_read([disk, user], None);
        self.disk_written([user, other]);
        Ends { user: Some(user), from: None, to: None, column: 1 }
    }

    fn disk_read(&mut self, ends: [usize; 2], idle: Option<Note>) {
        let io = self.input.run.sender.switches.block_io;
        let pointer = format!("{}/block_io/read_bytes", self.base(Side::Sender));
        self.dma(ends, Figure::at(pointer, io.map(|io| io.read_bytes)), idle, Meter::Block);
    }

    fn disk_written(&mut self, ends: [usize; 2]) {
        let io = self.input.run.sender.switches.block_io;
        let pointer = format!("{}/block_io/written_bytes", self.base(Side::Sender));
        let figure = Figure::at(pointer, io.map(|io| io.written_bytes));
        self.dma(ends, figure, Some(Note::WrittenLater), Meter::Block);
    }

    /// What a device moved, `idle` where that was nothing.
    fn dma(&mut self, ends: [usize; 2], bytes: Figure, idle: Option<Note>, meter: Meter) {
        self.picture.push(Arrow::dma(ends, bytes, idle, meter, self.input.unmetered));
    }

    /// Who moved a side's bytes from one station to the next: the CPU, if it copied any that way.
    fn leg(&mut self, ends: [usize; 2], side: Side, way: Direction) {
        self.drawn.insert((side, way));
        let Some(report) = self.report(side) else { return };
        let base = self.base(side);
        let moved = self.input.run.moved_bytes;
        let copied = report.copied.get(way);
        let encrypts = report.sites.iter().flatten().any(|site| site.effect == Effect::Transformed);
        let (mover, bytes, note) = match copied {
            Some(0) => {
                let bytes = Figure::at(format!("{}/moved_bytes", self.input.base), Some(moved));
                let note = encrypts.then_some(Note::Encrypted);
                (Mover::Reference, bytes, note.filter(|_| way == KernelToKernel))
            }
            _ => {
                let bytes = of(&format!("{base}/copied"), &report.copied, way);
                let partly = copied.is_some_and(|copied| copied < moved);
                (Mover::Cpu(way), bytes, partly.then_some(Note::Partly))
            }
        };
        let reason = report.lines.iter().find(|line| line.quantity.direction() == Some(way));
        let arrow = Arrow {
            bytes: Some(bytes),
            copies: Some(of(&format!("{base}/copies_per_byte"), &report.copies_per_byte, way)),
            note,
            reason: reason.and_then(|line| line.reason.clone()),
            ..Arrow::new(ends, mover)
        };
        self.picture.push(arrow);
    }

    /// The receiver's way, from where the sender left the bytes.
    fn receiver(&mut self, near: Ends) -> Option<Ends> {
        self.report(Side::Receiver)?;
        let Input { style, .. } = self.input;
        let (from, column) = match style.link {
            Link::Tcp | Link::Udp => self.network(near)?,
            Link::ProcessMemory | Link::SharedMemory => (near.user?, near.column),
            _ => (near.to?, near.column),
        };
        let ends = Ends { from: Some(from), column: column + 1, ..Ends::default() };
        if style.link == Link::PipeToNowhere {
            let to = self.picture.station(Place::Nowhere, Zone::Kernel, ends.column);
            self.leg([from, to], Side::Receiver, KernelToKernel);
            return Some(Ends { to: Some(to), ..ends });
        }
        let user = Place::UserMemory(Side::Receiver);
        let user = self.picture.station(user, Zone::User, ends.column);
        self.leg([from, user], Side::Receiver, KernelToUser);
        Some(Ends { user: Some(user), ..ends })
    }

    /// From the sender's socket to the receiver's, which is returned with its column.
    fn network(&mut self, near: Ends) -> Option<(usize, usize)> {
        let (mut from, mut column) = (near.to?, near.column);
        let bytes = self.input.run.sender.switches.network_bytes;
        let pointer = format!("{}/network_bytes", self.base(Side::Sender));
        let bytes = Figure::at(pointer, bytes);
        let copied = self.input.run.sender.copied.kernel_to_kernel;
        let copies = !self.drawn.contains(&(Side::Sender, KernelToKernel)) && copied != Some(0);
        let place = Place::SocketBuffer(Side::Receiver);
        if self.input.path == Path::Nic {
            if copies {
                column += 1;
                let packet = self.picture.station(Place::Packet, Zone::Kernel, column);
                self.leg([from, packet], Side::Sender, KernelToKernel);
                from = packet;
            }
            let card = self.picture.station(Place::Card(Side::Sender), Zone::Device, column);
            self.dma([from, card], bytes, None, Meter::Network);
            let other = self.picture.station(Place::Card(Side::Receiver), Zone::Device, column + 1);
            let to = self.picture.station(place, Zone::Kernel, column + 1);
            let note = Some(Note::CardWrites);
            self.picture.push(Arrow { note, ..Arrow::new([other, to], Mover::Dma) });
            return Some((to, column + 1));
        }
        let card = self.picture.station(Place::Card(Side::Sender), Zone::Device, column);
        self.dma([from, card], bytes, Some(Note::NoCard), Meter::Network);
        let to = self.picture.station(place, Zone::Kernel, column + 1);
        if copies {
            self.leg([from, to], Side::Sender, KernelToKernel);
        } else {
            self.handed_on([from, to]);
        }
        Some((to, column + 1))
    }

    /// The sender's packets become the receiver's; what is copied then is on nobody's account.
    fn handed_on(&mut self, ends: [usize; 2]) {
        let Input { run, base, .. } = self.input;
        let copied = run.machine.as_ref().map(|machine| machine.kernel_to_kernel);
        let pointer = format!("{base}/machine/kernel_to_kernel");
        let machine = Figure::at(pointer, copied);
        let moved = Figure::at(format!("{base}/moved_bytes"), Some(run.moved_bytes));
        let (mover, bytes, copies) = match copied {
            Some(0) => (Mover::Reference, moved, Some(machine)),
            Some(_) => (Mover::Cpu(KernelToKernel), machine, None),
            None => (Mover::Unknown, machine, None),
        };
        let note = Some(Note::MachineWide);
        let arrow = Arrow { bytes: Some(bytes), copies, note, ..Arrow::new(ends, mover) };
        self.picture.push(arrow);
    }

    /// An arrow for whatever else was copied, or not observed.
    fn rest(&mut self, side: Side, ends: Ends) {
        let Some(copied) = self.report(side).map(|report| report.copied) else { return };
        for way in Quantity::ALL.into_iter().filter_map(Quantity::direction) {
            if self.drawn.contains(&(side, way)) || copied.get(way) == Some(0) {
                continue;
            }
            let user = |way: &mut Self| {
                let place = Place::UserMemory(side);
                ends.user.unwrap_or_else(|| way.picture.station(place, Zone::User, ends.column))
            };
            let kernel = |way: &mut Self, known: Option<usize>| {
                let place = Place::KernelMemory;
                known.unwrap_or_else(|| way.picture.station(place, Zone::Kernel, ends.column))
            };
            let (near, far) = (ends.from.or(ends.to), ends.to.or(ends.from));
            let ends = match way {
                KernelToUser => [kernel(self, near), user(self)],
                UserToKernel => [user(self), kernel(self, far)],
                KernelToKernel if near == far => [kernel(self, near), user(self)],
                KernelToKernel => [kernel(self, near), kernel(self, far)],
            };
            self.leg(ends, side, way);
        }
    }
}
