//! The tools: how each is started, how one sees that it counts, and what it counted.

use std::{env, fs, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;
use zc_guest::bench::{
    tool,
    workload::{NGINX, OF_ONE_PROCESS},
};

use crate::{hooks::Hook, process::End};

/// How a tool is run against a process.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) watched: Watched,
    pub(crate) command: Command,
    /// What it says once it counts. Empty where it says nothing: then calls get dearer.
    pub(crate) armed: &'static str,
    pub(crate) end: End,
    /// The calls that [`Watched`] names, in what it said, or in the file that it wrote.
    pub(crate) counted: fn(&str) -> Option<u64>,
}

impl Plan {
    /// Those that it is measured with.
    pub(crate) fn workloads(&self) -> &'static [&'static str] {
        if self.watched == Watched::Nginx { &[NGINX] } else { &OF_ONE_PROCESS }
    }
}

/// Whom a tool follows. What it has to count there shows that it does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// The process with the workloads: its `getppid` calls. So do tools that follow everyone.
    Target,
    /// Another one: the same.
    Stranger,
    /// The server: one `sendfile` for each request.
    Nginx,
}

/// What bpftrace says when all of its probes are attached, if its environment asks for it.
const BPFTRACE_ARMED: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

const PERF_OUTPUT: &str = "/scratch/zc-cost-perf";

/// `zc`, following `pid`.
pub(crate) fn zc(name: &'static str, pid: u32) -> Plan {
    let mut command = zc_command();
    command.args(["worker", "hold", "--pid", &pid.to_string()]);
    let (watched, counted) = (Watched::Target, counted_by_zc);
    Plan { name, watched, command, armed: "\"armed\"", end: End::Stdin, counted }
}

/// The same, following another process than the one that is measured.
pub(crate) fn bystander(pid: u32) -> Plan {
    Plan { watched: Watched::Stranger, ..zc(tool::BYSTANDER, pid) }
}

fn zc_command() -> Command {
    Command::new(env::var_os("ZC").unwrap_or_else(|| "/bin/zc".into()))
}

/// `zc trace -p`: the breakdown by thread, system call and kind of file too.
pub(crate) fn trace(pid: u32) -> Plan {
    let mut command = zc_command();
    command.args(["trace", "--json", "-p", &pid.to_string()]);
    Plan {
        name: tool::TRACE,
        watched: Watched::Target,
        command,
        armed: "tracing",
        end: End::Interrupt,
        counted: |said| counted_by_trace(said, "getppid"),
    }
}

/// The same on nginx, by its master: zc follows the workers.
pub(crate) fn trace_nginx(master: u32) -> Plan {
    Plan {
        watched: Watched::Nginx,
        counted: |said| counted_by_trace(said, "sendfile"),
        ..trace(master)
    }
}

/// The calls of `name` in the JSON, which begins after what was said on stderr.
fn counted_by_trace(said: &str, name: &str) -> Option<u64> {
    let report: Value = serde_json::from_str(&said[said.find('{')?..]).ok()?;
    let calls = report["syscalls"].as_array()?.iter().find(|call| call["name"] == name)?;
    // A count that was lost makes the whole of it worthless.
    report["complete"].as_bool()?.then(|| calls["calls"].as_u64())?
}

/// The same, with breakpoints on the copy primitives.
pub(crate) fn audit(pid: u32) -> Plan {
    let mut plan = zc(tool::AUDIT, pid);
    plan.command.arg("--audit");
    plan.counted = |said| {
        let counts: Value = serde_json::from_str(said.lines().last()?).ok()?;
        // The workloads read from the page cache, which is this primitive.
        (counts["leaf_hits"]["CopyToIter"].as_u64()? > 0).then(|| counted_by_zc(said))?
    };
    plan
}

fn counted_by_zc(said: &str) -> Option<u64> {
    let counts: Value = serde_json::from_str(said.lines().last()?).ok()?;
    // A count that was lost makes the whole of it worthless.
    counts["lost"].as_array()?.is_empty().then(|| counts["calls"]["getppid"].as_u64())?
}

/// This program, with empty programs on `hooks`.
pub(crate) fn empty(hooks: &[Hook]) -> Result<Plan> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("empty").arg(serde_json::to_string(hooks)?);
    let name = tool::EMPTY;
    // They count nothing; what shows that they are attached is that all were.
    let (watched, counted) = (Watched::Target, |_: &str| None);
    Ok(Plan { name, watched, command, armed: "armed", end: End::Stdin, counted })
}

/// bpftrace: calls and the bytes that they returned, by call, of one process; and the bytes of
/// `filemap_read`.
pub(crate) fn bpftrace_by_call(pid: u32) -> Plan {
    let script = format!(
        "tracepoint:raw_syscalls:sys_enter /pid == {pid}/ {{ @calls[args.id] = count(); }}
         tracepoint:raw_syscalls:sys_exit /pid == {pid} && args.ret > 0/
         {{ @bytes[args.id] = sum(args.ret); }}
         fexit:vmlinux:filemap_read /pid == {pid}/ {{ @copied = sum(retval); }}"
    );
    bpftrace(tool::BPFTRACE, &script, |said| map(said, "@calls")?["110"].as_u64())
}

/// bpftrace: the calls of all processes in one count.
pub(crate) fn bpftrace_one_count() -> Plan {
    let script = "rawtracepoint:sys_enter { @calls = count(); }
                  fexit:vmlinux:filemap_read { @copied = sum(retval); }";
    bpftrace(tool::BPFTRACE_COUNT, script, |said| map(said, "@calls")?.as_u64())
}

/// bpftrace: a count at each of `hooks`.
pub(crate) fn bpftrace_hooks(hooks: &[Hook]) -> Plan {
    let probes: Vec<_> = hooks.iter().map(Hook::bpftrace).collect();
    let script = format!("{} {{ @passed = count(); }}", probes.join(",\n"));
    bpftrace(tool::BPFTRACE_HOOKS, &script, |said| map(said, "@passed")?.as_u64())
}

fn bpftrace(name: &'static str, script: &str, counted: fn(&str) -> Option<u64>) -> Plan {
    let mut command = Command::new("bpftrace");
    command.args(["-f", "json", "-e", script]).env(BPFTRACE_ARMED, "1");
    let watched = Watched::Target;
    Plan { name, watched, command, armed: BPFTRACE_ARMED, end: End::Interrupt, counted }
}

/// A map in bpftrace's JSON output.
fn map(said: &str, name: &str) -> Option<Value> {
    said.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| line["data"].get(name).cloned())
}

/// `strace -c` on `pid`.
pub(crate) fn strace(pid: u32) -> Plan {
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-p", &pid.to_string()]);
    Plan {
        name: tool::STRACE,
        watched: Watched::Target,
        command,
        armed: "attached",
        end: End::Interrupt,
        counted: |said| counted_by_strace(said, "getppid"),
    }
}

/// The same on nginx, by its worker: strace follows only children that are born later.
pub(crate) fn strace_nginx(worker: u32) -> Plan {
    Plan {
        watched: Watched::Nginx,
        counted: |said| counted_by_strace(said, "sendfile"),
        ..strace(worker)
    }
}

/// The calls of `name` in its table: % time, seconds, usecs/call, calls, errors if any, syscall.
fn counted_by_strace(said: &str, name: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.split_whitespace().last() == Some(name))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// `perf trace -s` on `pid`.
pub(crate) fn perf(pid: u32) -> Plan {
    let mut command = Command::new("perf");
    command.args(["trace", "-s", "-o", PERF_OUTPUT, "-p", &pid.to_string()]);
    // syscall, calls, errors, times
    let counted = |_: &str| {
        let text = fs::read_to_string(PERF_OUTPUT).ok()?;
        let line = text.lines().find(|line| line.trim_start().starts_with("getppid "))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let (name, watched) = (tool::PERF, Watched::Target);
    Plan { name, watched, command, armed: "", end: End::Interrupt, counted }
}

/// Says why a proof is missing.
pub(crate) fn proof(plan_counted: Option<u64>, said: &str) -> Result<u64> {
    plan_counted.with_context(|| {
        let tail: Vec<_> = said.lines().rev().take(8).collect();
        format!("it does not say that it counted: {:?}", tail)
    })
}
