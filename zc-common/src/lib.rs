//! What the kernel half (`zc-ebpf`) and the user half (`zc`) of zc agree on.
//!
//! Everything here crosses the boundary as bytes, so each type is `repr(C)`, has no implicit
//! padding, and has its size checked at compile time.

#![cfg_attr(not(feature = "user"), no_std)]

mod cell;
mod counters;
mod layout;
mod leaf;
mod site;
mod stacks;

pub use cell::{Cell, Kind, Operand, Operands, TaskId, Thread};
pub use counters::{
    Counters, Event, GROUP_COUNT, Group, Interrupt, Mode, SYSCALL_SLOTS, Tally, syscall_slot,
};
pub use layout::{BitField, Layout, OWNER_SLOTS, PID_SLOTS};
pub use leaf::{Leaf, LeafCounters};
pub use site::{IterClass, Site};
pub use stacks::{
    PROBE_FRAMES, STACK_LOSS_SLOTS, STACK_SLOTS, STACK_TALLY_SLOTS, StackKey, StackLoss,
};
