//! The user's terminal: its size, and its state while a guest has it.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, Termios};

/// What a terminal has when it does not say.
const USUAL: (u16, u16) = (24, 80);

/// Rows and columns of the terminal on standard output.
pub(crate) fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => USUAL,
    }
}

/// Whether both output streams are the user's terminal.
pub(crate) fn is_output() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// What a program in the guest should know of the terminal.
pub(crate) fn environment() -> Vec<OsString> {
    let mut term = OsString::from("TERM=");
    term.push(std::env::var_os("TERM").unwrap_or_else(|| "linux".into()));
    let no_color = std::env::var_os("NO_COLOR").map(|_| "NO_COLOR=1".into());
    let (rows, columns) = size();
    let size = [format!("LINES={rows}").into(), format!("COLUMNS={columns}").into()];
    std::iter::once(term).chain(no_color).chain(size).collect()
}

/// Remembers the terminal's state and restores it, since QEMU does not when it is killed.
pub(crate) struct TerminalGuard {
    mode: Termios,
    flags: OFlags,
}

impl TerminalGuard {
    /// Fails if standard input and output are not a terminal.
    pub(crate) fn new() -> Result<Self> {
        ensure!(
            io::stdin().is_terminal() && io::stdout().is_terminal(),
            "--shell needs a terminal; to run a command without one, use `-- COMMAND`"
        );
        let context = "cannot read the terminal's state";
        Ok(Self {
            mode: rustix::termios::tcgetattr(io::stdin()).context(context)?,
            flags: rustix::fs::fcntl_getfl(io::stdin()).context(context)?,
        })
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        let restored = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.mode)
            .and_then(|()| rustix::fs::fcntl_setfl(io::stdin(), self.flags));
        if let Err(error) = restored {
            eprintln!("xtask: cannot restore the terminal ({error}): type `reset`");
        }
    }
}
