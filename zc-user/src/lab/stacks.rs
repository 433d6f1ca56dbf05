//! `--stacks`: on which ways through the kernel the bytes of a run were copied.

use zc_common::Group;

use super::{Lab, group_of};
use crate::{
    measure::Counted,
    result::{
        RunReport,
        stacks::{SideStacks, side_stacks},
    },
    stacks::{Names, StackSample},
};

impl Lab<'_> {
    /// The ways of both sides; none where they were not asked for.
    pub(super) fn stacks(
        &self,
        report: &RunReport,
        run: &Counted,
        empty: &Counted,
    ) -> Vec<SideStacks> {
        let Some(symbols) = &self.symbols else { return Vec::new() };
        let names = Names { symbols, functions: &self.engine.probes().functions };
        let none = StackSample::default();
        let of = |counted: &Counted, group: Group| counted.stacks.get(&group).cloned();
        let stacks = report.sides().map(|(side, report)| {
            let group = group_of(side);
            let [run, empty] =
                [run, empty].map(|counted| of(counted, group).unwrap_or(none.clone()));
            side_stacks(side, report, &run, &empty, &names)
        });
        stacks.collect()
    }
}
