//! Memory that is not this program's own: structures of the kernel, values of maps.
//!
//! The three kinds of access are safe for different reasons, and each stands here once.

use core::{arch::asm, mem::MaybeUninit};

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_probe_read_kernel, generated},
    maps::{Array, PerCpuArray},
};

/// A pointer to a kernel structure that the verifier tracks: an argument of a traced function, or
/// its return value. The verifier refuses a load that is not inside the structure, and the kernel
/// lets a bad address read as 0.
#[derive(Clone, Copy)]
pub(crate) struct Tracked(pub(crate) *const u8);

impl Tracked {
    /// The field at `offset`.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(self, offset: u32) -> T {
        // SAFETY: checked by the verifier before the program runs, see the type.
        unsafe { self.0.wrapping_add(offset as usize).cast::<T>().read_volatile() }
    }

    /// The structure embedded at `offset`.
    #[inline(always)]
    pub(crate) fn inner(self, offset: u32) -> Self {
        Self(self.0.wrapping_add(offset as usize))
    }

    /// The address of the field at `offset`, for [`peek`].
    #[inline(always)]
    pub(crate) fn at(self, offset: u32) -> *const u8 {
        self.0.wrapping_add(offset as usize)
    }
}

/// What lies at any address of the kernel, if it can be read. A helper call.
#[inline(always)]
pub(crate) fn peek<T: Copy>(at: *const u8) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(at.cast::<T>()).ok() }
}

/// The same, and zeros where it cannot be read, which the helper writes then. Without a branch: the
/// compiler would work on a value that is not there before it looks whether it is, and older verifiers
/// refuse that.
#[inline(always)]
pub(crate) fn peek_or_zero<T: Copy>(at: *const u8) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address.
    unsafe {
        generated::bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            (size_of::<T>() as u64 & 0xffff) as u32,
            at.cast(),
        )
    };
    // SAFETY: the helper has written all of the value in any case; callers read integers.
    unsafe { value.assume_init() }
}

/// Keeps what follows to its own branch. The compiler would do once, before it knows a switch, what both
/// branches begin with, and keep in registers what only one of them needs.
#[inline(always)]
pub(crate) fn apart() {
    // SAFETY: no instruction at all.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

/// An address as a number. The verifier tracks it as a pointer, on which it refuses arithmetic;
/// read back from the stack by a helper it is one no longer.
#[inline(always)]
pub(crate) fn number(pointer: *const u8) -> Option<u64> {
    peek((&raw const pointer).cast())
}

/// The lowest bits of a number, in assembly: the compiler would leave out a mask that it finds needless,
/// or compare what the number was made of in its place, and the verifier sees that the number is bounded
/// in neither case.
#[inline(always)]
fn masked<const MASK: u32>(mut number: u64) -> u64 {
    // SAFETY: one instruction on one register.
    unsafe {
        asm!(
            "{number} &= {mask}",
            number = inout(reg) number,
            mask = const MASK,
            options(nostack, nomem, preserves_flags, pure),
        );
    }
    number
}

/// One value of a map, or a part of one.
#[derive(Clone, Copy)]
pub(crate) struct Slot<T>(*mut T);

impl<T: Copy> Slot<T> {
    /// Value `index` of `map`.
    #[inline(always)]
    pub(crate) fn of(map: &Array<T>, index: u32) -> Option<Self> {
        map.get_ptr_mut(index).map(Self)
    }

    /// This CPU's value `index` of `map`.
    #[inline(always)]
    pub(crate) fn of_this_cpu(map: &PerCpuArray<T>, index: u32) -> Option<Self> {
        map.get_ptr_mut(index).map(Self)
    }

    /// What it holds.
    #[inline(always)]
    pub(crate) fn get(self) -> T {
        // SAFETY: a map value, valid and aligned for as long as the program runs.
        unsafe { self.0.read_volatile() }
    }

    /// Stores a whole value.
    #[inline(always)]
    pub(crate) fn set(self, value: T) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(value) };
    }
}

impl Slot<u8> {
    /// Byte `number` of a static of `MASK` + 1 bytes, a power of two.
    #[inline(always)]
    pub(crate) fn byte_of<const MASK: u32, const N: usize>(
        bytes: *mut [u8; N],
        number: u32,
    ) -> Self {
        const { assert!(N.is_power_of_two() && MASK as usize == N - 1) };
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let number = masked::<MASK>(u64::from(number)) as usize;
        Self(bytes.cast::<u8>().wrapping_add(number))
    }

    /// Byte `number` of a map of bytes, eight to a value: the smallest value that an array has.
    #[inline(always)]
    pub(crate) fn byte(map: &Array<[u8; 8]>, number: u32) -> Option<Self> {
        let octet = map.get_ptr_mut(number >> 3)?;
        Some(Self(octet.cast::<u8>().wrapping_add((number & 7) as usize)))
    }
}

/// Process id of the task on the CPU, as the initial PID namespace numbers it.
#[inline(always)]
pub(crate) fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Thread id of the task on the CPU.
#[inline(always)]
pub(crate) fn current_tid() -> u32 {
    (bpf_get_current_pid_tgid() & 0xffff_ffff) as u32
}
