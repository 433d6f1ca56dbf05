//! What being observed costs, in instructions: the guest's half of `cargo xtask bench`.
//!
//! One boot of a machine whose clock counts instructions, one workload process, one tool after
//! another attached to it. Records go to standard output, what is being done to standard error.

mod clock;
mod empty;
mod hooks;
mod nginx;
mod process;
mod tools;
mod workload;

use std::{
    io::{Write, stdout},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use hooks::Hook;
use nginx::Nginx;
use process::Tool;
use tools::{Plan, Watched};
use workload::{Worker, rounds};
use zc_guest::bench::{
    Record, tool,
    workload::{ALL, GETPPID},
};

/// Runs of each workload; the best counts. More of them until the best two agree.
const RUNS: std::ops::RangeInclusive<usize> = 3..=10;

/// Instructions of a round by which two runs may differ and still agree.
const AGREED: f64 = 1.0;

/// What the kernel still does after its boot is over by then. Idle time is skipped.
const BOOT: Duration = Duration::from_secs(20);

/// Starts of a tool; the best counts. The first reads its files from the disk.
const STARTS: usize = 3;

#[derive(Parser)]
struct Cli {
    /// Cargo gives it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything
    Run {
        /// Leave the tools of others out
        #[arg(long)]
        own: bool,
    },
    /// Do workloads on request
    Work,
    /// Attach empty programs until stdin ends
    Empty {
        /// Where, in JSON
        hooks: String,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run { own } => run(own),
        Command::Work => workload::work(),
        Command::Empty { hooks } => empty::hold(&serde_json::from_str::<Vec<Hook>>(&hooks)?),
    }
}

fn run(own: bool) -> Result<()> {
    sleep(BOOT);
    say(&Record::Clock { ticks_per_million: clock::check()? })?;
    let nginx = Nginx::start()?;
    let mut bench = Bench { target: Worker::start()?, stranger: Worker::start()? };
    let (target, stranger) = (bench.target.pid(), bench.stranger.pid());
    bench.costs(tool::NOTHING, &ALL)?;
    let hooks = bench.zc_hooks(target)?;
    bench.measure(tools::zc(tool::ZC, target))?;
    bench.measure(tools::bystander(stranger))?;
    bench.measure(tools::trace(target))?;
    bench.measure(tools::trace_nginx(nginx.master()))?;
    bench.measure(tools::empty(&hooks)?)?;
    bench.measure_or_say_why(tools::audit(target))?;
    if !own {
        let foreign = [
            tools::bpftrace_by_call(target),
            tools::bpftrace_one_count(),
            tools::perf(target),
            tools::strace(target),
            tools::strace_nginx(nginx.worker()?),
        ];
        for plan in foreign {
            bench.measure_or_say_why(plan)?;
        }
        bench.starts_or_say_why(tools::bpftrace_hooks(&hooks))?;
    }
    bench.costs(tool::NOTHING_AGAIN, &ALL)
}

struct Bench {
    target: Worker,
    stranger: Worker,
}

impl Bench {
    /// Where zc is attached, seen from outside.
    fn zc_hooks(&self, pid: u32) -> Result<Vec<Hook>> {
        let mut plan = tools::zc(tool::ZC, pid);
        let (zc, _) = Tool::start(&mut plan.command, plan.armed, plan.end)?;
        let hooks = hooks::of_process(zc.pid())?;
        zc.end()?;
        unloaded()?;
        ensure!(!hooks.is_empty(), "zc is attached nowhere");
        say(&Record::Hooks { hooks: hooks.iter().map(Hook::to_string).collect() })?;
        Ok(hooks)
    }

    /// What these workloads take now.
    fn costs(&mut self, tool: &str, workloads: &[&str]) -> Result<()> {
        for workload in workloads {
            eprintln!("{tool}: {workload}");
            let rounds = rounds(workload);
            let mut instructions = Vec::new();
            while instructions.len() < *RUNS.end() {
                #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
                instructions.push(self.target.run(workload, rounds)? as f64 / rounds as f64);
                instructions.sort_by(f64::total_cmp);
                let best_agree = instructions.len() >= *RUNS.start()
                    && instructions[1] - instructions[0] <= AGREED;
                if best_agree {
                    break;
                }
            }
            let (tool, workload) = (tool.to_owned(), (*workload).to_owned());
            say(&Record::Cost { tool, workload, instructions })?;
        }
        Ok(())
    }

    /// Starts, measures and ends one tool.
    fn measure(&mut self, mut plan: Plan) -> Result<()> {
        let name = plan.name;
        self.measure_plan(&mut plan).with_context(|| format!("{name} cannot be measured"))?;
        unloaded().with_context(|| format!("{name} has ended"))
    }

    fn measure_or_say_why(&mut self, mut plan: Plan) -> Result<()> {
        if let Err(error) = self.measure_plan(&mut plan) {
            absent(plan.name, &format!("{error:#}"))?;
        }
        unloaded()
    }

    fn measure_plan(&mut self, plan: &mut Plan) -> Result<()> {
        let of_a_server = plan.watched == Watched::Nginx;
        let mut before = self.made(plan.watched);
        let tool = self.starts(plan, if of_a_server { 1 } else { STARTS })?;
        if plan.armed.is_empty() {
            self.wait_until_dearer()?;
            before = self.made(plan.watched);
        }
        self.costs(plan.name, plan.workloads())?;
        // A tool that follows the other process has to be seen counting too.
        self.stranger.run(GETPPID, 100)?;
        if !of_a_server {
            memory(plan.name, &tool)?;
        }
        let said = tool.end()?;
        let made = self.made(plan.watched) - before;
        if plan.name == tool::EMPTY {
            return Ok(());
        }
        let counted = tools::proof((plan.counted)(&said), &said)?;
        // Those that follow the process have it all; the others see more than was made for them.
        let exact = [tool::ZC, tool::BYSTANDER, tool::TRACE, tool::AUDIT].contains(&plan.name);
        let right = if exact { counted == made } else { counted >= made };
        ensure!(right, "it counted {counted} calls where {made} were made");
        say(&Record::Counted { tool: plan.name.to_owned(), made, counted })
    }

    /// The calls so far that a tool has to have counted.
    fn made(&self, by: Watched) -> u64 {
        match by {
            Watched::Target => self.target.getppids,
            Watched::Stranger => self.stranger.getppids,
            Watched::Nginx => self.target.requests,
        }
    }

    fn starts_or_say_why(&mut self, mut plan: Plan) -> Result<()> {
        let measured = self.starts(&mut plan, 2).and_then(|tool| {
            memory(plan.name, &tool)?;
            self.target.run(GETPPID, 1)?;
            let said = tool.end()?;
            tools::proof((plan.counted)(&said), &said)
        });
        if let Err(error) = measured {
            absent(plan.name, &format!("{error:#}"))?;
        }
        unloaded()
    }

    /// Starts a tool several times; the last one runs on. One start is none to be measured.
    fn starts(&mut self, plan: &mut Plan, times: usize) -> Result<Tool> {
        let (mut elapsed, mut instructions) = (Vec::new(), Vec::new());
        loop {
            eprintln!("{}: start {}", plan.name, elapsed.len() + 1);
            let (tool, started) = Tool::start(&mut plan.command, plan.armed, plan.end)?;
            elapsed.push(started.elapsed);
            instructions.push(started.instructions);
            if elapsed.len() == times || plan.armed.is_empty() {
                if times > 1 && !plan.armed.is_empty() {
                    say(&Record::Start { tool: plan.name.to_owned(), elapsed, instructions })?;
                }
                return Ok(tool);
            }
            tool.end()?;
            unloaded()?;
        }
    }

    /// A tool that does not say when it is ready is when it makes a call dearer.
    fn wait_until_dearer(&mut self) -> Result<()> {
        const CALLS: u64 = 100;
        let base = self.target.run(GETPPID, CALLS)?;
        for _ in 0..600 {
            sleep(Duration::from_millis(100));
            if self.target.run(GETPPID, CALLS)? > 3 * base {
                return Ok(());
            }
        }
        bail!("a call gets no dearer within a minute")
    }
}

fn memory(tool: &str, process: &Tool) -> Result<()> {
    say(&Record::Memory {
        tool: tool.to_owned(),
        resident_kib: process.resident_kib()?,
        kernel_kib: hooks::kernel_kib(process.pid())?,
    })
}

fn absent(tool: &str, reason: &str) -> Result<()> {
    say(&Record::Absent { tool: tool.to_owned(), reason: reason.to_owned() })
}

fn say(record: &Record) -> Result<()> {
    writeln!(stdout(), "{}", serde_json::to_string(record)?).map_err(Into::into)
}

/// Waits until the kernel has freed every program: it does so a moment after the last reference
/// goes.
fn unloaded() -> Result<()> {
    for _ in 0..6000 {
        if aya::programs::loaded_programs().next().is_none() {
            return Ok(());
        }
        sleep(Duration::from_millis(10));
    }
    bail!("programs are still loaded after a minute")
}
