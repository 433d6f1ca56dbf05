//! Whether the audit tier's probe is to be had: an execution breakpoint on a copy primitive.

use super::TierReport;
use crate::{
    kernel::{
        breakpoint::{REGISTERS, free_registers},
        facts::symbol_addresses,
    },
    result::Tier,
};

/// The primitive that is tried (`lib/iov_iter.c`).
const LEAF: &str = "_copy_to_iter";

/// Opens as many breakpoints on this process as it gets, and closes them again.
pub(super) fn try_audit() -> TierReport {
    let (works, answer) = match symbol_addresses(&[LEAF]).get(LEAF) {
        None => (false, "it is not in /proc/kallsyms".into()),
        Some(None) => (false, "its address is hidden (see kernel.kptr_restrict)".into()),
        Some(&Some(address)) => match free_registers(address) {
            Ok(free) => (free > 0, format!("{free} of {REGISTERS} debug registers are free")),
            Err(error) => (false, error.to_string()),
        },
    };
    TierReport {
        tier: Tier::Audit,
        works,
        probe: "hardware execution breakpoint on _copy_to_iter",
        answer,
    }
}
