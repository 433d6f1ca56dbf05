//! The counters that the kernel half keeps, one [`Counters`] per group and CPU.

use core::ops::{AddAssign, Sub};

use crate::site::{IterClass, Site};

/// How many groups of processes are counted apart.
pub const GROUP_COUNT: u32 = 8;

/// System call slots; a power of two above the highest number of x86-64 (`unistd_64.h`, 0..=~470).
pub const SYSCALL_SLOTS: usize = 512;

/// Whom a count belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(u8);

impl Group {
    /// Nobody in particular: copies in a softirq, on top of whichever task was interrupted, of
    /// socket buffers whose owner is not known; counted for the whole machine while armed.
    pub const MACHINE: Self = Self(0);

    /// What is never counted, where everyone else is: zc itself. Only in the table of groups.
    pub const NOBODY: Self = Self(u8::MAX);

    /// Everyone, where everyone is counted; the processes of `zc trace`.
    pub const FIRST: Self = Self(1);

    /// The `n`th group of traced processes, from 1; `None` when there is no such group.
    #[must_use]
    pub const fn traced(n: u8) -> Option<Self> {
        if n >= 1 && (n as u32) < GROUP_COUNT { Some(Self(n)) } else { None }
    }

    /// What a byte of the table of groups says; `None` when the process is not traced. The kernel
    /// half takes each of its bytes from a group, so only 0 is told apart.
    #[must_use]
    #[inline(always)]
    pub const fn from_table(byte: u8) -> Option<Self> {
        if byte == 0 { None } else { Some(Self(byte)) }
    }

    /// The key of this group's counters.
    #[must_use]
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// Calls and the bytes that they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tally {
    /// How often.
    pub calls: u64,
    /// Payload bytes, summed.
    pub bytes: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.calls += more.calls;
        self.bytes += more.bytes;
    }
}

/// What came between two readings. Counters only grow, so plain subtraction holds.
impl Sub for Tally {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { calls: self.calls - before.calls, bytes: self.bytes - before.bytes }
    }
}

/// Things that are only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Event {
    /// A page fault taken in user mode: two mode switches.
    PageFaultUser = 0,
    /// A page fault taken in kernel mode, for example inside a user copy: no mode switch.
    PageFaultKernel,
    /// A process or thread started by a traced task.
    Fork,
    /// An `execve` that succeeded.
    Exec,
    /// A task that ended.
    Exit,
    /// A child whose process id is beyond the table of groups: what it does is not counted.
    Unfollowed,
    /// A count that the breakdown has no room for. It is in the group's counters all the same.
    Unlisted,
    /// A socket whose owner had to be forgotten, because another one took its place in the table.
    OwnerForgotten,
    /// The CPU was taken from a task that gave it up: it waited for something.
    SwitchVoluntary,
    /// The CPU was taken from a task that could have gone on.
    SwitchInvoluntary,
    /// The CPU was taken from a task that a signal had stopped; counted as voluntary too.
    SwitchStopped,
    /// Bytes that a task asked a block device for.
    BlockReadBytes,
    /// Bytes that a task gave to a block device.
    BlockWrittenBytes,
    /// Bytes handed to a network device that is backed by hardware.
    NetworkBytes,
    /// Bytes of these that the device would not take, and that will be handed to it again.
    NetworkRefusedBytes,
    /// Buffers with the bytes of [`Event::NetworkBytes`]: each has its headers.
    NetworkBuffers,
    /// Buffers with those of [`Event::NetworkRefusedBytes`].
    NetworkRefusedBuffers,
    /// The first of the interrupts: [`Interrupt::event`] has the others.
    Interrupt,
}

impl Event {
    /// Room for events in [`Counters`].
    pub const SLOTS: usize = 32;
}

/// The kinds of interrupt that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Interrupt {
    /// From a device.
    Device = 0,
    /// From the CPU's own timer.
    Timer,
    /// From another CPU, which wants a function called.
    Call,
    /// From this CPU itself, to do work that a non-maskable interrupt may not.
    Work,
    /// From the hypervisor.
    Hypervisor,
    /// From another CPU, which wants another task chosen.
    Reschedule,
}

impl Interrupt {
    /// Every kind, in counter order.
    pub const ALL: [Self; 6] =
        [Self::Device, Self::Timer, Self::Call, Self::Work, Self::Hypervisor, Self::Reschedule];

    /// The index in [`Counters::events`] of interrupts that hit `mode`.
    #[must_use]
    pub const fn event(self, mode: Mode) -> usize {
        Event::Interrupt as usize + 2 * self as usize + mode as usize
    }
}

/// What the CPU was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Mode {
    /// Running a program.
    User = 0,
    /// Running the kernel.
    Kernel,
}

const _: () = {
    let last = Interrupt::ALL[Interrupt::ALL.len() - 1];
    assert!(last.event(Mode::Kernel) < Event::SLOTS);
};

/// All counters of one group on one CPU: one map value, so that one system call reads them all.
///
/// A per-CPU map value may not exceed 32 KiB (`PCPU_MIN_UNIT_SIZE`, `include/linux/percpu.h`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Counters {
    /// By system call number: returns, and bytes where a positive return value is a byte count.
    pub syscalls: [Tally; SYSCALL_SLOTS],
    /// By [`Site`] and [`IterClass`].
    pub sites: [[Tally; IterClass::SLOTS]; Site::SLOTS],
    /// By [`Event`].
    pub events: [u64; Event::SLOTS],
}

const _: () = {
    assert!(size_of::<Tally>() == 16);
    assert!(size_of::<Counters>() == 16 * 512 + 16 * 8 * 64 + 8 * Event::SLOTS);
    assert!(size_of::<Counters>() <= 32 << 10);
};

/// The slot of system call `nr`; what is outside the table shares the last one.
///
/// `nr` is negative after `rt_sigreturn`, whose restored `orig_ax` is −1.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked")]
pub const fn syscall_slot(nr: i64) -> usize {
    if nr >= 0 && nr < SYSCALL_SLOTS as i64 { nr as usize } else { SYSCALL_SLOTS - 1 }
}

// SAFETY: repr(C), made of u64 only, every bit pattern is valid, no padding (sizes checked above).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Counters {}

// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Tally {}

impl Default for Counters {
    fn default() -> Self {
        Self {
            syscalls: [Tally::default(); SYSCALL_SLOTS],
            sites: [[Tally::default(); IterClass::SLOTS]; Site::SLOTS],
            events: [0; Event::SLOTS],
        }
    }
}

#[cfg(all(test, feature = "user"))]
mod tests {
    use super::*;

    #[test]
    fn unknown_system_calls_share_the_last_slot() {
        assert_eq!(syscall_slot(0), 0);
        assert_eq!(syscall_slot(511), 511);
        assert_eq!(syscall_slot(512), 511);
        assert_eq!(syscall_slot(-1), 511);
    }

    #[test]
    fn group_zero_is_not_for_processes() {
        assert_eq!(Group::traced(0), None);
        assert_eq!(Group::traced(1).map(Group::index), Some(1));
        assert_eq!(Group::traced(8), None);
    }
}
