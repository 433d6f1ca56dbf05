//! By which way through the kernel the copied bytes came: kernel stacks, weighted by bytes.
//!
//! Raw: [`read_stacks`] gives addresses and tallies. Derived: [`copy_stacks`] names the functions and
//! keeps what was copied, [`PathTree`] puts common beginnings together. The views are
//! [`crate::report::stacks`] and [`crate::report::flamegraph`].

mod copies;
mod path;
mod read;
mod symbols;
mod tree;

pub use copies::{CopyPath, CopyStacks, copy_stacks};
pub use path::Names;
pub use read::{CountedStack, StackCounts, StackSample, read_stacks, stack_counts};
pub use symbols::{Symbol, Symbols};
#[cfg(test)]
pub(crate) use tree::tests;
pub use tree::{Node, PathTree};
