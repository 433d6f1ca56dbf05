//! What zc may cost: limits in terms of what other tools cost in the same boot.

use serde::Serialize;
use zc_guest::bench::{tool, workload};

use super::report::Report;

/// A limit, and whether it is kept.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// Absent if either side was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) measured: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) holds: Option<bool>,
}

impl Target {
    pub(super) fn new(
        what: String,
        unit: &'static str,
        measured: Option<f64>,
        limit: Option<f64>,
    ) -> Self {
        let holds = measured.zip(limit).map(|(measured, limit)| measured <= limit);
        Self { what, unit, measured, limit, holds }
    }
}

/// The shares of another tool's cost that zc may reach.
const SHARES: [(&str, &str, f64, &str, &str); 6] = [
    (workload::GETPPID, tool::ZC, 1.0 / 9.0, "1/9", tool::BPFTRACE),
    (workload::GETPPID, tool::ZC, 1.5, "1.5", tool::EMPTY),
    (workload::PREAD_4K, tool::ZC, 1.0 / 5.0, "1/5", tool::BPFTRACE),
    (workload::PREAD_4K, tool::ZC, 1.5, "1.5", tool::EMPTY),
    (workload::GETPPID, tool::BYSTANDER, 1.25, "1.25", tool::EMPTY),
    (workload::PREAD_4K, tool::BYSTANDER, 1.25, "1.25", tool::EMPTY),
];

/// All targets, with what was measured.
pub(crate) fn judge(report: &Report) -> Vec<Target> {
    let mut targets: Vec<_> = SHARES
        .iter()
        .map(|(workload, tool, factor, share, than)| {
            Target::new(
                format!("{workload}, {tool}: at most {share} × {than}"),
                "instructions",
                report.added(tool, workload),
                report.added(than, workload).map(|cost| cost * factor),
            )
        })
        .collect();
    let start = |name: &str| report.start.iter().find(|start| start.tool == name);
    let memory = |name: &str| report.memory.iter().find(|memory| memory.tool == name);
    let [zc, other] = [tool::ZC, tool::BPFTRACE_HOOKS].map(start);
    let fifth = |of: Option<u64>| of.map(|of| whole(of) / 5.0);
    let than = format!("at most 1/5 × {}", tool::BPFTRACE_HOOKS);
    targets.push(Target::new(
        format!("start, time: {than}"),
        "ns",
        zc.map(|start| whole(start.elapsed_ns)),
        fifth(other.map(|start| start.elapsed_ns)),
    ));
    targets.push(Target::new(
        format!("start, work: {than}"),
        "instructions",
        zc.map(|start| whole(start.instructions)),
        fifth(other.map(|start| start.instructions)),
    ));
    let [zc, other] = [tool::ZC, tool::BPFTRACE_HOOKS].map(memory);
    targets.push(Target::new(
        format!("peak memory: {than}"),
        "KiB",
        zc.map(|memory| whole(memory.peak_resident_kib)),
        fifth(other.map(|memory| memory.peak_resident_kib)),
    ));
    targets
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_with_a_missing_side_is_not_judged() {
        let target = |measured, limit| Target::new(String::new(), "", measured, limit).holds;
        assert_eq!(target(Some(150.0), Some(150.0)), Some(true));
        assert_eq!(target(Some(150.1), Some(150.0)), Some(false));
        assert_eq!(target(None, Some(1.0)), None);
        assert_eq!(target(Some(1.0), None), None);
    }
}
