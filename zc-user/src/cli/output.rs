//! Where a report goes and whether in colour: the same options for every subcommand that makes one.

use std::path::PathBuf;

use serde::Serialize;

use super::Failure;
use crate::report::{output::Output, text::Colour};

/// A report as JSON, for people too.
pub(super) fn json(report: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report).map_err(Failure::unobserved)?;
    Ok(format!("{text}\n"))
}

/// The options.
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Write the report to this file instead of stdout
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Colour the text
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

impl OutputArgs {
    /// Opens the place for the report.
    pub(super) fn open(&self) -> Result<Output, Failure> {
        Output::open(self.output.as_deref()).map_err(Failure::usage)
    }

    /// Whether it is kept in a file.
    pub(super) fn is_file(&self) -> bool {
        self.output.is_some()
    }

    /// Whether to colour the report.
    pub(super) fn coloured(&self) -> bool {
        self.on_stdout() && !self.is_file()
    }

    /// Whether to colour what goes to stdout in any case.
    pub(super) fn on_stdout(&self) -> bool {
        self.color.on_stdout()
    }
}
