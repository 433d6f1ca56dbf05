//! Room for kernel stacks.

use aya::EbpfLoader;
use zc_common::{STACK_SLOTS, STACK_TALLY_SLOTS};

/// Room for kernel stacks. Less than all only to show what is lost.
#[derive(Clone, Copy, Debug)]
pub struct StackRoom {
    /// Different stacks; a power of two. A kilobyte of the kernel's memory each.
    pub stacks: u32,
    /// Different stacks, each by site, kind of iterator and group.
    pub tallies: u32,
}

impl Default for StackRoom {
    fn default() -> Self {
        Self { stacks: STACK_SLOTS, tallies: STACK_TALLY_SLOTS }
    }
}

/// Sizes the maps; where no stacks are wanted they stay as small as a map can be.
pub(super) fn size(loader: &mut EbpfLoader<'_>, room: Option<StackRoom>) {
    if let Some(StackRoom { stacks, tallies }) = room {
        loader.map_max_entries("STACKS", stacks).map_max_entries("STACK_BYTES", tallies);
    }
}
