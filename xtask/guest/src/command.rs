//! Runs the command, with its standard streams on serial lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::termios::{OptionalActions, Winsize};
use zc_guest::{RunSpec, SCRATCH_DIR, STDERR_TTY, STDOUT_TTY, Streams, Verdict};

/// Debian's programs, where there are any, before busybox's.
const PATH: &str = "/usr/bin:/usr/sbin:/bin:/sbin";

/// What a shell says of a command that does not exist.
const NOT_FOUND: i32 = 127;

/// Runs the command to its end, and ends everything that it left behind.
pub(crate) fn run(spec: &RunSpec) -> Result<Verdict> {
    let Some(program) = spec.argv.first() else {
        return Ok(Verdict::Failed("there is no command to run".to_owned()));
    };
    let lines = Lines::open(spec.streams)?;
    let mut command = Command::new(program);
    if matches!(spec.streams, Streams::Interactive(..)) {
        // A new session whose terminal is the serial line: ctrl-C and job control work.
        command = Command::new("/bin/busybox");
        command.args(["setsid", "-c"]).arg(program);
    }
    command.args(&spec.argv[1..]).current_dir(SCRATCH_DIR);
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("USER", "root");
    for setting in &spec.env {
        let setting = setting.to_str().with_context(|| format!("{setting:?} is not UTF-8"))?;
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        command.env(name, value);
    }
    lines.connect(&mut command)?;
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            lines.complain(&format!("cannot run {}: {error}\n", program.display()))?;
            return Ok(Verdict::Exited(NOT_FOUND));
        }
    };
    let relays = lines.relay(&mut child);
    let verdict = wait(&child)?;
    // Pid 1 as a group is "every process but this one".
    let _none_left = rustix::process::kill_process_group(Pid::INIT, Signal::KILL);
    for relay in relays {
        relay.join().expect("a relay does not panic").context("cannot relay output")?;
    }
    Lines::drain()?;
    Ok(verdict)
}

/// Waits for the command, and reaps every orphan on the way.
fn wait(child: &Child) -> Result<Verdict> {
    let wanted = child.id();
    loop {
        let Some((pid, status)) = rustix::process::wait(WaitOptions::empty())
            .or_else(|error| if error == rustix::io::Errno::INTR { Ok(None) } else { Err(error) })
            .context("cannot wait for the command")?
        else {
            continue;
        };
        if pid.as_raw_nonzero().get().cast_unsigned() == wanted {
            return Ok(verdict_of(status));
        }
    }
}

fn verdict_of(status: WaitStatus) -> Verdict {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Verdict::Exited(code),
        (None, Some(signal)) => Verdict::Killed(signal),
        (None, None) => Verdict::Failed(format!("unexpected wait status {status:?}")),
    }
}

/// The serial lines that stand for the standard streams.
struct Lines {
    streams: Streams,
    stdout: File,
    stderr: File,
}

impl Lines {
    fn open(streams: Streams) -> Result<Self> {
        let stdout = open_line(STDOUT_TTY, streams)?;
        let stderr = match streams {
            Streams::Apart => open_line(STDERR_TTY, streams)?,
            Streams::Terminal(..) | Streams::Interactive(..) => {
                stdout.try_clone().context("cannot duplicate the terminal")?
            }
        };
        Ok(Self { streams, stdout, stderr })
    }

    fn connect(&self, command: &mut Command) -> Result<()> {
        let copy = |file: &File| file.try_clone().context("cannot duplicate a serial line");
        match self.streams {
            // Pipes and not the lines themselves: the command must not take them for a terminal.
            Streams::Apart => {
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            }
            Streams::Terminal(..) => {
                command.stdin(Stdio::null()).stdout(copy(&self.stdout)?);
                command.stderr(copy(&self.stderr)?);
            }
            Streams::Interactive(..) => {
                command.stdin(copy(&self.stdout)?).stdout(copy(&self.stdout)?);
                command.stderr(copy(&self.stderr)?);
            }
        }
        Ok(())
    }

    fn relay(&self, child: &mut Child) -> Vec<JoinHandle<io::Result<()>>> {
        let out = child.stdout.take().map(|pipe| copy_to(pipe, &self.stdout));
        let err = child.stderr.take().map(|pipe| copy_to(pipe, &self.stderr));
        out.into_iter().chain(err).collect()
    }

    fn complain(&self, message: &str) -> Result<()> {
        io::Write::write_all(&mut &self.stderr, message.as_bytes())
            .context("cannot write to standard error")?;
        Self::drain()
    }

    /// What is still in the kernel's buffers is lost when the machine is switched off. The lines
    /// are opened anew, since those of an ended terminal session have been hung up.
    fn drain() -> Result<()> {
        for path in [STDOUT_TTY, STDERR_TTY] {
            let context = || format!("cannot drain {path}");
            let line = OpenOptions::new().write(true).open(path).with_context(context)?;
            rustix::termios::tcdrain(line).with_context(context)?;
        }
        Ok(())
    }
}

fn copy_to(mut pipe: impl Read + Send + 'static, line: &File) -> JoinHandle<io::Result<()>> {
    let line = line.try_clone();
    thread::spawn(move || io::copy(&mut pipe, &mut line?).map(drop))
}

fn open_line(path: &str, streams: Streams) -> Result<File> {
    let line = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(path)
        .with_context(|| format!("cannot open {path}"))?;
    set_mode(&line, streams).with_context(|| format!("cannot set the mode of {path}"))?;
    Ok(line)
}

fn set_mode(line: &File, streams: Streams) -> rustix::io::Result<()> {
    let mut mode = rustix::termios::tcgetattr(line)?;
    mode.set_speed(115_200)?;
    if !matches!(streams, Streams::Interactive(..)) {
        // Bytes pass as they are; a terminal on the host does its own conversions.
        mode.make_raw();
    }
    rustix::termios::tcsetattr(line, OptionalActions::Now, &mode)?;
    if let Streams::Terminal(rows, columns) | Streams::Interactive(rows, columns) = streams {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(line, size)?;
    }
    Ok(())
}
