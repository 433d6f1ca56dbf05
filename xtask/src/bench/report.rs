//! What the records mean: a typed result, which is also the JSON.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use zc_guest::bench::{Record, tool, workload};

use super::targets::{self, Target};
use crate::vm::Guest;

/// One run of the benchmark. docs/bench/README.md documents the fields.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    pub(crate) date: String,
    pub(crate) kernel: String,
    pub(crate) machine: String,
    /// By program; absent where it did not run.
    pub(crate) versions: BTreeMap<&'static str, String>,
    pub(crate) hooks: Vec<String>,
    pub(crate) base: Vec<Base>,
    pub(crate) rows: Vec<Row>,
    pub(crate) start: Vec<Start>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) proofs: Vec<Proof>,
    pub(crate) absent: Vec<Absent>,
    pub(crate) targets: Vec<Target>,
}

/// A workload with nothing attached.
#[derive(Debug, Serialize)]
pub(crate) struct Base {
    pub(crate) workload: String,
    /// Instructions of a round.
    pub(crate) instructions: f64,
    /// How much more they are when every tool has come and gone.
    pub(crate) drift: f64,
}

/// A workload under a tool.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) tool: String,
    /// Instructions that a round takes more than with nothing attached.
    pub(crate) added_instructions: f64,
    /// How much more the second best run took: how well the figure repeats.
    pub(crate) spread: f64,
}

/// From exec to counting, the best of several.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) tool: String,
    /// In the tool's own processes.
    pub(crate) instructions: u64,
    /// Of the guest's time, in which an instruction takes a nanosecond; waiting is in it.
    pub(crate) elapsed_ns: u64,
}

/// What a tool takes of the memory, in KiB.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) tool: String,
    pub(crate) peak_resident_kib: u64,
    pub(crate) kernel_kib: u64,
}

/// That a tool counted while it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Proof {
    tool: String,
    /// `getppid` calls (on nginx, requests) that were made, and that it says there were.
    made: u64,
    counted: u64,
}

/// What was not measured.
#[derive(Debug, Serialize)]
pub(crate) struct Absent {
    pub(crate) tool: String,
    pub(crate) reason: String,
}

impl Report {
    /// Derives everything from the records of one boot.
    pub(crate) fn new(
        guest: &Guest,
        records: &[Record],
        date: String,
        commit: Option<String>,
    ) -> Result<Self> {
        let zc = commit.map_or("this checkout".to_owned(), |commit| format!("commit {commit}"));
        let mut versions = BTreeMap::from([("zc", zc), ("qemu", guest.qemu_version()?)]);
        for name in ["bpftrace", "linux-perf", "nginx", "strace"] {
            versions.extend(guest.version(name).map(|version| (name, version.to_owned())));
        }
        let costs = costs(records);
        let base = base(&costs)?;
        let mut report = Self {
            schema: "zc.bench/1",
            date,
            kernel: guest.release().to_owned(),
            machine: guest.describe(),
            versions,
            hooks: Vec::new(),
            rows: rows(&costs, &base),
            base,
            start: Vec::new(),
            memory: Vec::new(),
            proofs: Vec::new(),
            absent: Vec::new(),
            targets: Vec::new(),
        };
        for record in records {
            report.add(record);
        }
        report.targets = targets::judge(&report);
        Ok(report)
    }

    fn add(&mut self, record: &Record) {
        match record.clone() {
            Record::Hooks { hooks } => self.hooks = hooks,
            Record::Start { tool, elapsed, instructions } => {
                if let (Some(&elapsed_ns), Some(&instructions)) =
                    (elapsed.iter().min(), instructions.iter().min())
                {
                    self.start.push(Start { tool, instructions, elapsed_ns });
                }
            }
            Record::Memory { tool, resident_kib, kernel_kib } => {
                self.memory.push(Memory { tool, peak_resident_kib: resident_kib, kernel_kib });
            }
            Record::Absent { tool, reason } => self.absent.push(Absent { tool, reason }),
            Record::Counted { tool, made, counted } => {
                self.proofs.push(Proof { tool, made, counted });
            }
            Record::Clock { .. } | Record::Cost { .. } => {}
        }
    }

    /// What a tool adds to a workload.
    pub(crate) fn added(&self, tool: &str, workload: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.tool == tool && row.workload == workload)?;
        Some(row.added_instructions)
    }
}

/// The best two runs, by tool and workload. A tool whose proof is missing counted nothing that
/// could be relied on, and is left out.
fn costs(records: &[Record]) -> Vec<(&str, &str, [f64; 2])> {
    let unproven = |name: &str| {
        records.iter().any(|record| matches!(record, Record::Absent { tool, .. } if tool == name))
    };
    let costs = records.iter().filter_map(|record| match record {
        Record::Cost { tool, workload, instructions } if !unproven(tool) => {
            let mut runs = instructions.clone();
            runs.sort_by(f64::total_cmp);
            Some((tool.as_str(), workload.as_str(), [*runs.first()?, *runs.get(1)?]))
        }
        _ => None,
    });
    costs.collect()
}

fn base(costs: &[(&str, &str, [f64; 2])]) -> Result<Vec<Base>> {
    let best = |tool: &str, workload: &str| {
        costs
            .iter()
            .find(|(t, w, _)| *t == tool && *w == workload)
            .map(|(_, _, [best, _])| *best)
            .with_context(|| format!("the guest did not measure {tool:?} for {workload:?}"))
    };
    if costs.is_empty() {
        bail!("the guest measured nothing");
    }
    let base = workload::ALL.into_iter().map(|workload| {
        let instructions = best(tool::NOTHING, workload)?;
        let drift = rounded(best(tool::NOTHING_AGAIN, workload)? - instructions);
        Ok(Base { workload: workload.to_owned(), instructions: rounded(instructions), drift })
    });
    base.collect()
}

fn rows(costs: &[(&str, &str, [f64; 2])], base: &[Base]) -> Vec<Row> {
    let rows = costs.iter().filter_map(|(tool, workload, [best, second])| {
        let nothing = base.iter().find(|base| base.workload == *workload)?;
        let row = Row {
            workload: (*workload).to_owned(),
            tool: (*tool).to_owned(),
            added_instructions: rounded(best - nothing.instructions),
            spread: rounded(second - best),
        };
        let nothing = [tool::NOTHING, tool::NOTHING_AGAIN].contains(tool);
        (!nothing).then_some(row)
    });
    rows.collect()
}

/// To a tenth: what is finer is the timer's interrupts.
fn rounded(instructions: f64) -> f64 {
    // Adding zero turns a negative one into a positive one.
    (instructions * 10.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(tool: &str, getppid: [f64; 3]) -> Vec<Record> {
        let record = |workload: &str| Record::Cost {
            tool: tool.into(),
            workload: workload.into(),
            instructions: getppid.to_vec(),
        };
        workload::ALL.into_iter().map(record).collect()
    }

    #[test]
    fn what_a_tool_adds_is_its_best_run_less_the_base() {
        let mut records = cost(tool::NOTHING, [340.0, 332.0, 332.5]);
        records.extend(cost(tool::ZC, [700.0, 532.26, 532.5]));
        records.extend(cost(tool::NOTHING_AGAIN, [333.0, 333.0, 333.0]));
        let costs = costs(&records);
        let base = base(&costs).unwrap();
        assert_eq!((base[0].instructions, base[0].drift), (332.0, 1.0));
        let rows = rows(&costs, &base);
        assert_eq!(rows.len(), workload::ALL.len());
        assert_eq!((rows[0].added_instructions, rows[0].spread), (200.3, 0.2));
    }

    #[test]
    fn every_key_is_documented() {
        let target = Target::new("x".into(), "ns", Some(1.0), Some(2.0));
        let mut report = Report {
            schema: "zc.bench/1",
            date: String::new(),
            kernel: String::new(),
            machine: String::new(),
            versions: BTreeMap::new(),
            hooks: Vec::new(),
            base: vec![Base { workload: workload::GETPPID.into(), instructions: 0.0, drift: 0.0 }],
            rows: Vec::new(),
            start: Vec::new(),
            memory: Vec::new(),
            proofs: Vec::new(),
            absent: Vec::new(),
            targets: vec![target],
        };
        report.rows = rows(&[(tool::ZC, workload::GETPPID, [1.0; 2])], &report.base);
        let tool = || "x".to_owned();
        report.add(&Record::Start { tool: tool(), elapsed: vec![1], instructions: vec![1] });
        report.add(&Record::Memory { tool: tool(), resident_kib: 1, kernel_kib: 1 });
        report.add(&Record::Counted { tool: tool(), made: 1, counted: 1 });
        report.add(&Record::Absent { tool: tool(), reason: tool() });
        let document = include_str!("../../../docs/bench/README.md");
        let json = serde_json::to_value(&report).unwrap();
        let lists = json.as_object().unwrap();
        let mut keys: Vec<_> = lists.keys().collect();
        for list in lists.values() {
            keys.extend(
                list.get(0).and_then(|row| row.as_object()).into_iter().flat_map(|row| row.keys()),
            );
        }
        assert_eq!(keys.len(), 36, "{keys:?}");
        for key in keys {
            assert!(document.contains(&format!("`{key}`")), "docs/bench does not mention {key}");
        }
    }

    #[test]
    fn a_tool_without_a_proof_has_no_rows() {
        let mut records = cost(tool::NOTHING, [332.0; 3]);
        records.extend(cost(tool::STRACE, [9000.0; 3]));
        records.push(Record::Absent { tool: tool::STRACE.into(), reason: "no proof".into() });
        assert!(costs(&records).iter().all(|(tool, _, _)| *tool == tool::NOTHING));
        assert!(base(&costs(&records)).is_err(), "nothing was measured at the end");
    }
}
