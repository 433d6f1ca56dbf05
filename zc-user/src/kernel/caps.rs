//! The capabilities that this process has, and what becomes of them when they are not needed any more.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs,
};

/// What a tier needs, in the words of capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Root, or everything that CAP_BPF was split from.
    pub sys_admin: bool,
    /// Load BPF programs and create maps (Linux 5.8).
    pub bpf: bool,
    /// Attach tracing programs, read kernel memory, open kernel perf events (Linux 5.8).
    pub perfmon: bool,
}

impl Caps {
    /// The effective set of this thread; nothing where the kernel does not say.
    pub fn of_self() -> Self {
        let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        Self {
            sys_admin: effective.contains(CapabilitySet::SYS_ADMIN),
            bpf: effective.contains(CapabilitySet::BPF),
            perfmon: effective.contains(CapabilitySet::PERFMON),
        }
    }

    /// The names of the missing ones, or `None` when tracing is allowed.
    pub fn missing(self) -> Option<String> {
        if self.sys_admin {
            return None;
        }
        let wanted = [(self.bpf, "CAP_BPF"), (self.perfmon, "CAP_PERFMON")];
        let missing: Vec<_> =
            wanted.iter().filter(|(has, _)| !has).map(|(_, name)| *name).collect();
        (!missing.is_empty()).then(|| missing.join(" and "))
    }
}

/// What is left to do that takes capabilities when everything is attached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chores {
    /// A command is handed signals on, whoever's process it may have become.
    pub signals: bool,
    /// A report takes the place of a file, in a folder that may be another user's.
    pub replaces_file: bool,
}

impl Chores {
    /// Those of the `permitted` capabilities that these chores, and reading what was counted, take.
    fn need(self, permitted: CapabilitySet) -> CapabilitySet {
        // Up to 5.18 the kernel may refuse every use of bpf(2) without it, also of maps that are open
        // (`sysctl_unprivileged_bpf_disabled` in `__sys_bpf`, kernel/bpf/syscall.c). Detaching takes
        // none: the kernel does that when the descriptors are closed.
        let mut needed = if permitted.contains(CapabilitySet::BPF) {
            CapabilitySet::BPF
        } else {
            CapabilitySet::SYS_ADMIN
        };
        if self.signals {
            needed |= CapabilitySet::KILL;
        }
        if self.replaces_file {
            needed |= CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER;
        }
        needed & permitted
    }
}

/// Gives up, for good, all capabilities of this thread that `chores` do not take, and every way to get
/// others: also root has none anew by executing a program. Threads that it starts later have no more.
///
/// # Errors
/// When the kernel does not let it, as under a filter of system calls.
pub fn give_up(chores: Chores) -> rustix::io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let kept = chores.need(capabilities(None)?.permitted);
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_and_is_needed_is_kept() {
        use CapabilitySet as Set;
        let (watching, all) = (Chores::default(), Set::all());
        assert_eq!(watching.need(all), Set::BPF);
        assert_eq!(watching.need(Set::BPF | Set::PERFMON), Set::BPF);
        assert_eq!(watching.need(Set::SYS_ADMIN | Set::KILL), Set::SYS_ADMIN);
        assert_eq!(watching.need(Set::empty()), Set::empty());
        let chores = Chores { signals: true, replaces_file: true };
        assert_eq!(chores.need(all), Set::BPF | Set::KILL | Set::DAC_OVERRIDE | Set::FOWNER);
        assert_eq!(chores.need(Set::BPF | Set::PERFMON), Set::BPF);
    }

    #[test]
    fn names_just_what_is_missing() {
        let none = Caps { sys_admin: false, bpf: false, perfmon: false };
        assert_eq!(none.missing().as_deref(), Some("CAP_BPF and CAP_PERFMON"));
        assert_eq!(Caps { bpf: true, ..none }.missing().as_deref(), Some("CAP_PERFMON"));
        assert_eq!(Caps { bpf: true, perfmon: true, ..none }.missing(), None);
        assert_eq!(Caps { sys_admin: true, ..none }.missing(), None);
    }
}
