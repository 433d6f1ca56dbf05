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
    // Without strings, which could look like the end of a line.
    let mut words: Vec<OsString> =
        ["strace", "-f", "-s", "0", "-e", "signal=none", "-e", &calls, "-o"].map(Into::into).into();
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
    child: Child,
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
        let mut observer = Self { child, stderr, said: String::new() };
        while !observer.said.contains(ready) {
            let read = observer.stderr.read_line(&mut observer.said).expect("it writes UTF-8");
            assert_ne!(read, 0, "{argv:?} ended: {}", observer.said);
        }
        observer
    }

    /// Ends it by ctrl-C.
    pub(crate) fn interrupt(self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        self.ended();
    }

    /// Waits until it ends, and it ends when the process does.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        // Before it is waited for, lest it wait until somebody reads what it says.
        self.stderr.read_to_string(&mut self.said).expect("it writes UTF-8");
        (self.child.wait().expect("it is our child"), self.said)
    }
}
