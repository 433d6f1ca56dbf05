//! The JSON of `zc trace`, as far as these tests read it.

use std::fmt;

use serde::Deserialize;

use super::account::{Calls, Tally};

/// The report of one run.
#[derive(Debug, Deserialize)]
pub(crate) struct Trace {
    schema: String,
    /// Nothing was lost and every byte was seen.
    complete: bool,
    syscalls: Vec<Syscall>,
    flows: Vec<Flow>,
    pub(crate) total: Total,
}

#[derive(Debug, Deserialize)]
struct Syscall {
    name: String,
    calls: u64,
    failed: u64,
    bytes: u64,
}

/// What one system call moved between two kinds of ends.
#[derive(Debug, Deserialize)]
pub(crate) struct Flow {
    call: String,
    source: Option<String>,
    sink: Option<String>,
    calls: u64,
    pub(crate) bytes: u64,
    pub(crate) copied: Copied,
    pub(crate) copies_per_byte: f64,
    pub(crate) verdict: String,
    sites: Vec<Site>,
}

#[derive(Debug, Deserialize)]
struct Site {
    site: String,
    bytes: u64,
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

impl Copied {
    /// In all directions.
    pub(crate) fn bytes(self) -> u64 {
        self.user_to_kernel + self.kernel_to_user + self.kernel_to_kernel
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
    /// Reads a report, which has to be complete and to agree with itself.
    pub(crate) fn read(json: &str) -> Self {
        let trace: Self =
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"));
        assert_eq!(trace.schema, "zc.trace/1");
        assert!(trace.complete, "the result is not complete: {json}");
        trace.flows_are_all();
        trace
    }

    /// Each system call's counts.
    pub(crate) fn calls(&self) -> Calls {
        let tally = |Syscall { name, calls, failed, bytes }: &Syscall| {
            (name.clone(), Tally { calls: *calls, failed: *failed, bytes: *bytes })
        };
        self.syscalls.iter().map(tally).collect()
    }

    /// The one flow of `call` between these ends.
    pub(crate) fn flow(&self, call: &str, source: &str, sink: &str) -> &Flow {
        let found: Vec<_> = self
            .flows
            .iter()
            .filter(|flow| {
                flow.call == call
                    && flow.source.as_deref() == Some(source)
                    && flow.sink.as_deref() == Some(sink)
            })
            .collect();
        let [flow] = found[..] else {
            panic!("{} flows of {call} from {source} to {sink}: {:?}", found.len(), self.flows);
        };
        flow
    }

    /// The bytes of all flows in which none was copied.
    pub(crate) fn uncopied(&self) -> u64 {
        let flows = self.flows.iter().filter(|flow| flow.copied.bytes() == 0);
        flows.map(|flow| flow.bytes).sum()
    }

    /// The flows of a call are all that the call moved, and a flow's copies are those of its sites.
    fn flows_are_all(&self) {
        for (name, tally) in self.calls() {
            let flows = self.flows.iter().filter(|flow| flow.call == name);
            let bytes: u64 = flows.map(|flow| flow.bytes).sum();
            assert_eq!(bytes, tally.bytes, "{name}: all flows beside the call: {:?}", self.flows);
        }
        for flow in &self.flows {
            assert!(flow.calls > 0, "{flow:?}");
            let copied: u64 = flow.sites.iter().map(|Site { bytes, .. }| bytes).sum();
            let names: Vec<_> = flow.sites.iter().map(|Site { site, .. }| site).collect();
            assert_eq!(copied, flow.copied.bytes(), "{names:?} of {flow:?}");
        }
    }
}
