//! The kernel half of zc: counts system calls, faults and copied bytes of the traced processes.
//!
//! Programs only classify and add; what a count means is decided in user space. Nothing is
//! streamed, so nothing can overflow.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(
    internal_features,
    reason = "the BPF target has no AtomicU64::fetch_add; atomic_xadd is its instruction"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "aya's macros hand the context to a program by value"
)]

mod call;
mod cells;
mod counters;
mod descriptor;
mod dma;
mod interrupts;
mod layout;
mod leaf;
mod memory;
mod owner;
mod sched;
mod sites;
mod stacks;
mod switches;
mod target;
mod task;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// `bpf_probe_read_kernel` and other helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
