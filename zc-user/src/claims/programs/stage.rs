//! Where one program runs: a folder with a payload in it, and `zc trace` around the program.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    super::{SIZE, Unobservable},
    Seen, peer,
    process::Process,
    trace::Trace,
};
use crate::transfer::{payload, session::Running};

/// Files of the folder: the payload, the report of `zc trace`, and what was said on standard output and
/// standard error.
pub(super) const PAYLOAD: &str = "f";
const REPORT: &str = "trace.json";
const SAID: &str = "said";

/// A folder for one run of one program, removed when dropped.
pub(super) struct Stage<'a> {
    folder: TempDir,
    running: &'a Running,
}

impl<'a> Stage<'a> {
    /// A new one in `folder`. The payload has just been written: the page cache has it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(folder: &Path, running: &'a Running) -> Result<Self, Unobservable> {
        let make = || {
            let folder = tempfile::Builder::new().prefix("zc-claims-").tempdir_in(folder)?;
            let mut file = File::create_new(folder.path().join(PAYLOAD))?;
            payload::fill(&mut file, SIZE)?;
            Ok(Self { folder, running })
        };
        make().map_err(|error: io::Error| {
            Unobservable::Lacking(format!("cannot make a payload in {}: {error}", folder.display()))
        })
    }

    /// The path of a file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads a file of it.
    ///
    /// # Errors
    /// That it is not there.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Unobservable> {
        fs::read(self.path(name)).map_err(|error| Unobservable::Lacking(format!("{name}: {error}")))
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// As where the disk is full.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Unobservable> {
        let written = fs::write(self.path(name), text);
        written.map_err(|error| Unobservable::Lacking(format!("{name}: {error}")))
    }

    /// The payload's bytes.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub(super) fn payload(&self) -> Result<Vec<u8>, Unobservable> {
        self.read(PAYLOAD)
    }

    /// Whether `arrived` is the payload; how many bytes that are.
    ///
    /// # Errors
    /// That it is not.
    pub(super) fn check(&self, arrived: &[u8]) -> Result<u64, Unobservable> {
        if arrived != self.payload()? {
            return Err(Unobservable::Lacking("what arrived is not what was sent".into()));
        }
        Ok(arrived.len() as u64)
    }

    /// Runs a command that is not traced; what it said.
    ///
    /// # Errors
    /// That it is not installed, failed, or takes too long.
    pub(super) fn run(&self, argv: &[&str]) -> Result<String, Unobservable> {
        let status = Process::start(argv[0], &mut self.command(argv)?, self.running)?.end()?;
        if !status.success() {
            return Err(self.failed(argv[0], &status.to_string()));
        }
        Ok(String::from_utf8_lossy(&self.read(SAID)?).into_owned())
    }

    /// What a program and its version are called, by what it says itself when it is asked with `option`.
    ///
    /// # Errors
    /// As of [`run`](Self::run).
    pub(super) fn version(&self, program: &str, option: &str) -> Result<String, Unobservable> {
        let said = self.run(&[program, option])?;
        Ok(format!("{program} {}", number(&said)))
    }

    /// Runs a command to its end under `zc trace`.
    ///
    /// # Errors
    /// As of [`run`](Self::run); that it cannot be traced.
    pub(super) fn trace(&self, argv: &[&str]) -> Result<Trace, Unobservable> {
        self.tracing(argv)?.end()?;
        let trace = self.report(argv[0])?;
        match trace.run.exit_status {
            Some(0) => Ok(trace),
            Some(status) => Err(self.failed(argv[0], &format!("exit status {status}"))),
            None => Err(self.failed(argv[0], "it did not end")),
        }
    }

    /// Traces a program, `who` for people, that copies the payload to the file `g`.
    ///
    /// # Errors
    /// As of [`trace`](Self::trace); that the copy is another file.
    pub(super) fn copy(&self, who: String, argv: &[&str]) -> Result<Seen, Unobservable> {
        let trace = self.trace(argv)?;
        Ok(Seen { who, payload: self.check(&self.read("g")?)?, trace })
    }

    /// Runs a server under `zc trace` until `client` has got what it wants from it at `port`.
    ///
    /// # Errors
    /// As of [`trace`](Self::trace); those of `client`.
    pub(super) fn serve<T>(
        &self,
        argv: &[&str],
        port: u16,
        client: impl FnOnce() -> Result<T, Unobservable>,
    ) -> Result<(Trace, T), Unobservable> {
        let server = self.tracing(argv)?;
        server.until(|_| peer::listens(port))?;
        if server.has_ended() {
            return Err(self.failed(argv[0], "it has ended"));
        }
        let got = client()?;
        server.terminate();
        server.end()?;
        Ok((self.report(argv[0])?, got))
    }

    /// Starts a command under `zc trace`: a process of its own, which gives up for good what lets it trace.
    fn tracing(&self, argv: &[&str]) -> Result<Process<'a>, Unobservable> {
        let zc = env::current_exe();
        let zc =
            zc.map_err(|error| Unobservable::Lacking(format!("zc's program file: {error}")))?;
        let before = [zc.as_os_str(), "trace".as_ref(), "--json".as_ref(), "--output".as_ref()];
        let words = before.into_iter().chain([REPORT.as_ref(), "--".as_ref()]);
        let words: Vec<_> = words.chain(argv.iter().map(OsStr::new)).collect();
        Process::start(argv[0], &mut self.command(&words)?, self.running)
    }

    /// A command that starts here, as zc's user, with a new file for what it says.
    fn command(&self, argv: &[impl AsRef<OsStr>]) -> Result<Command, Unobservable> {
        let said = File::create(self.path(SAID));
        let said = said.and_then(|said| Ok([said.try_clone()?, said]));
        let [stdout, stderr] =
            said.map_err(|error| Unobservable::Lacking(format!("{SAID}: {error}")))?;
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        command.env("LC_ALL", "C").env("NO_COLOR", "1");
        // Who called sudo may not enter the folder.
        command.env_remove("SUDO_UID").env_remove("SUDO_GID");
        Ok(command)
    }

    /// What `zc trace` wrote about `program`.
    fn report(&self, program: &str) -> Result<Trace, Unobservable> {
        let report = fs::read(self.path(REPORT)).map_err(|_| self.failed(program, "no trace"))?;
        serde_json::from_slice(&report).map_err(|error| {
            Unobservable::Lacking(format!("{program}: zc trace said no JSON: {error}"))
        })
    }

    /// `why` a program gave nothing, with the last line of what was said.
    fn failed(&self, program: &str, why: &str) -> Unobservable {
        let said = self.read(SAID).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        Unobservable::Lacking(format!(
            "{program}: {why}{}",
            last.map_or(String::new(), |line| format!(": {line}"))
        ))
    }
}

/// The first number in a text, with what dots divide in it: a version.
fn number(said: &str) -> &str {
    let digit = |c: char| c.is_ascii_digit();
    let said = said.find(digit).map_or("", |start| &said[start..]);
    let end = said.find(|c| !digit(c) && c != '.').unwrap_or(said.len());
    said[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say_of_themselves() {
        for (said, version) in [
            ("cp (GNU coreutils) 9.7\nCopyright (C) 2025", "9.7"),
            ("nginx version: nginx/1.26.3\n", "1.26.3"),
            ("go version go1.24.4 linux/amd64", "1.24.4"),
            ("openjdk 25 2025-09-16\n", "25"),
            ("HAProxy version 3.0.11-1+deb13u1 2025/10/03", "3.0.11"),
            ("no number.", ""),
        ] {
            assert_eq!(number(said), version, "{said}");
        }
    }
}
