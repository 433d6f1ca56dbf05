//! What bytes through each kind of iterator mean, and which end of a call they are: the functions
//! that the rows of the table share.

use zc_common::IterClass;

use super::{
    Direction::{KernelToKernel, KernelToUser, UserToKernel},
    Effect, End,
};

/// Bytes that leave the kernel's buffer.
pub(super) fn outward(class: IterClass) -> Effect {
    if class == IterClass::User { Effect::Copy(KernelToUser) } else { Effect::Copy(KernelToKernel) }
}

/// Bytes that enter the kernel's buffer.
pub(super) fn inward(class: IterClass) -> Effect {
    if class == IterClass::User { Effect::Copy(UserToKernel) } else { Effect::Copy(KernelToKernel) }
}

/// Bytes that an enclosing [`inward`] site counted although they were not copied; without an
/// iterator there is no such site.
pub(super) fn spared(class: IterClass) -> Effect {
    match class {
        IterClass::User => Effect::Spared(UserToKernel),
        IterClass::None => Effect::Passed,
        _ => Effect::Spared(KernelToKernel),
    }
}

/// Page-cache reads: a pipe takes a reference to the page (`copy_page_to_iter_pipe`,
/// lib/iov_iter.c up to 6.4), where every other target gets a copy.
pub(super) fn page_cache(class: IterClass) -> Effect {
    if class == IterClass::Pipe { Effect::Passed } else { outward(class) }
}

/// From a kernel buffer to the user's address that the function was given.
pub(super) fn to_user(_class: IterClass) -> Effect {
    Effect::Copy(KernelToUser)
}

/// From the user's memory to where the function keeps it.
pub(super) fn from_user(_class: IterClass) -> Effect {
    Effect::Copy(UserToKernel)
}

/// What was spliced out of a socket buffer, and of that once more what was copied on the way.
pub(super) fn spliced(class: IterClass) -> Effect {
    if class == IterClass::None { Effect::Passed } else { Effect::Copy(KernelToKernel) }
}

/// Zeros. A pipe up to 6.4 gets pages of its own, filled.
pub(super) fn filled(_class: IterClass) -> Effect {
    Effect::Filled
}

/// Encrypted or decrypted.
pub(super) fn transformed(_class: IterClass) -> Effect {
    Effect::Transformed
}

/// No copy of its own.
pub(super) fn passed(_class: IterClass) -> Effect {
    Effect::Passed
}

/// A copy between kernel buffers. The linear part of a socket buffer holds headers.
pub(super) fn within(class: IterClass) -> Effect {
    if class == IterClass::Linear {
        Effect::Aside(KernelToKernel)
    } else {
        Effect::Copy(KernelToKernel)
    }
}

/// A page of memory copied because it can no longer be shared.
pub(super) fn unshared(_class: IterClass) -> Effect {
    Effect::Aside(KernelToKernel)
}

/// Where a call's bytes come from; for a pipe up to 6.4 the enclosing splice is that.
pub(super) fn source(class: IterClass) -> End {
    if class == IterClass::Pipe { End::Inner } else { End::Source }
}

/// Where a call's bytes go.
pub(super) fn sink(_class: IterClass) -> End {
    End::Sink
}

/// A sink; of records of TLS their encryption is that.
pub(super) fn sink_of_payload(class: IterClass) -> End {
    if class == IterClass::Record { End::Inner } else { End::Sink }
}

/// A source; with a class, what is counted without one as well.
pub(super) fn source_once(class: IterClass) -> End {
    if class == IterClass::None { End::Source } else { End::Inner }
}

/// A sink where no enclosing site is one.
pub(super) fn sink_alone(class: IterClass) -> End {
    if class == IterClass::None { End::Sink } else { End::Inner }
}

/// Device to memory or memory to device: it is the only end that zc sees of either.
pub(super) fn either(_class: IterClass) -> End {
    End::Source
}

/// From file to file.
pub(super) fn both(_class: IterClass) -> End {
    End::Both
}

/// Not an end.
pub(super) fn inner(_class: IterClass) -> End {
    End::Inner
}
