//! `--stacks`, `--folded` and `--flamegraph`, of the lab and of traces.

use std::path::PathBuf;

use anyhow::Result;

use super::Failure;
use crate::{
    report::{flamegraph, output::Output, stacks},
    stacks::PathTree,
};

/// By which ways through the kernel bytes were copied.
#[derive(Debug, clap::Args)]
pub(super) struct StackArgs {
    /// Show by which ways through the kernel the bytes were copied
    #[arg(long)]
    stacks: bool,
    /// Write these ways to a file, as lines that flame graph programs take
    #[arg(long, value_name = "PATH")]
    folded: Option<PathBuf>,
    /// Write a flame graph of these ways to a file, as SVG
    #[arg(long, value_name = "PATH")]
    flamegraph: Option<PathBuf>,
}

impl StackArgs {
    /// Whether stacks have to be taken.
    pub(super) fn wanted(&self) -> bool {
        self.stacks || self.folded.is_some() || self.flamegraph.is_some()
    }

    /// Opens the files that were asked for.
    pub(super) fn open(&self) -> Result<StackFiles, Failure> {
        let folded = self.folded.as_deref().map(|path| Output::at(path, "--folded"));
        let graph = self.flamegraph.as_deref().map(|path| Output::at(path, "--flamegraph"));
        Ok(StackFiles {
            folded: folded.transpose().map_err(Failure::usage)?,
            flamegraph: graph.transpose().map_err(Failure::usage)?,
        })
    }
}

/// The files that the ways go to, opened before measuring.
pub(super) struct StackFiles {
    folded: Option<Output>,
    flamegraph: Option<Output>,
}

impl StackFiles {
    /// Writes them; `command` and `kernel` are what the graph is of.
    pub(super) fn write(self, ways: &PathTree, command: &str, kernel: &str) -> Result<()> {
        if let Some(file) = self.folded {
            file.write(&stacks::folded(ways))?;
        }
        if let Some(file) = self.flamegraph {
            let title = format!("{command}: copied bytes by the way through kernel {kernel}");
            file.write(&flamegraph::svg(ways, &title))?;
        }
        Ok(())
    }
}
