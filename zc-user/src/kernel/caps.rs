//! The capabilities that this process has.

use rustix::thread::{CapabilitySet, capabilities};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_just_what_is_missing() {
        let none = Caps { sys_admin: false, bpf: false, perfmon: false };
        assert_eq!(none.missing().as_deref(), Some("CAP_BPF and CAP_PERFMON"));
        assert_eq!(Caps { bpf: true, ..none }.missing().as_deref(), Some("CAP_PERFMON"));
        assert_eq!(Caps { bpf: true, perfmon: true, ..none }.missing(), None);
        assert_eq!(Caps { sys_admin: true, ..none }.missing(), None);
    }
}
