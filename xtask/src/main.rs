//! Set-up, guests, tests and benchmarks of zc.

mod bench;
mod build;
mod cache;
mod check;
mod claims;
mod lab;
mod learn;
mod libtest;
mod process;
mod progress;
mod setup;
mod signals;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A wrong command line, as sysexits(3) has it; clap's own 2 means "not observed" in zc.
const USAGE: u8 = 64;
/// The set-up, a build or the guest failed: nothing is known about the command's own result.
const UNAVAILABLE: u8 = 69;
/// Ended by ctrl-C, by the shell's convention.
const INTERRUPTED: u8 = 130;

/// Set-up, guests, tests and benchmarks of zc.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing on this machine; says each thing that it installs
    Setup,
    /// Run the textbook's transfers and verify their copies, here or in a guest
    Lab(lab::LabArgs),
    /// Check the format and the lints; warnings are errors
    Check,
    /// Run the checks, the unit tests, and the integration tests in guests
    Test(test::TestArgs),
    /// Count the instructions that being observed adds to system calls, by zc and by others
    Bench(bench::BenchArgs),
    /// Decide public claims about copies on each kernel, and write docs/claims.md
    Claims(claims::ClaimsArgs),
    /// Do one of the labs for learners, here or in a guest; with --all alone run each of them in a guest, in
    /// both languages, with a wrong prediction and with the right one
    Learn(lab::LabArgs),
    /// Run one command, or a shell, in a guest with a chosen kernel
    Vm(vm::args::VmArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Neither stream can be reported on if it is gone.
            let _closed = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let outcome = signals::install().and_then(|()| match cli.command {
        Task::Setup => setup::command(),
        Task::Lab(args) => lab::command(lab::Commanded::Lab, args),
        Task::Check => check::command(),
        Task::Test(args) => test::command(&args),
        Task::Bench(args) => bench::command(&args),
        Task::Claims(args) => claims::command(&args),
        Task::Learn(args) => learn::command(args),
        Task::Vm(args) => vm::command(&args),
    });
    match outcome {
        Ok(status) => status.into(),
        Err(_) if signals::interrupted() => {
            eprintln!("xtask: interrupted");
            INTERRUPTED.into()
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            UNAVAILABLE.into()
        }
    }
}
