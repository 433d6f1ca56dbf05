//! The command line: a file for each subcommand.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod doctor;
mod lab;
mod worker;

/// Exit statuses, the same for every subcommand. `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything holds.
    Holds = 0,
    /// Something was refuted.
    Refuted = 1,
    /// Nothing, or not all, could be observed.
    Unobserved = 2,
    /// The command line asks for something that cannot be (`EX_USAGE`, sysexits.h).
    Usage = 64,
    /// SIGINT.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command gave no result: the status and one line about it.
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The user asked for something that cannot be.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    /// The machine did not let it be observed.
    pub(crate) fn unobserved(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Unobserved, error: error.into() }
    }

    /// The user ended it.
    pub(crate) fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, error: anyhow::anyhow!("interrupted: nothing to report") }
    }
}

/// What went well ends with a status too.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Counts, inside the kernel, how many times the CPU copies each byte that a program moves and how
/// often the program crosses between user and kernel mode.
#[derive(Debug, Parser)]
#[command(name = "zc", version, arg_required_else_help = true, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
    0  everything verified
    1  something refuted
    2  not observed, or incomplete
   64  the command line is wrong
  130  interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run transfer styles and compare measured copies and switches with theory
    Lab(lab::Args),
    /// Say what this kernel allows zc to see
    Doctor(doctor::Args),
    /// One side of a transfer; `zc lab` starts it
    #[command(subcommand, hide = true)]
    Worker(worker::Role),
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap prints to the stream that fits.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Holds };
            let _ = error.print();
            return exit.into();
        }
    };
    let outcome = match cli.command {
        Command::Lab(args) => lab::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        // A worker's failure goes to its parent, which says it once.
        Command::Worker(role) => {
            return if worker::main(role).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let line = format!("{:#}", failure.error);
            eprintln!("{}: {}", Cli::command().get_name(), crate::report::text::harmless(&line));
            failure.exit.into()
        }
    }
}
