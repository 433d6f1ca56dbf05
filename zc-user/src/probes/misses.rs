//! How often the kernel skipped a program because it was already running on the CPU.

use std::collections::BTreeMap;

/// What the kernel says of skipped runs since loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misses {
    /// By program.
    Told(BTreeMap<String, u64>),
    /// This kernel skips none: it has no recursion check (`struct bpf_prog` without `active`, up to
    /// 5.11), and runs a nested program like any other.
    Never,
    /// It may skip some and does not say.
    Untold,
}

impl Misses {
    /// The programs that were skipped after `before`.
    pub fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let (Self::Told(after), Self::Told(before)) = (self, before) else {
            return BTreeMap::new();
        };
        after
            .iter()
            .map(|(program, misses)| {
                (program.clone(), misses - before.get(program).copied().unwrap_or(0))
            })
            .filter(|(_, misses)| *misses > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_misses_count() {
        let told = |pairs: &[(&str, u64)]| {
            Misses::Told(pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect())
        };
        let since = told(&[("a", 3), ("b", 1), ("c", 2)]).since(&told(&[("a", 1), ("b", 1)]));
        assert_eq!(since, BTreeMap::from([("a".to_owned(), 2), ("c".to_owned(), 2)]));
        assert_eq!(Misses::Never.since(&Misses::Never), BTreeMap::new());
    }
}
