//! The JSON of `zc trace` (docs/trace-json.md), as far as claims ask it.

use serde::Deserialize;

use super::super::Unobservable;

/// The report of one run.
#[derive(Debug, Deserialize)]
pub(super) struct Trace {
    complete: bool,
    completeness: Completeness,
    pub(super) run: Run,
    flows: Vec<Flow>,
    processes: Vec<Process>,
}

#[derive(Debug, Deserialize)]
struct Completeness {
    #[serde(default)]
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    /// The command's, where it ended.
    pub(super) exit_status: Option<i32>,
}

/// What a system call moved between two kinds of ends.
#[derive(Debug, Deserialize)]
struct Flow {
    call: String,
    source: String,
    sink: String,
    bytes: Option<u64>,
    copied: Copied,
    reason: Option<String>,
}

/// Bytes that the CPU copied; a direction that was not observed is absent.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Copied {
    user_to_kernel: Option<u64>,
    kernel_to_user: Option<u64>,
    kernel_to_kernel: Option<u64>,
}

/// What one process did.
#[derive(Debug, Deserialize)]
pub(super) struct Process {
    /// It chose that itself.
    pub(super) name: String,
    pub(super) total: Total,
    flows: Vec<Flow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Total {
    /// That returned.
    pub(super) syscalls: Option<u64>,
    pub(super) tasks: Tasks,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tasks {
    /// Processes started.
    pub(super) forks: u64,
    /// Programs run.
    pub(super) execs: u64,
}

/// What is at the end of a call, as reports call it.
pub(super) const FILE: &str = "regular file";
pub(super) const TCP: &str = "TCP";
pub(super) const PIPE: &str = "pipe";

/// What the network stack copies after the call that sent it.
const NETWORK_STACK: &str = "(network stack)";

/// What went to ends of one kind, and what the CPU copied for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Bytes, as the calls say.
    pub(super) bytes: u64,
    /// Those of flows in which the CPU copied none.
    pub(super) uncopied: u64,
    /// Those that splice(2) moved.
    pub(super) spliced: u64,
    /// User to kernel, kernel to user, in the kernel.
    pub(super) copied: [u64; 3],
    /// Those of `copied` that the network stack did, after the calls that sent.
    pub(super) later: u64,
}

impl Trace {
    /// Why what is counted is not believed.
    pub(super) fn problem(&self) -> Option<String> {
        (!self.complete).then(|| format!("incomplete: {}", self.completeness.problems.join("; ")))
    }

    /// The one process of this name.
    ///
    /// # Errors
    /// That there is none, or more than one.
    pub(super) fn process(&self, name: &str) -> Result<&Process, Unobservable> {
        let found: Vec<_> = self.processes.iter().filter(|process| process.name == name).collect();
        match found[..] {
            [process] => Ok(process),
            _ => Err(Unobservable::Lacking(format!(
                "{} processes called {name} were seen",
                found.len()
            ))),
        }
    }

    /// Bytes that calls moved to ends of the kind `sink`: by all calls, and by splice(2).
    pub(super) fn moved_to(&self, sink: &str) -> [u64; 2] {
        let flows = || self.flows.iter().filter(|flow| flow.sink == sink);
        let spliced = flows().filter(|flow| flow.call == "splice");
        [flows().filter_map(|flow| flow.bytes).sum(), spliced.filter_map(|flow| flow.bytes).sum()]
    }

    /// What went to ends of the kind `sink`, and how often it was copied.
    ///
    /// # Errors
    /// Why it is not known how often some of that was copied.
    pub(super) fn went_to(&self, sink: &str) -> Result<Arrived, Unobservable> {
        let mut arrived = Arrived::default();
        for flow in &self.flows {
            if flow.sink == sink || (sink == TCP && flow.call == NETWORK_STACK) {
                arrived.add(flow)?;
            }
        }
        Ok(arrived)
    }
}

impl Arrived {
    fn add(&mut self, flow: &Flow) -> Result<(), Unobservable> {
        let Some(copied) = flow.copied.all() else {
            let reason = flow.reason.as_deref().unwrap_or("its copies were not observed");
            return Err(Unobservable::Lacking(format!("{} to {}: {reason}", flow.call, flow.sink)));
        };
        let bytes = flow.bytes.unwrap_or(0);
        self.bytes += bytes;
        self.uncopied += if copied == [0; 3] { bytes } else { 0 };
        self.spliced += if flow.call == "splice" { bytes } else { 0 };
        self.later += if flow.call == NETWORK_STACK { copied.iter().sum() } else { 0 };
        self.copied.iter_mut().zip(copied).for_each(|(sum, copied)| *sum += copied);
        Ok(())
    }
}

impl Copied {
    /// If all of it was observed.
    fn all(self) -> Option<[u64; 3]> {
        Some([self.user_to_kernel?, self.kernel_to_user?, self.kernel_to_kernel?])
    }
}

impl Process {
    /// Bytes that its calls moved from ends of one kind, and to them.
    pub(super) fn moved(&self, kind: &str) -> [u64; 2] {
        let sum = |end: fn(&Flow) -> &str| {
            let flows = self.flows.iter().filter(|flow| end(flow) == kind);
            flows.filter_map(|flow| flow.bytes).sum()
        };
        [sum(|flow| &flow.source), sum(|flow| &flow.sink)]
    }
}
