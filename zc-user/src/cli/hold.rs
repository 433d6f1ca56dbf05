//! `zc worker hold`: counts what one process and its children do, for as long as its stdin is open.
//! `cargo xtask bench` measures with it what being counted costs.

use std::io::{Write, copy, sink, stdin, stdout};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use zc_common::Group;

use crate::{
    kernel::syscalls,
    measure::{self, Counted, Engine, Loss, Sample},
    probes::{
        attach::Probes,
        audit::{self, AuditPlan, Watch},
        leaves::Method,
    },
    report::text::one_line,
    transfer::session::Window,
};

/// Says `armed` once it counts, and the counts when stdin has ended: JSON, a line each. With `audit`
/// the leaves of an audit's first round are watched too.
pub(super) fn main(pid: u32, audit: bool) -> Result<()> {
    hold(pid, audit)
        .or_else(|error| say(&json!({ "failed": one_line(error.as_ref()) })).and(Err(error)))
}

fn hold(pid: u32, audit: bool) -> Result<()> {
    let groups = [Group::traced(1).context("there are no groups")?];
    let mut probes = Probes::attach(&[])?;
    let plan = audit.then(|| audit::prepare(&mut probes)).transpose()?;
    let mut engine = Engine::new(probes);
    engine.watch(pid, groups[0])?;
    let leaves = match plan {
        Some(AuditPlan { method: Method::Breakpoint, rounds, .. }) => {
            rounds.into_iter().next().unwrap_or_default()
        }
        // A kprobe counts from when it is attached.
        _ => Vec::new(),
    };
    let watches = audit::watch(&engine.probes().ebpf, &leaves, &[(pid, groups[0])])?;
    let mut window = measure::Window::new(&mut engine, &groups, None);
    window.open()?;
    say(&json!("armed"))?;
    copy(&mut stdin().lock(), &mut sink()).context("cannot wait for the end of stdin")?;
    window.close()?;
    let Counted { samples, loss, .. } = window.counted()?;
    let sample = samples.get(&groups[0]).context("nothing was counted")?;
    say(&counts(sample, &loss, &watches)?)
}

/// A sample by the names of its calls, sites and leaves.
fn counts(sample: &Sample, loss: &Loss, watches: &[Watch]) -> Result<Value> {
    let calls = sample.syscalls.iter().map(|(nr, tally)| (syscalls::name(*nr), tally.calls.into()));
    let sites = sample
        .sites
        .iter()
        .map(|((site, class), tally)| (format!("{site:?}[{class:?}]"), tally.bytes.into()));
    let hits = watches.iter().map(|watch| Ok((format!("{:?}", watch.leaf), watch.hits()?.into())));
    Ok(json!({
        "calls": calls.collect::<Map<_, _>>(),
        "site_bytes": sites.collect::<Map<_, _>>(),
        "leaf_hits": hits.collect::<Result<Map<_, _>>>()?,
        "lost": loss.reasons(),
    }))
}

fn say(value: &Value) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{value}")?;
    out.flush().map_err(Into::into)
}
