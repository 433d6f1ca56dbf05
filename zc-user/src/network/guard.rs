//! Puts network cards back, also when this process is killed.
//!
//! The kernel by itself brings a card back to the first namespace when its own goes, but with the features
//! that it was given, and switched off. So a process waits for the end of this one: a child that
//! never executes anything, and has nothing of its parent but the few descriptors that it needs.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use libc::c_uint;
use rustix::{
    io::{Errno, read},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, WaitOptions, setsid, waitpid},
    thread::set_name,
};

use super::{
    device::Device,
    namespace::Namespace,
    netlink::{Netlink, Request},
};

/// A card as it was, and what it takes to put it back.
pub(super) struct Card {
    /// The card in the namespace that it is moved to.
    away: Device,
    /// The card in the namespace where it belongs.
    home: Device,
    gathers: bool,
    is_on: bool,
    netlink: Netlink,
    move_home: Request,
    /// Named by `move_home`.
    home_namespace: OwnedFd,
}

impl Card {
    /// The card called `name`, which is going to be moved from `home` to `away`.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn new(name: &str, home: &Namespace, away: &Namespace) -> io::Result<Self> {
        let device = Device::new(name, home)?;
        let home_namespace = home.descriptor().try_clone_to_owned()?;
        Ok(Self {
            gathers: device.gathers()?,
            is_on: device.is_on()?,
            home: device,
            away: Device::new(name, away)?,
            netlink: away.netlink.try_clone()?,
            move_home: Request::move_to(name, home_namespace.as_fd()),
            home_namespace,
        })
    }

    /// Makes it as it was. One that is not away, or not there any more, is left alone.
    fn put_back(&self) -> io::Result<()> {
        let gathers = match self.away.gathers() {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => return Ok(()),
            gathers => gathers?,
        };
        if gathers != self.gathers {
            self.away.set_gather(self.gathers)?;
        }
        self.netlink.carry_out(&self.move_home)?;
        if self.is_on { self.home.switch_on() } else { Ok(()) }
    }

    fn descriptors(&self) -> [RawFd; 4] {
        [self.away.as_fd(), self.home.as_fd(), self.netlink.as_fd(), self.home_namespace.as_fd()]
            .map(|descriptor| descriptor.as_raw_fd())
    }
}

/// The process that puts cards back. Dropping this waits until it has done so.
pub(super) struct Guard {
    names: String,
    process: Pid,
    /// Nothing is written here: its end is the sign.
    life: Option<OwnedFd>,
}

impl Guard {
    /// Starts it.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn start(cards: &[Card]) -> io::Result<Self> {
        let names: Vec<_> = cards.iter().map(|card| card.home.name.as_str()).collect();
        let names = names.join(" and ");
        let (end, life) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut kept: Vec<RawFd> = cards.iter().flat_map(Card::descriptors).collect();
        kept.push(end.as_raw_fd());
        kept.sort_unstable();
        // SAFETY: there may be other threads, so until its end the child makes nothing but system calls:
        // it allocates nothing and takes no lock.
        match unsafe { libc::fork() } {
            0 => keep_watch(&end, &kept, cards),
            child if child > 0 => {
                let process = Pid::from_raw(child).ok_or(io::ErrorKind::InvalidData)?;
                Ok(Self { names, process, life: Some(life) })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.life = None;
        let ended = loop {
            match waitpid(Some(self.process), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                ended => break ended?,
            }
        };
        match ended.and_then(|(_, status)| status.exit_status()) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Err(io::Error::other("the process that was to do it was killed")),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            // Nobody can be handed it.
            eprintln!("zc: cannot put {} back as they were: {error}", self.names);
        }
    }
}

/// The child: waits until nobody has the other end of the pipe `end`, puts the cards back, and ends with the
/// first error's number.
fn keep_watch(end: &OwnedFd, kept: &[RawFd], cards: &[Card]) -> ! {
    stand_apart(kept);
    while read(end, &mut [0_u8]).is_err() {}
    let mut status = 0;
    for card in cards {
        if let Err(error) = card.put_back()
            && status == 0
        {
            status = error.raw_os_error().unwrap_or(libc::EIO);
        }
    }
    // SAFETY: it ends this process at once, and runs nothing of the parent's.
    unsafe { libc::_exit(status) }
}

/// Lets go of everything that is the parent's, and lets no signal end it that is meant for the parent and
/// can be kept off.
fn stand_apart(kept: &[RawFd]) {
    // A child is never the leader of a group, the one case that is refused.
    let _own_session = setsid();
    // How it is called is of no consequence.
    let _named = set_name(c"zc-network");
    // SAFETY: a plain C type for which all-zero bytes are valid.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: it fills in the set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: it reads the set, and is not asked for the old one.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut()) };
    let mut from: c_uint = 0;
    for fd in kept.iter().map(|fd| fd.cast_unsigned()) {
        if fd > from {
            close(from, fd - 1);
        }
        from = fd + 1;
    }
    close(from, c_uint::MAX);
}

/// Closes these descriptors. Before Linux 5.9, which cannot, they stay open as long as this process lives.
fn close(first: c_uint, last: c_uint) {
    // SAFETY: whatever owns one of them is not used by this process any more.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
