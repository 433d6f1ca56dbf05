//! Running `zc trace` and looking at its report.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zc::probes::catalogue::SITES;

use crate::{
    support::{nothing_left_behind, status, stderr, stdout, zc},
    unskipped::until_unskipped,
};

/// How often a trace is made again because the kernel skipped a program in it.
pub(crate) const TRIES: usize = 8;

/// A run of `zc trace --json`, or of one that writes its report to a file.
pub(crate) struct Traced {
    pub(crate) output: Output,
    pub(crate) report: Report,
}

impl Traced {
    /// Of a run that printed its report.
    pub(crate) fn of(output: Output) -> Self {
        let report = Report::parse(&stdout(&output), &stderr(&output));
        Self { output, report }
    }

    /// It ended with 0, and so lost nothing.
    #[track_caller]
    pub(crate) fn expect_complete(&self) {
        assert_eq!(status(&self.output), 0, "{}", self.report.problems());
        assert_eq!(self.report.0["complete"], true, "{}", self.report.problems());
    }
}

/// The first of the traces in which the kernel skips no program; see [`crate::counting`].
pub(crate) fn unskipped(trace: impl FnMut() -> Traced) -> Traced {
    until_unskipped(TRIES, trace, |traced| traced.report.skips())
}

/// What a run of zc prints as text; if the kernel skipped a program in it, of one made later.
pub(crate) fn unskipped_text(mut run: impl FnMut() -> Output) -> Output {
    let run = || {
        let output = run();
        nothing_left_behind();
        output
    };
    until_unskipped(TRIES, run, |output| {
        Some(stdout(output)).filter(|text| text.contains("lost to nested probes"))
    })
}

/// `zc trace` with `arguments`, not yet started.
pub(crate) fn trace(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = zc();
    command.arg("trace").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A `zc trace` that counts processes which are there already.
pub(crate) struct Tracer {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Tracer {
    /// Starts it, and waits until it counts.
    #[track_caller]
    pub(crate) fn start(arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::try_start(arguments).unwrap_or_else(|said| panic!("{said}"))
    }

    /// The same; or what it says if it does not.
    pub(crate) fn try_start(arguments: &[impl AsRef<OsStr>]) -> Result<Self, String> {
        let mut child = trace(arguments).spawn().expect("zc starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("zc says that it counts");
        if line == "zc: tracing; Ctrl-C ends it\n" {
            return Ok(Self { child, stderr });
        }
        stderr.read_to_string(&mut line).expect("a pipe can be read");
        child.wait().expect("zc ends");
        Err(line)
    }

    /// zc's process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(self) -> Output {
        kill_process(self.pid(), Signal::INT).expect("zc is there");
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Output {
        let mut output = self.child.wait_with_output().expect("zc ends");
        self.stderr.read_to_end(&mut output.stderr).expect("a pipe can be read");
        nothing_left_behind();
        output
    }
}

/// The JSON of a trace.
pub(crate) struct Report(pub(crate) Value);

impl Report {
    pub(crate) fn parse(text: &str, stderr: &str) -> Self {
        let report = serde_json::from_str(text);
        Self(report.unwrap_or_else(|error| panic!("{error} in {text}\nstderr: {stderr}")))
    }

    /// Whether the kernel skipped a program.
    pub(crate) fn skipped(&self) -> bool {
        let misses = &self.0["completeness"]["lost"]["recursion_misses"];
        !misses.as_object().expect("it is always there").is_empty()
    }

    /// What it skipped, if anything.
    pub(crate) fn skips(&self) -> Option<String> {
        self.skipped().then(|| self.problems().to_string())
    }

    pub(crate) fn problems(&self) -> &Value {
        &self.0["completeness"]
    }

    pub(crate) fn ended(&self) -> &str {
        self.0["run"]["ended"].as_str().expect("it has ended")
    }

    /// The rows of processes of this name.
    pub(crate) fn processes(&self, name: &str) -> Vec<&Value> {
        let all = self.0["processes"].as_array().expect("it is always there");
        all.iter().filter(|process| process["name"] == name).collect()
    }

    /// The names of all processes, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let all = self.0["processes"].as_array().expect("it is always there");
        let mut names: Vec<_> = all.iter().map(|process| text(&process["name"])).collect();
        names.sort_unstable();
        names
    }

    /// The one row of a process of this name.
    #[track_caller]
    pub(crate) fn process(&self, name: &str) -> &Value {
        let found = self.processes(name);
        assert_eq!(found.len(), 1, "{name} in {:?}", self.names());
        found[0]
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}

/// A number that has to be there.
#[track_caller]
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// The flows of a report, a process or a thread, sorted, as in "3 read: regular file → memory, 1000
/// bytes, KU 1000, one copy by filemap_read". Nothing is left out but failed calls, and what `execve`
/// reads of a program.
pub(crate) fn flows(of: &Value) -> Vec<String> {
    let all = of["flows"].as_array().expect("it is always there");
    let programs = |flow: &&Value| flow["call"] != "execve";
    let mut lines: Vec<_> = all.iter().filter(programs).map(flow).collect();
    lines.sort_unstable();
    lines
}

fn flow(flow: &Value) -> String {
    let [call, source, sink, verdict] =
        ["call", "source", "sink", "verdict"].map(|key| text(&flow[key]));
    let copied = &flow["copied"];
    let directions =
        [("UK", "user_to_kernel"), ("KU", "kernel_to_user"), ("KK", "kernel_to_kernel")];
    let directions = directions.map(|(short, key)| match copied[key].as_u64() {
        Some(0) => String::new(),
        Some(bytes) => format!(", {short} {bytes}"),
        None => format!(", {short} not observed"),
    });
    let by: Vec<_> = flow["copied_by"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| newest(text(name)))
        .collect();
    let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
    let bytes = flow["bytes"].as_u64().map_or_else(String::new, |bytes| format!(", {bytes} bytes"));
    let calls = number(&flow["calls"]) - number(&flow["failed"]);
    format!("{calls} {call}: {source} → {sink}{bytes}{}, {verdict}{by}", directions.concat())
}

/// A function as the newest kernel calls it.
fn newest(function: &str) -> &str {
    let row = SITES.iter().find(|row| row.functions.contains(&function));
    row.map_or(function, |row| row.functions[0])
}
