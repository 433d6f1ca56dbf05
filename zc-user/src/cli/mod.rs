//! The command line: a file for each subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::report::text::{harmless, one_line};

mod check;
mod claims;
mod doctor;
mod hold;
mod html;
mod interruptible;
mod lab;
mod learn;
mod output;
mod progress;
mod stacks;
mod target;
mod trace;
mod worker;

/// Exit statuses, the same for every subcommand. `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything holds.
    Holds,
    /// Something was refuted.
    Refuted,
    /// Nothing, or not all, could be observed.
    Unobserved,
    /// The command line asks for something that cannot be (`EX_USAGE`, sysexits.h).
    Usage,
    /// SIGINT or SIGTERM.
    Interrupted,
    /// That of a traced command.
    Command(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Holds => 0,
            Exit::Refuted => 1,
            Exit::Unobserved => 2,
            Exit::Usage => 64,
            Exit::Interrupted => 130,
            // A status has eight bits.
            Exit::Command(status) => u8::try_from(status & 0xff).unwrap_or(u8::MAX),
        })
    }
}

/// Why a command gave no result: the status and one line about it.
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The user asked for something that cannot be.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    /// The machine did not let it be observed.
    pub fn unobserved(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Unobserved, error: error.into() }
    }

    /// The user ended it.
    pub fn interrupted(why: &str) -> Self {
        Self { exit: Exit::Interrupted, error: anyhow::anyhow!("{why}: nothing to report yet") }
    }
}

/// What went well ends with a status too.
pub type Outcome = Result<Exit, Failure>;

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
    Lab(lab::Args),
    Trace(trace::Args),
    Check(check::Args),
    Claims(claims::Args),
    Learn(learn::Args),
    Doctor(doctor::Args),
    /// One side of a transfer; `zc lab` starts it
    #[command(subcommand, hide = true)]
    Worker(worker::Role),
}

/// clap's message about a value that it does not accept, in one line.
fn bad_value(error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let text = error.to_string();
    let said = text.lines().take_while(|line| !line.starts_with("For more")).map(str::trim);
    let line = said.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    Some(harmless(line))
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap prints to the stream that fits.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Holds };
            match bad_value(&error) {
                Some(line) => eprintln!("zc: {line}"),
                // It repeats arguments, which a shell's pattern may have made of hostile names.
                None if error.use_stderr() => {
                    error.to_string().lines().for_each(|line| eprintln!("{}", harmless(line)));
                }
                None => drop(error.print()),
            }
            return exit.into();
        }
    };
    let outcome = match cli.command {
        Command::Lab(args) => lab::main(&args),
        Command::Trace(args) => trace::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Claims(args) => claims::main(&args),
        Command::Learn(args) => learn::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        // A worker's failure goes to its parent, which says it once.
        Command::Worker(role) => {
            return if worker::main(&role).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("zc: {}", one_line(failure.error.as_ref()));
            failure.exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::learn::{LABS, Lang};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Every `zc` command that the README or a `--help` shows is one that parses.
    #[test]
    fn shown_commands_parse() {
        let mut shown = include_str!("../../../README.md").to_owned();
        shown.push_str(include_str!("../../../docs/check.md"));
        for name in ["lab", "trace", "check", "claims", "learn", "doctor"] {
            let mut command = Cli::command();
            let help = command.find_subcommand_mut(name).unwrap().render_long_help();
            shown.push_str(&help.to_string());
        }
        for lab in LABS {
            shown.push_str(&lab.page(Lang::En).unwrap().attempt);
            shown.push('\n');
        }
        let commands: Vec<_> = shown.lines().filter_map(command_in).collect();
        assert!(commands.len() >= 10, "{commands:?}");
        for words in commands {
            let parsed = Cli::try_parse_from(&words);
            assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
        }
    }

    /// The words of a line that shows a command, without what explains it.
    fn command_in(line: &str) -> Option<Vec<String>> {
        let line = line.trim().trim_start_matches("sudo ");
        let command = line.split(['#', '|']).next()?.split("  ").next()?;
        let words = shlex::split(command)?;
        (words.first().is_some_and(|word| word == "zc") && words.len() > 1).then_some(words)
    }
}
