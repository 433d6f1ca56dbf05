//! Why nothing can be attached.

use std::io;

use aya::{EbpfError, maps::MapError};
use rustix::process::{Resource, getrlimit};
use thiserror::Error;

use crate::kernel::{btf::BtfError, caps::Caps, facts::setting};

/// Why nothing can be counted at all.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Not allowed to trace.
    #[error("counting inside the kernel needs {0}: run it as root, or with those capabilities")]
    Permission(String),
    /// The kernel's types cannot be read.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The object does not load: maps could not be made.
    #[error("the kernel does not accept the BPF maps: {0}")]
    Object(Box<EbpfError>),
    /// Maps count as locked memory, up to Linux 5.10, and this process may not lock as much.
    #[error(
        "the kernel does not accept the BPF maps, which it counts as locked memory, of which {0} bytes are allowed: allow more (ulimit -l unlimited), or run zc as root"
    )]
    LockedMemory(u64),
    /// The map of stacks, which is there even while no stack is taken, holds 127 frames, the kernel's
    /// own default; it has to be no more than this setting (`stack_map_alloc`, kernel/bpf/stackmap.c).
    #[error(
        "the kernel does not accept the map of stacks: kernel.perf_event_max_stack is {0}, and has to be 127 or more"
    )]
    ShortStacks(String),
    /// A probe that nothing can be counted without.
    #[error("the kernel refused the {kind} {name}, which every count needs: {reason}")]
    Essential {
        /// Kind of probe.
        kind: &'static str,
        /// Its name.
        name: &'static str,
        /// The kernel's answer.
        reason: String,
    },
}

impl From<EbpfError> for AttachError {
    fn from(error: EbpfError) -> Self {
        if let EbpfError::MapError(MapError::CreateError { name, io_error }) = &error
            && (name.as_str(), io_error.kind()) == ("STACKS", io::ErrorKind::InvalidInput)
            && let Some(depth) = setting("kernel/perf_event_max_stack")
        {
            return Self::ShortStacks(depth);
        }
        let refused = matches!(
            &error,
            EbpfError::MapError(MapError::CreateError { io_error, .. })
                if io_error.kind() == io::ErrorKind::PermissionDenied
        );
        // Too much locked memory and too few capabilities are refused with the same errno.
        match (Caps::of_self().missing(), getrlimit(Resource::Memlock).current) {
            (Some(missing), _) if refused => Self::Permission(missing),
            (None, Some(limit)) if refused => Self::LockedMemory(limit),
            _ => Self::Object(Box::new(error)),
        }
    }
}
