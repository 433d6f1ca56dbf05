//! Running zc on this machine.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zc::kernel::btf::VMLINUX;

use crate::skip::Need;

/// The program under test.
pub(crate) fn zc() -> Command {
    let path = env::var_os("ZC").expect("ZC says where zc is: run this by `cargo xtask test`");
    let mut command = Command::new(path);
    // Commands run as whoever runs the tests, who may use the tests' own files.
    command.env("NO_COLOR", "1").env_remove("SUDO_UID").env_remove("SUDO_GID").stdin(Stdio::null());
    // A shell starts what it puts in the background with SIGINT ignored, and zc respects that.
    let listen = || {
        // SAFETY: no handler is set.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        Ok(())
    };
    // SAFETY: one system call between fork and exec.
    unsafe { command.pre_exec(listen) };
    command
}

/// What `zc doctor` says of this machine.
pub(crate) fn doctor() -> &'static Value {
    static DOCTOR: OnceLock<Value> = OnceLock::new();
    DOCTOR.get_or_init(|| {
        let output = zc().args(["doctor", "--json"]).output().expect("zc starts");
        serde_json::from_slice(&output.stdout).expect("its report is JSON")
    })
}

/// What it says of one tier.
pub(crate) fn tier(name: &str) -> &'static Value {
    let tiers = doctor()["tiers"].as_array().expect("there are tiers");
    tiers.iter().find(|tier| tier["tier"] == name).expect("each tier is tried")
}

/// A kernel that lets tracepoints be attached, by who runs the tests.
pub(crate) fn tracepoints() -> Need {
    if !Path::new(VMLINUX).exists() {
        return Err(format!("the kernel does not publish its types ({VMLINUX})"));
    }
    let boundary = tier("boundary");
    match boundary["works"].as_bool() {
        Some(true) => Ok(()),
        _ => Err(format!("no tracepoint can be attached: {}", text(&boundary["answer"]))),
    }
}

/// The same, and root: for a test that looks at what the kernel has loaded, or becomes another user.
pub(crate) fn root() -> Need {
    if !rustix::process::geteuid().is_root() {
        return Err("only root may do what it does".into());
    }
    tracepoints()
}

/// Whether zc has to be told to do without probes on functions.
pub(crate) fn sites_work() -> bool {
    tier("sites")["works"] == true
}

/// `zc trace` or `zc check` in the boundary tier.
pub(crate) fn boundary(subcommand: &str) -> Command {
    let mut command = zc();
    command.arg(subcommand);
    if sites_work() {
        command.arg("--boundary");
    }
    command
}

/// Runs `zc trace --json` to its end, complete and with exit status 0.
pub(crate) fn trace(arguments: &[&str]) -> Value {
    let output = boundary("trace").arg("--json").args(arguments).output().expect("zc starts");
    report(&output)
}

/// The report of a `zc trace --json` that lost nothing.
pub(crate) fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}, stderr: {said}"));
    assert_eq!(report["complete"], true, "{}", report["completeness"]["problems"]);
    report
}

/// A zc that counts, from this moment on until it is told to stop.
pub(crate) struct Tracing {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Tracing {
    /// Starts `command`, a trace of processes or of everyone without intervals, and waits until it
    /// counts.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("zc starts");
        let mut said = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it is UTF-8");
        assert!(line.contains("tracing"), "{line}");
        Self { child, said }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is our child");
    }

    /// Waits for its end.
    pub(crate) fn output(mut self) -> Output {
        let mut output = self.child.wait_with_output().expect("it is our child");
        self.said.read_to_end(&mut output.stderr).expect("it is a pipe");
        output
    }
}

/// A text in JSON.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A number in JSON.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The elements of a list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// The element of a list whose `key` is this text.
pub(crate) fn named<'a>(values: &'a Value, key: &str, name: &str) -> &'a Value {
    let found = list(values).iter().find(|value| value[key] == name);
    found.unwrap_or_else(|| panic!("no {key} {name} in {values:#}"))
}

/// Waits until `ready` gives something.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "no {what} after two minutes");
        sleep(Duration::from_millis(10));
    }
}
