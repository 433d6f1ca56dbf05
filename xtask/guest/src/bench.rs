//! What the benchmark in the guest tells the host: records, a JSON line each.

use serde::{Deserialize, Serialize};

/// One thing that the benchmark found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The clock counts instructions: how many it took for a loop of a million.
    Clock {
        /// Ticks of the time stamp counter.
        ticks_per_million: u64,
    },
    /// What a workload took under a tool.
    Cost {
        /// The tool.
        tool: String,
        /// The workload.
        workload: String,
        /// Instructions of one round, averaged over a run; of each run.
        instructions: Vec<f64>,
    },
    /// The proof that a tool counted: how many `getppid` calls it says there were, on nginx how many
    /// of `sendfile`.
    Counted {
        /// The tool.
        tool: String,
        /// Calls that were made while it was attached.
        made: u64,
        /// Calls that it counted.
        counted: u64,
    },
    /// From the start of a tool until its probes count, several times; the first one also reads
    /// the tool's files from the disk.
    Start {
        /// The tool.
        tool: String,
        /// Nanoseconds that passed: instructions of the whole machine, and waiting.
        elapsed: Vec<u64>,
        /// Instructions in the tool's own processes.
        instructions: Vec<u64>,
    },
    /// What a tool takes of the memory.
    Memory {
        /// The tool.
        tool: String,
        /// Its peak resident set (`VmHWM`, proc(5)), in KiB.
        resident_kib: u64,
        /// Its BPF maps and programs, which lie in the kernel (`memlock` of their fdinfo), in KiB.
        kernel_kib: u64,
    },
    /// Where `zc` is attached, and so the empty programs.
    Hooks {
        /// Kind and name.
        hooks: Vec<String>,
    },
    /// A tool that was not measured.
    Absent {
        /// The tool.
        tool: String,
        /// Why.
        reason: String,
    },
}

/// Names of tools that targets refer to.
pub mod tool {
    /// Nothing attached.
    pub const NOTHING: &str = "nothing";
    /// The same at the end.
    pub const NOTHING_AGAIN: &str = "nothing, at the end";
    /// Empty programs where `zc` has its own.
    pub const EMPTY: &str = "empty programs";
    /// `zc`, following the process that is measured, and its children.
    pub const ZC: &str = "zc";
    /// `zc`, following another process.
    pub const BYSTANDER: &str = "zc, bystander";
    /// `zc trace -p` on the process that is measured, or on nginx's master.
    pub const TRACE: &str = "zc trace -p";
    /// `zc` with breakpoints on the copy primitives.
    pub const AUDIT: &str = "zc, audit";
    /// bpftrace: calls and bytes by call, bytes of `filemap_read`.
    pub const BPFTRACE: &str = "bpftrace, by call";
    /// bpftrace: one count of calls, bytes of `filemap_read`.
    pub const BPFTRACE_COUNT: &str = "bpftrace, one count";
    /// bpftrace: a count on each of the hooks of `zc`.
    pub const BPFTRACE_HOOKS: &str = "bpftrace, hooks of zc";
    /// `perf trace -s`.
    pub const PERF: &str = "perf trace -s";
    /// `strace -c`.
    pub const STRACE: &str = "strace -c";
}

/// Names of workloads; docs/bench/README.md says what one round is.
pub mod workload {
    /// A system call that does nothing.
    pub const GETPPID: &str = "getppid";
    /// One byte from the page cache.
    pub const READ_1: &str = "read 1 B";
    /// A page from the page cache.
    pub const PREAD_4K: &str = "pread 4 KiB";
    /// Sent and received over loopback TCP.
    pub const TCP_64K: &str = "send+recv 64 KiB";
    /// From the page cache into loopback TCP, where it is dropped.
    pub const SENDFILE_64K: &str = "sendfile 64 KiB";

    /// A request to nginx, in another process.
    pub const NGINX: &str = "nginx request";

    /// Those that the process which is measured does all by itself.
    pub const OF_ONE_PROCESS: [&str; 5] = [GETPPID, READ_1, PREAD_4K, TCP_64K, SENDFILE_64K];

    /// All, in the order of the tables.
    pub const ALL: [&str; 6] = [GETPPID, READ_1, PREAD_4K, TCP_64K, SENDFILE_64K, NGINX];
}
