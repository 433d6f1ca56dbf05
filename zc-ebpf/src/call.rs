//! The system call that the task on the CPU is in, and what is at both ends of it.

use aya_ebpf::{macros::map, maps::Array};
use zc_common::{Cell, Kind, Operand, TaskId, syscall_slot};

use crate::{
    descriptor::{self, kind_of},
    layout::layout,
    memory::{Slot, current_tid},
    task::{self, Registers},
};

/// By thread id: the system call that a site was passed in, as [`Call::packed`]; 0 for none. All
/// sites of a call, and its return, are told the same kinds, even if another thread closes a
/// descriptor meanwhile; and only the first has to look them up. User space sets the size.
#[map]
static CALLS: Array<u64> = Array::with_max_entries(1, 0);

/// Its number (arch/x86/entry/syscalls/syscall_64.tbl).
const RT_SIGRETURN: i64 = 15;

/// A system call and its ends.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// As in [`Cell::call`].
    pub(crate) number: u16,
    /// The [`Kind`] of its source.
    pub(crate) source: u8,
    /// The [`Kind`] of its sink.
    pub(crate) sink: u8,
}

impl Call {
    /// No call, or one whose ends mean nothing.
    #[inline(always)]
    const fn without_ends(number: u16) -> Self {
        Self { number, source: Kind::None as u8, sink: Kind::None as u8 }
    }

    /// In one number of 32 bits.
    #[inline(always)]
    pub(crate) fn packed(self) -> u64 {
        let Self { number, source, sink } = self;
        u64::from(number) << 16 | u64::from(sink) << 8 | u64::from(source)
    }

    #[inline(always)]
    fn unpacked(packed: u64, task: TaskId) -> Option<Self> {
        if packed == 0 || packed >> 32 != stamp(task) {
            return None;
        }
        Some(Self {
            number: (packed >> 16 & 0xffff) as u16,
            sink: (packed >> 8 & 0xff) as u8,
            source: (packed & 0xff) as u8,
        })
    }
}

#[inline(always)]
fn stamp(task: TaskId) -> u64 {
    task.0 >> TaskId::TID_BITS & 0xffff_ffff
}

/// What the task on the CPU is at.
#[inline(always)]
pub(crate) fn current(task: TaskId) -> Call {
    let known = Slot::of(&CALLS, current_tid());
    if let Some(call) = known.and_then(|slot| Call::unpacked(slot.get(), task)) {
        return call;
    }
    let Some(registers) = Registers::of_current() else {
        return Call::without_ends(Cell::NO_CALL);
    };
    if !registers.came_from_user() {
        return Call::without_ends(Cell::WORKER);
    }
    if registers.orig_ax < 0 {
        return Call::without_ends(Cell::NO_CALL);
    }
    let call = entered(&registers);
    if let Some(slot) = known {
        // With the thread's start: it may die inside the call, and another be given its id.
        slot.set(stamp(task) << 32 | call.packed());
    }
    call
}

/// What the task on the CPU returns from.
#[inline(always)]
pub(crate) fn returning(registers: &Registers, task: TaskId) -> Call {
    let slot = Slot::of(&CALLS, current_tid());
    let known = slot.map_or(0, Slot::get);
    if known != 0
        && let Some(slot) = slot
    {
        slot.set(0);
        if let Some(call) = Call::unpacked(known, task) {
            return call;
        }
    }
    entered(registers)
}

#[inline(always)]
fn entered(registers: &Registers) -> Call {
    if task::in_32_bit_call() {
        return Call::without_ends(Cell::COMPAT);
    }
    // Only returning from a signal's handler has none: it restores what the signal interrupted.
    let number = if registers.orig_ax < 0 { RT_SIGRETURN } else { registers.orig_ax };
    let slot = syscall_slot(number);
    let operands = layout!(operands[slot]);
    let number = (slot as u64 & 0xffff) as u16;
    if operands == 0 {
        return Call::without_ends(number);
    }
    Call { number, source: end(operands >> 4, registers), sink: end(operands & 15, registers) }
}

/// The kind of what an [`Operand`] names.
#[inline(always)]
fn end(operand: u8, registers: &Registers) -> u8 {
    let Registers { di, si, dx, .. } = *registers;
    (kind_at_end(u64::from(operand), di, si, dx) & 0xff) as u8
}

/// The same, from the registers. Global, so that the verifier walks it once for both ends.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn kind_at_end(operand: u64, di: u64, si: u64, dx: u64) -> u64 {
    const MEMORY: u32 = Operand::Memory as u32;
    const PROCESS: u32 = Operand::Process as u32;
    const TO_READ: u32 = Operand::PipeToRead as u32;
    const TO_WRITE: u32 = Operand::PipeToWrite as u32;
    if layout!(breakdown) == 0 {
        return 0;
    }
    let descriptor = match (operand & 15) as u32 {
        0 => return Kind::None as u64,
        MEMORY => return Kind::Memory as u64,
        PROCESS => return Kind::Process as u64,
        TO_READ | TO_WRITE => {
            // The same test as in the kernel (`vmsplice`, fs/splice.c).
            let writable = descriptor::is_writable(di);
            let to_write = operand == u64::from(TO_WRITE);
            return if writable == to_write { Kind::Pipe } else { Kind::Memory } as u64;
        }
        2 => si,
        3 => dx,
        _ => di,
    };
    kind_of(descriptor)
}
