//! The breakdown by thread, system call and kind of file: the key of a count, and what is remembered
//! of a thread.

/// What stands for a thread: never the same for two threads that are counted together.
///
/// The thread's id in the initial PID namespace in the low [`TaskId::TID_BITS`], above it when it was
/// started, in units of 4.096 µs of `task_struct.start_time`. An id is given out again, but not
/// within microseconds of its last owner's start; the time wraps after 208 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TaskId(pub u64);

impl TaskId {
    /// Thread ids are below 4 Mi (`PID_MAX_LIMIT`, include/linux/threads.h).
    pub const TID_BITS: u32 = 22;

    /// A count that is no thread's.
    pub const NOBODY: Self = Self(0);

    /// From a thread's id and `start_time` in ns.
    #[must_use]
    #[inline(always)]
    pub const fn new(tid: u32, start_time: u64) -> Self {
        let tid = tid as u64 & ((1 << Self::TID_BITS) - 1);
        Self((start_time >> 12) << Self::TID_BITS | tid)
    }

    /// The thread's id.
    #[must_use]
    pub const fn tid(self) -> u32 {
        (self.0 & ((1 << Self::TID_BITS) - 1)) as u32
    }
}

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The call has no such end.
    #[default]
    None = 0,
    /// The caller's own memory.
    Memory,
    /// Another process's memory.
    Process,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A pipe or FIFO.
    Pipe,
    /// A TCP socket.
    Tcp,
    /// A UDP socket.
    Udp,
    /// A unix socket.
    Unix,
    /// Any other socket.
    Socket,
    /// Something without a place in a file system, such as an eventfd.
    Anonymous,
    /// Not to be told: the descriptor was closed before the call returned, for example.
    Unknown,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::Memory,
        Self::Process,
        Self::File,
        Self::Folder,
        Self::BlockDevice,
        Self::CharacterDevice,
        Self::Pipe,
        Self::Tcp,
        Self::Udp,
        Self::Unix,
        Self::Socket,
        Self::Anonymous,
        Self::Unknown,
    ];
}

const _: () = {
    let mut i = 0;
    while i < Kind::ALL.len() {
        assert!(Kind::ALL[i] as usize == i, "Kind::ALL must be in the order of its numbers");
        i += 1;
    }
};

/// Where a system call says what is at one of its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Operand {
    /// Nowhere: there is no such end.
    #[default]
    None = 0,
    /// Its first argument is the descriptor.
    First,
    /// Its second one.
    Second,
    /// Its third one.
    Third,
    /// The caller's memory.
    Memory,
    /// Another process's memory.
    Process,
    /// The first argument is a pipe, which is this end if it was opened for reading; otherwise the
    /// caller's memory is (vmsplice(2)).
    PipeToRead,
    /// The same of a pipe that was opened for writing.
    PipeToWrite,
}

/// Both ends of a system call, in a byte: where its bytes come from in the upper half, where they go
/// in the lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Operands(pub u8);

impl Operands {
    /// From where to where.
    #[must_use]
    pub const fn new(source: Operand, sink: Operand) -> Self {
        Self((source as u8) << 4 | sink as u8)
    }
}

/// What is counted: the key of the breakdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Cell {
    /// Whose it is.
    pub task: TaskId,
    /// The system call's slot (see [`crate::syscall_slot`]), or one of the numbers below.
    pub call: u16,
    /// The [`Kind`] of what the call's bytes come from.
    pub source: u8,
    /// The [`Kind`] of what they go to.
    pub sink: u8,
    /// The [`crate::Site`], or one of the numbers below.
    pub what: u8,
    /// The site's [`crate::IterClass`]; of a return 1 if the call failed; the number of an event.
    pub class: u8,
    /// Always 0: the kernel hashes and compares keys with all their bytes.
    pub zero: u16,
}

impl Cell {
    /// [`Cell::call`] of what the network stack did later, on the thread's behalf.
    pub const NETWORK_STACK: u16 = 0xfff0;
    /// [`Cell::call`] of what happened outside of system calls, such as in a page fault.
    pub const NO_CALL: u16 = 0xfff1;
    /// [`Cell::call`] of what a kernel thread that works for the process did (io_uring).
    pub const WORKER: u16 = 0xfff2;
    /// [`Cell::call`] of calls in the way of 32-bit code, whose numbers are those of another table.
    pub const COMPAT: u16 = 0xfff3;
    /// [`Cell::what`] of the return of a system call.
    pub const RETURN: u8 = 0xfe;
    /// [`Cell::what`] of an [`crate::Event`].
    pub const EVENT: u8 = 0xff;
}

/// What is remembered of a thread, from when it was first counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Thread {
    /// Its process, by its leading thread.
    pub leader: TaskId,
    /// The process's id as zc's PID namespace numbers it; 0 where it is not in there.
    pub pid: u32,
    /// The thread's id there.
    pub tid: u32,
    /// The thread's newest name (`comm`), sixteen bytes in the order of memory. In words, because the
    /// kernel half can zero those one by one.
    pub comm: [u64; 2],
}

impl Thread {
    /// The name, up to its first zero byte, in the first of the bytes.
    #[must_use]
    pub fn name(&self) -> ([u8; 16], usize) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.comm[0].to_ne_bytes());
        bytes[8..].copy_from_slice(&self.comm[1].to_ne_bytes());
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        (bytes, length)
    }
}

const _: () = {
    assert!(size_of::<Cell>() == 16);
    assert!(size_of::<Thread>() == 32);
};

#[cfg(feature = "user")]
mod user {
    use super::{Cell, TaskId, Thread};

    // SAFETY: repr(C), made of integers, every bit pattern is valid, no padding (size checked).
    unsafe impl aya::Pod for Cell {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Thread {}
    // SAFETY: a transparent integer.
    unsafe impl aya::Pod for TaskId {}
}

#[cfg(all(test, feature = "user"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_id_that_is_used_again_is_another_task() {
        let (first, second) = (TaskId::new(77, 1_000_000), TaskId::new(77, 1_004_096));
        assert_ne!(first, second);
        assert_eq!((first.tid(), second.tid()), (77, 77));
        assert_eq!(TaskId::new((1 << 22) - 1, u64::MAX).tid(), (1 << 22) - 1);
    }

    #[test]
    fn both_ends_fit_in_a_byte() {
        let Operands(byte) = Operands::new(Operand::PipeToWrite, Operand::Memory);
        assert_eq!((byte >> 4, byte & 15), (Operand::PipeToWrite as u8, Operand::Memory as u8));
    }
}
