//! Numbers that a test makes up.

use std::collections::BTreeMap;

use super::{Missing, Number, Quantities};

/// What a test says was measured. Everything else is not observed.
#[derive(Default)]
pub(crate) struct Fake(BTreeMap<&'static str, Result<Number, Missing>>);

impl Fake {
    /// Whole numbers, by name.
    pub(crate) fn whole<const N: usize>(numbers: [(&'static str, u64); N]) -> Self {
        Self(numbers.into_iter().map(|(name, number)| (name, Ok(number.into()))).collect())
    }

    /// And a fraction.
    pub(crate) fn real(mut self, name: &'static str, number: f64) -> Self {
        self.0.insert(name, Ok(number.into()));
        self
    }

    /// And one that was not observed.
    pub(crate) fn missing(mut self, name: &'static str, reason: &str) -> Self {
        self.0.insert(name, Err(Missing::NotObserved(reason.into())));
        self
    }
}

impl Quantities for Fake {
    fn get(&self, name: &str) -> Result<Number, Missing> {
        self.0.get(name).cloned().unwrap_or(Err(Missing::NotObserved("no probe".into())))
    }
}
