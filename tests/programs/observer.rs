//! strace and zc while they run.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::account::moving;

/// `strace`, writing to `file`, up to the target's arguments.
pub(crate) fn strace(file: &Path) -> Vec<OsString> {
    let calls = format!("trace={}", moving().collect::<Vec<_>>().join(","));
    // Files by name and kind; no strings, which could look like the end of a line.
    let mut words: Vec<OsString> =
        ["strace", "-f", "-yy", "-s", "0", "-e", "signal=none", "-e", &calls, "-o"]
            .map(Into::into)
            .into();
    words.push(file.into());
    words
}

/// `zc trace`, likewise.
pub(crate) fn zc(file: &Path) -> Vec<OsString> {
    let zc = env::var_os("ZC").unwrap_or_else(|| "/bin/zc".into());
    [&*zc, "trace".as_ref(), "--json".as_ref(), "--output".as_ref(), file.as_os_str()]
        .map(OsStr::to_owned)
        .into()
}

/// What strace and `zc trace` say on standard error once they see all that a process does.
const STRACE_ATTACHED: &str = "attached";
const ZC_ARMED: &str = "tracing";

/// An observer of a process that runs already.
pub(crate) struct Observer {
    child: Ended,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Observer {
    /// strace, once it sees what the process does.
    pub(crate) fn strace(pid: u32, file: &Path) -> Self {
        Self::start(strace(file), pid, STRACE_ATTACHED)
    }

    /// zc, likewise.
    pub(crate) fn zc(pid: u32, file: &Path) -> Self {
        Self::start(zc(file), pid, ZC_ARMED)
    }

    fn start(mut argv: Vec<OsString>, pid: u32, ready: &str) -> Self {
        argv.extend(["-p".into(), pid.to_string().into()]);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the observer starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut observer = Self { child: Ended(child), stderr, said: String::new() };
        while !observer.said.contains(ready) {
            let read = observer.stderr.read_line(&mut observer.said).expect("it writes UTF-8");
            assert_ne!(read, 0, "{argv:?} ended: {}", observer.said);
        }
        observer
    }

    /// Ends it by ctrl-C.
    pub(crate) fn interrupt(mut self) {
        kill_process(Pid::from_child(&self.child.0), Signal::INT).expect("it runs");
        self.wait();
    }

    /// Waits until it ends, which it does with the process, and fails if it complains.
    pub(crate) fn end(mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.said);
    }

    fn wait(&mut self) -> ExitStatus {
        // Before it is waited for, lest it wait until somebody reads what it says.
        self.stderr.read_to_string(&mut self.said).expect("it writes UTF-8");
        self.child.0.wait().expect("it is our child")
    }
}

/// A child that does not outlive the test, whatever becomes of that.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        // One that is stopped gets the first signal when it goes on.
        for signal in [Signal::TERM, Signal::CONT] {
            let _gone = kill_process(Pid::from_child(&self.0), signal);
        }
        let _reaped = self.0.wait();
    }
}
