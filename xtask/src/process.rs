//! Running other programs: quiet while they work, all they said when they fail.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

use crate::progress::Step;
use crate::signals;

/// How often a wait looks for an interruption.
const POLL: Duration = Duration::from_millis(10);

/// How long a program may take to clean up when the user ends this one.
const GRACE: Duration = Duration::from_secs(5);

/// Enough of a failed program's output to find the cause.
const TAIL_LINES: usize = 100;

/// What a program said, and how it ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs a program to its end; its standard error feeds the step's display.
pub(crate) fn capture(command: &mut Command, step: Option<&Step>) -> Result<Finished> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", describe(command)))?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        let stdout = scope.spawn(move || {
            let mut bytes = Vec::new();
            stdout.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes)).map(|_| bytes)
        });
        let stderr = scope.spawn(move || read_lines(stderr, step));
        let status = wait(&mut child)?;
        let stdout = stdout.join().expect("reading does not panic");
        let stderr = stderr.join().expect("reading does not panic");
        let unread = || format!("cannot read the output of {}", describe(command));
        Ok(Finished {
            status,
            stdout: stdout.with_context(unread)?,
            stderr: stderr.with_context(unread)?,
        })
    })
}

/// Runs a program that must succeed; its standard output.
pub(crate) fn checked(command: &mut Command, step: Option<&Step>) -> Result<Vec<u8>> {
    let finished = capture(command, step)?;
    if !finished.status.success() {
        let mut said = finished.stderr;
        said.push_str(&String::from_utf8_lossy(&finished.stdout));
        bail!("{} failed ({}):\n{}", describe(command), finished.status, tail(&said));
    }
    Ok(finished.stdout)
}

/// Waits for a child; ends it if the user ends this program.
pub(crate) fn wait(child: &mut Child) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
            return Ok(status);
        }
        if signals::interrupted() {
            end(child)?;
        }
        signals::check()?;
        thread::sleep(POLL);
    }
}

/// Ends a child: politely, so that it can clean up, then by force.
fn end(child: &mut Child) -> Result<()> {
    // Either may find that it has ended by itself just now, which is as good.
    let _gone = rustix::process::kill_process(Pid::from_child(child), Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if child.try_wait().context("cannot wait for a child process")?.is_some() {
            return Ok(());
        }
        thread::sleep(POLL);
    }
    let _gone = child.kill();
    child.wait().context("cannot wait for a child process").map(drop)
}

/// A program's path, also in the directories that only root has in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The last lines of a text, where the cause usually is.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The command line as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn read_lines(pipe: Option<ChildStderr>, step: Option<&Step>) -> io::Result<String> {
    let mut text = String::new();
    let Some(pipe) = pipe else { return Ok(text) };
    for line in BufReader::new(pipe).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if let Some(step) = step {
            step.detail(&line);
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_command_status_and_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo the cause >&2; exit 3"]);
        let error = checked(&mut command, None).unwrap_err().to_string();
        for part in ["sh -c", "exit status: 3", "the cause"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let text: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert!(tail(&text).starts_with("900\n"));
        assert_eq!(tail("one"), "one");
    }

    #[test]
    fn a_missing_program_is_named() {
        let mut command = Command::new("zc-no-such-program");
        assert!(
            checked(&mut command, None).unwrap_err().to_string().contains("zc-no-such-program")
        );
        assert_eq!(find_program("zc-no-such-program"), None);
        assert!(find_program("sh").is_some());
    }
}
