//! What a run lost: counts that cannot be got back.

use std::collections::BTreeMap;

use serde::Serialize;

/// Lost counts, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Whether the kernel may have skipped programs without saying how often.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
    /// Skipped runs of programs: the kernel does not run a program on a CPU where it is already
    /// running (`recursion_misses`, kernel/bpf/trampoline.c). Only those that were skipped.
    pub recursion_misses: BTreeMap<String, u64>,
    /// Children whose process id is beyond the table of groups.
    pub unfollowed_children: u64,
    /// Sockets whose owner was forgotten: another took its place in the table.
    pub forgotten_owners: u64,
    /// Counts that the breakdown by thread had no room for.
    #[serde(skip_serializing_if = "is_zero")]
    pub unlisted_counts: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Loss {
    /// Nothing was lost.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Why counts of this BPF program may be missing.
    pub fn of_program(&self, program: &str) -> Option<String> {
        if self.untold {
            return Some("this kernel does not tell how many counts were lost".to_owned());
        }
        let misses = self.recursion_misses.get(program)?;
        Some(format!("{misses} counts of {program} were lost to nested probes"))
    }

    /// Why returns of system calls may be missing: of whichever program counts them.
    pub fn of_returns(&self) -> Option<String> {
        let programs = ["sys_exit", "traced_sys_exit", "raw_sys_exit"];
        programs.iter().find_map(|program| self.of_program(program))
    }

    /// Programs were skipped and nothing else happened: the same run may well lose nothing.
    pub fn is_chance(&self) -> bool {
        let rest = Self { recursion_misses: BTreeMap::new(), ..self.clone() };
        !self.recursion_misses.is_empty() && rest.is_none()
    }

    /// The losses of two windows together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.untold |= other.untold;
        for (program, misses) in &other.recursion_misses {
            *self.recursion_misses.entry(program.clone()).or_default() += misses;
        }
        self.unfollowed_children += other.unfollowed_children;
        self.forgotten_owners += other.forgotten_owners;
        self.unlisted_counts += other.unlisted_counts;
        self
    }

    /// A line for each cause.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.untold {
            reasons.push("this kernel does not tell how many counts were lost".to_owned());
        }
        for (program, misses) in &self.recursion_misses {
            reasons.push(format!("{misses} counts of {program} were lost to nested probes"));
        }
        if self.unfollowed_children > 0 {
            reasons.push(format!(
                "{} children were not followed: their process ids are beyond the table",
                self.unfollowed_children
            ));
        }
        if self.forgotten_owners > 0 {
            reasons.push(format!(
                "the owners of {} sockets were forgotten: too many sockets for the table",
                self.forgotten_owners
            ));
        }
        if self.unlisted_counts > 0 {
            reasons.push(format!(
                "{} counts or threads are missing by thread, which the sums of all have: the table is full (--max-threads gives it more room)",
                self.unlisted_counts
            ));
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_add_up_and_each_has_its_reason() {
        let one = Loss {
            recursion_misses: BTreeMap::from([("filemap_read".to_owned(), 2)]),
            unfollowed_children: 1,
            ..Loss::default()
        };
        let both = one.clone().and(&Loss { forgotten_owners: 3, ..one });
        assert_eq!(both.recursion_misses["filemap_read"], 4);
        let reasons = both.reasons().join("; ");
        for part in ["4 counts of filemap_read", "2 children", "3 sockets"] {
            assert!(reasons.contains(part), "{reasons}");
        }
        assert!(Loss::default().is_none() && Loss::default().reasons().is_empty());
        assert!(!both.is_none() && !both.is_chance());
        let misses = BTreeMap::from([("sys_exit".to_owned(), 1)]);
        assert!(Loss { recursion_misses: misses, ..Loss::default() }.is_chance());
        assert!(!Loss::default().is_chance());
    }
}
