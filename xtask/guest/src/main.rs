//! `zc-init`: the first process of a guest. It mounts what a program expects, runs one command,
//! hands files back, says on the console how the command ended, and switches the machine off.

mod command;
mod disks;
mod modules;
mod system;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use rustix::system::RebootCommand;
use zc_guest::{CONSOLE_TTY, RunSpec, SPEC_PATH, Verdict};

fn main() -> ExitCode {
    // Anywhere else than in a guest, the last step would switch a person's machine off.
    if std::process::id() != 1 {
        eprintln!("zc-init is the first process of a guest; use `cargo xtask vm`");
        return ExitCode::FAILURE;
    }
    let verdict = session().unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
    finish(&verdict)
}

/// Everything between boot and the verdict.
fn session() -> Result<Verdict> {
    system::prepare()?;
    modules::load()?;
    disks::unpack_payload()?;
    let spec = std::fs::read(SPEC_PATH)
        .with_context(|| format!("the payload has no description of the run ({SPEC_PATH})"))?;
    let spec = RunSpec::decode(&spec)?;
    let verdict = command::run(&spec)?;
    disks::hand_back(&spec.get)?;
    Ok(verdict)
}

/// Says the verdict and switches off. A failure here leaves the guest without a verdict, which
/// the host reports as a failure.
fn finish(verdict: &Verdict) -> ExitCode {
    rustix::fs::sync();
    // A message of the kernel must not land in the middle of the line.
    let quiet = std::fs::write("/proc/sys/kernel/printk", "1");
    let said = OpenOptions::new().write(true).open(CONSOLE_TTY).and_then(|mut console| {
        write!(console, "\n{verdict}\n")?;
        Ok(rustix::termios::tcdrain(&console)?)
    });
    if let Err(error) = quiet.and(said) {
        eprintln!("zc-init: cannot say {verdict}: {error}");
    }
    match rustix::system::reboot(RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zc-init: cannot switch off: {error}");
            ExitCode::FAILURE
        }
    }
}
