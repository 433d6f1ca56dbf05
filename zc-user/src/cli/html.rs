//! `--html`, the same for every subcommand that makes a report.

use std::{env, path::PathBuf};

use anyhow::Result;

use super::Failure;
use crate::report::output::Output;

/// The report as a page.
#[derive(Debug, clap::Args)]
pub(super) struct HtmlArgs {
    /// Write the report to a file as well, as one HTML page with pictures, which needs no network
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
}

impl HtmlArgs {
    /// Opens the file, where one was asked for.
    pub(super) fn open(&self) -> Result<HtmlFile, Failure> {
        let file = self.html.as_deref().map(|path| Output::at(path, "--html"));
        Ok(HtmlFile(file.transpose().map_err(Failure::usage)?))
    }
}

/// The file that the page goes to, opened before measuring.
pub(super) struct HtmlFile(Option<Output>);

impl HtmlFile {
    /// Whether it will take the place of a file.
    pub(super) fn replaces_file(&self) -> bool {
        self.0.as_ref().is_some_and(Output::replaces_file)
    }

    /// Writes it; `page` makes it of the command line.
    pub(super) fn write(self, page: impl FnOnce(&str) -> String) -> Result<()> {
        match self.0 {
            Some(file) => file.write(&page(&command_line())),
            None => Ok(()),
        }
    }
}

/// This program's own command line, as a shell takes it.
fn command_line() -> String {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // No argument holds the byte that ends one.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default()
}
