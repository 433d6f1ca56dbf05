//! A clock that counts instructions: the time stamp counter of a guest under QEMU's `-icount
//! shift=0`, where every instruction takes one tick.

use std::arch::{asm, x86_64::_rdtsc};

use anyhow::{Result, ensure};

/// Instructions of the whole machine so far.
pub(crate) fn ticks() -> u64 {
    // SAFETY: the instruction has no preconditions; every x86-64 has it.
    unsafe { _rdtsc() }
}

/// Instructions of the loop below: two a turn.
const TURNS: u64 = 500_000;

/// Ticks that a million instructions take, when nothing interrupts them.
///
/// # Errors
/// The clock counts something else: nothing that is measured with it would mean anything.
pub(crate) fn check() -> Result<u64> {
    let ticks = (0..10).map(|_| million()).min().unwrap_or(0);
    ensure!(
        (1_000_000..1_001_000).contains(&ticks),
        "the clock does not count instructions: a million took {ticks} ticks \
         (this runs only in the guest of `cargo xtask bench`)"
    );
    Ok(ticks)
}

fn million() -> u64 {
    let before = ticks();
    // SAFETY: counts a register down to zero and touches nothing else.
    unsafe {
        asm!("2: dec {0}", "jnz 2b", inout(reg) TURNS => _, options(nomem, nostack));
    }
    ticks() - before
}
