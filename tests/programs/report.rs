//! The JSON of `zc trace`, as far as these tests read it.

use std::{collections::BTreeMap, fmt, iter::Sum};

use serde::Deserialize;

use super::account::{Calls, Flows, Tally, moving};

/// The report of one run.
#[derive(Debug, Deserialize)]
pub(crate) struct Trace {
    schema: String,
    complete: bool,
    completeness: Completeness,
    syscalls: Vec<Syscall>,
    flows: Vec<Flow>,
    processes: Vec<Process>,
    pub(crate) total: Total,
}

#[derive(Debug, Deserialize)]
struct Completeness {
    #[serde(default)]
    uncovered: Vec<Uncovered>,
}

#[derive(Debug, Deserialize)]
struct Uncovered {
    returned_bytes: u64,
    explained_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Process {
    pid: u32,
    syscalls: Vec<Syscall>,
}

#[derive(Debug, Deserialize)]
struct Syscall {
    name: String,
    calls: u64,
    failed: u64,
    /// Absent of one that does not return any.
    bytes: Option<u64>,
    copied: Observed,
}

/// What one system call moved between two kinds of ends.
#[derive(Debug, Deserialize)]
pub(crate) struct Flow {
    call: String,
    source: String,
    sink: String,
    pub(crate) bytes: Option<u64>,
    pub(crate) copied: Observed,
    pub(crate) copies_per_byte: Option<f64>,
    pub(crate) verdict: String,
}

/// Of the whole run.
#[derive(Debug, Deserialize)]
pub(crate) struct Total {
    pub(crate) copied: Copied,
}

/// Bytes that the CPU copied, by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Copied {
    pub(crate) user_to_kernel: u64,
    pub(crate) kernel_to_user: u64,
    pub(crate) kernel_to_kernel: u64,
}

/// The same of a part, where a direction that was not observed is absent.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Observed {
    user_to_kernel: Option<u64>,
    kernel_to_user: Option<u64>,
    kernel_to_kernel: Option<u64>,
}

impl Observed {
    /// If all of it was observed.
    pub(crate) fn all(self) -> Option<Copied> {
        Some(Copied {
            user_to_kernel: self.user_to_kernel?,
            kernel_to_user: self.kernel_to_user?,
            kernel_to_kernel: self.kernel_to_kernel?,
        })
    }
}

impl Copied {
    /// No byte in any direction.
    pub(crate) const NONE: Self =
        Self { user_to_kernel: 0, kernel_to_user: 0, kernel_to_kernel: 0 };
}

impl Sum for Copied {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::NONE, |sum, copied| Self {
            user_to_kernel: sum.user_to_kernel + copied.user_to_kernel,
            kernel_to_user: sum.kernel_to_user + copied.kernel_to_user,
            kernel_to_kernel: sum.kernel_to_kernel + copied.kernel_to_kernel,
        })
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user_to_kernel, kernel_to_user, kernel_to_kernel } = self;
        write!(
            f,
            "copied: {user_to_kernel} user to kernel, {kernel_to_user} kernel to user, \
             {kernel_to_kernel} in the kernel"
        )
    }
}

impl Trace {
    /// Reads a report, which has to be complete.
    pub(crate) fn read(json: &str) -> Self {
        let trace: Self =
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"));
        assert_eq!(trace.schema, "zc.trace/1");
        assert!(trace.complete, "the result is not complete: {json}");
        trace
    }

    /// Each system call's counts.
    pub(crate) fn calls(&self) -> Calls {
        calls(&self.syscalls)
    }

    /// What the CPU copied within each system call.
    pub(crate) fn copied(&self) -> BTreeMap<&str, Copied> {
        let copied = |call: &Syscall| call.copied.all().expect("it was observed");
        self.syscalls.iter().map(|call| (call.name.as_str(), copied(call))).collect()
    }

    /// The counts of each process that made a call that moves bytes, in the order of their ids.
    pub(crate) fn by_process(&self) -> Vec<Calls> {
        let mut processes: Vec<_> =
            self.processes.iter().map(|process| (process.pid, calls(&process.syscalls))).collect();
        processes.sort_by_key(|(pid, _)| *pid);
        let moves = |calls: &Calls| moving().any(|name| calls.contains_key(name));
        processes.into_iter().map(|(_, calls)| calls).filter(moves).collect()
    }

    /// What the calls that move bytes moved between which kinds of file.
    pub(crate) fn flows(&self) -> Flows {
        let moved = self.flows.iter().filter_map(|flow| {
            let Flow { call, source, sink, .. } = flow;
            let bytes = flow.bytes.filter(|bytes| *bytes > 0)?;
            moving()
                .any(|name| name == call)
                .then(|| ((call.clone(), source.clone(), sink.clone()), bytes))
        });
        moved.collect()
    }

    /// Bytes that calls moved and no site saw.
    pub(crate) fn uncovered(&self) -> u64 {
        let missing = |of: &Uncovered| of.returned_bytes.abs_diff(of.explained_bytes);
        self.completeness.uncovered.iter().map(missing).sum()
    }

    /// The flow of `call` between these ends.
    pub(crate) fn flow(&self, call: &str, source: &str, sink: &str) -> &Flow {
        let found = self
            .flows
            .iter()
            .find(|flow| flow.call == call && flow.source == source && flow.sink == sink);
        found.unwrap_or_else(|| panic!("no {call} from {source} to {sink}: {:?}", self.flows))
    }
}

fn calls(syscalls: &[Syscall]) -> Calls {
    let tally = |Syscall { name, calls, failed, bytes, .. }: &Syscall| {
        let tally = Tally { calls: *calls, failed: *failed, bytes: bytes.unwrap_or(0) };
        (name.clone(), tally)
    };
    syscalls.iter().map(tally).collect()
}
