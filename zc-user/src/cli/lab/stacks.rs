//! `--folded` and `--flamegraph`.

use anyhow::Result;

use super::{Args, Failure};
use crate::{
    report::{flamegraph, output::Output, stacks},
    result::{self, LabReport},
};

/// The files that the ways through the kernel go to, opened before measuring.
pub(super) struct StackFiles {
    folded: Option<Output>,
    flamegraph: Option<Output>,
}

impl StackFiles {
    /// Opens those that were asked for.
    pub(super) fn open(args: &Args) -> Result<Self, Failure> {
        let folded = args.folded.as_deref().map(|path| Output::at(path, "--folded"));
        let graph = args.flamegraph.as_deref().map(|path| Output::at(path, "--flamegraph"));
        Ok(Self {
            folded: folded.transpose().map_err(Failure::usage)?,
            flamegraph: graph.transpose().map_err(Failure::usage)?,
        })
    }

    /// Writes them.
    pub(super) fn write(self, report: &LabReport) -> Result<()> {
        let ways = result::stacks::all(&report.styles);
        if let Some(file) = self.folded {
            file.write(&stacks::folded(&ways))?;
        }
        if let Some(file) = self.flamegraph {
            let title = format!("zc lab: copied bytes by the way through kernel {}", report.kernel);
            file.write(&flamegraph::svg(&ways, &title))?;
        }
        Ok(())
    }
}
