//! What kernel stacks of passes are counted by.

/// Different stacks that there is room for; a power of two, and the number of buckets that they are
/// hashed into.
pub const STACK_SLOTS: u32 = 1 << 14;

/// Different [`StackKey`]s that there is room for.
pub const STACK_TALLY_SLOTS: u32 = 1 << 14;

/// Frames at the leaf of a stack that are the probe itself: the function that takes the stack, the
/// program that calls it, the trampoline that calls the program.
pub const PROBE_FRAMES: u8 = 3;

/// Whose bytes passed where, and by which way through the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct StackKey {
    /// The stack's number in the map of stacks.
    pub stack: u32,
    /// The [`crate::Site`].
    pub site: u8,
    /// The [`crate::IterClass`].
    pub class: u8,
    /// The [`crate::Group`].
    pub group: u8,
    /// How many of the [`PROBE_FRAMES`] were left out of the stack.
    pub skipped: u8,
}

const _: () = assert!(size_of::<StackKey>() == 8);

// SAFETY: repr(C), made of integers, every bit pattern is valid, no padding (size checked above).
#[cfg(feature = "user")]
unsafe impl aya::Pod for StackKey {}

/// Why a pass has no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum StackLoss {
    /// Another stack has its bucket, under each number of frames that can be left out (`-EEXIST`).
    Collision = 0,
    /// There is no room for one more stack (`-ENOMEM`).
    NoRoom,
    /// The kernel could not walk the stack, or was taking others on this CPU (`-EFAULT`, `-EBUSY`).
    NotWalked,
    /// There is no room for one more [`StackKey`].
    NoTally,
}

impl StackLoss {
    /// How many causes there are.
    pub const COUNT: u32 = 4;

    /// Every cause, in counter order.
    pub const ALL: [Self; Self::COUNT as usize] =
        [Self::Collision, Self::NoRoom, Self::NotWalked, Self::NoTally];

    /// Losses of this cause in a group, among those of all groups.
    #[must_use]
    pub const fn slot(self, group: u8) -> u32 {
        group as u32 * Self::COUNT + self as u32
    }
}

/// Room for the losses of all groups.
pub const STACK_LOSS_SLOTS: u32 = crate::GROUP_COUNT * StackLoss::COUNT;
