//! Running a program as an ordinary user.

use std::{io, os::unix::process::CommandExt, process::Command};

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, configure_capability_in_ambient_set, set_capabilities,
    set_keep_capabilities, set_thread_res_gid, set_thread_res_uid,
};

/// An unprivileged user's id, and group's.
const USER: u32 = 1000;

/// What a user may do.
#[derive(Clone, Copy)]
pub(crate) enum Privilege {
    /// Nothing special.
    None,
    /// CAP_BPF and CAP_PERFMON.
    Tracing,
}

/// Makes `command` run as an ordinary user with just this privilege, and as much locked memory as it
/// likes, which 5.10 counts maps as.
pub(crate) fn as_user(mut command: Command, privilege: Privilege) -> Command {
    let become_user = move || -> io::Result<()> {
        let (uid, gid) =
            (rustix::process::Uid::from_raw(USER), rustix::process::Gid::from_raw(USER));
        // Not everybody's root may raise it; kernels of later than 5.10 do not ask.
        let _refused = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
        set_keep_capabilities(true)?;
        rustix::thread::set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        let kept = match privilege {
            Privilege::None => CapabilitySet::empty(),
            Privilege::Tracing => CapabilitySet::BPF | CapabilitySet::PERFMON,
        };
        set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: kept },
        )?;
        for capability in kept {
            configure_capability_in_ambient_set(capability, true)?;
        }
        Ok(())
    };
    // SAFETY: only system calls between fork and exec; nothing is allocated.
    unsafe { command.pre_exec(become_user) };
    command
}
