//! The numbers of a trace by name, for `zc check` and for baselines; docs/check.md lists them.

use super::{CallReport, Flow, TraceReport, flows::is_socket, part};
use crate::{
    check::{Missing, Number, Quantities},
    result::Coverage,
};

/// A report's numbers at one end of what is possible: each byte that passed no known site was copied
/// not at all, or once at each end that it has in the kernel.
pub struct Bound<'a> {
    report: &'a TraceReport,
    most: bool,
}

/// A number, or why there is none.
type Found = Result<Number, Missing>;

impl TraceReport {
    /// The fewest copies that there can have been.
    pub fn at_least(&self) -> Bound<'_> {
        Bound { report: self, most: false }
    }

    /// The most.
    pub fn at_most(&self) -> Bound<'_> {
        Bound { report: self, most: true }
    }

    /// Why returns of system calls may be missing.
    fn unreturned(&self) -> Option<String> {
        self.completeness.lost.of_returns()
    }

    /// What keeps every number from being known: something was lost, and nobody knows of what.
    fn unknown(&self) -> Option<String> {
        let lost = &self.completeness.lost;
        let only_skipped = lost.is_none() || lost.is_chance();
        (!only_skipped || (lost.is_none() && !self.complete))
            .then(|| self.completeness.problems.join("; "))
    }
}

impl Quantities for Bound<'_> {
    fn get(&self, name: &str) -> Found {
        if let Some(why) = self.report.unknown() {
            return Err(Missing::NotObserved(why));
        }
        if let Some(why) = self.report.unreturned()
            && !["copied", "user_to_kernel", "kernel_to_user", "kernel_to_kernel"].contains(&name)
            && !name.starts_with("sites.")
        {
            return Err(Missing::NotObserved(why));
        }
        match name.split_once('.') {
            Some(("syscalls", rest)) => self.call(rest),
            Some(("sites", rest)) => self.site(rest),
            Some(("sent", what)) => self.flows(what, |flow| is_socket(flow.sink)),
            Some(("received", what)) => self.flows(what, |flow| is_socket(flow.source)),
            _ => self.total(name),
        }
    }
}

impl Bound<'_> {
    fn total(&self, name: &str) -> Found {
        let total = &self.report.total;
        let switches = &total.switches;
        let number = |number| self.number(number, name);
        match name {
            "moved" => number(total.moved_bytes),
            "copied" => self.copied(part::all(total.copied)),
            "user_to_kernel" => self.copied(total.copied.user_to_kernel),
            "kernel_to_user" => self.copied(total.copied.kernel_to_user),
            "kernel_to_kernel" => self.copied(total.copied.kernel_to_kernel),
            "copies_per_byte" => per(self.total("copied")?, self.total("moved")?),
            "mode_switches" => number(total.mode_switches),
            "switches_per_mib" => {
                let moved = Number::Real(self.total("moved")?.as_f64() / f64::from(1 << 20));
                per(self.total("mode_switches")?, moved)
            }
            "page_faults.user" => number(total.page_faults.user),
            "page_faults.kernel" => number(total.page_faults.kernel),
            "context_switches.voluntary" => {
                number(switches.context_switches.map(|switches| switches.voluntary))
            }
            "context_switches.involuntary" => {
                number(switches.context_switches.map(|switches| switches.involuntary))
            }
            "interrupts.user" => number(switches.interrupts.user),
            "block_io.read_bytes" => number(switches.block_io.map(|io| io.read_bytes)),
            "block_io.written_bytes" => number(switches.block_io.map(|io| io.written_bytes)),
            "network_bytes" => number(switches.network_bytes),
            "syscalls" => number(total.syscalls),
            "coverage" => match total.coverage {
                Some(Coverage { ratio: Some(ratio), .. }) => Ok(ratio.into()),
                Some(_) => Err(Missing::NotObserved("nothing was moved".into())),
                None => Err(Missing::NotObserved(self.why(COPIES))),
            },
            _ => Err(Missing::Unknown),
        }
    }

    /// A number that the report has, or its reason for lacking it.
    fn number(&self, number: Option<u64>, name: &str) -> Found {
        number.map(Number::from).ok_or_else(|| Missing::NotObserved(self.why(name)))
    }

    /// Why the report lacks the quantity `name`: what it says of that; of the rest, what was lost.
    fn why(&self, name: &str) -> String {
        let completeness = &self.report.completeness;
        // The number that a meter makes, as the report's lines about meters begin.
        let meter = match name.split('.').next() {
            Some("interrupts") => " interrupts: ",
            Some("context_switches") => "context switches: ",
            Some("block_io") => "block I/O: ",
            Some("network_bytes") => "network: ",
            _ => "",
        };
        let of_meter = |line: &&String| !meter.is_empty() && line.contains(meter);
        let unmetered = completeness.unmetered.iter().find(of_meter);
        let unseen = completeness.unseen.iter().find(|_| meter.is_empty() && name == COPIES);
        let reason = unmetered.or(unseen).or(completeness.problems.first()).cloned();
        reason.unwrap_or_else(|| {
            let tier = self.report.origin.tier.name();
            format!("it cannot be observed in tier {tier} (zc doctor says why)")
        })
    }

    fn copied(&self, bytes: Option<u64>) -> Found {
        let unseen: u64 = self.report.flows.iter().map(unseen).sum();
        self.number(bytes.map(|bytes| if self.most { bytes + unseen } else { bytes }), COPIES)
    }

    /// `NAME.calls` and so on. A call that was not made is one of no calls, if calls are counted.
    fn call(&self, rest: &str) -> Found {
        let (name, what) = rest.split_once('.').ok_or(Missing::Unknown)?;
        self.number(self.report.total.syscalls, "syscalls")?;
        let call = self.report.syscalls.iter().find(|call| call.name == name);
        let of = |number: fn(&CallReport) -> u64| Ok(call.map_or(0, number).into());
        match what {
            "calls" => of(|call| call.calls),
            "failed" => of(|call| call.failed),
            "bytes" => match call {
                Some(CallReport { bytes: None, .. }) => {
                    Err(Missing::NotObserved(format!("{name} does not return bytes")))
                }
                _ => of(|call| call.bytes.unwrap_or(0)),
            },
            "copied" => self.sum(&self.flows_where(|flow| flow.call == name)),
            _ => Err(Missing::Unknown),
        }
    }

    fn site(&self, rest: &str) -> Found {
        let (name, what) = rest.split_once('.').ok_or(Missing::Unknown)?;
        let status = self.report.completeness.sites.iter().find(|site| site.site == name);
        let attached = status.is_some_and(|site| {
            matches!(site.status, crate::probes::attach::Status::Attached { .. })
        });
        if !attached {
            return Err(Missing::NotObserved(format!("no probe is attached at {name}")));
        }
        let sites = self.report.sites.iter().filter(|site| site.site == name);
        match what {
            "bytes" => Ok(sites.map(|site| site.bytes).sum::<u64>().into()),
            "calls" => Ok(sites.map(|site| site.calls).sum::<u64>().into()),
            _ => Err(Missing::Unknown),
        }
    }

    fn flows_where(&self, wanted: impl Fn(&Flow) -> bool) -> Vec<&Flow> {
        self.report.flows.iter().filter(|flow| wanted(flow)).collect()
    }

    /// Of the flows into sockets, or out of them; with what the network stack copied later where
    /// they send.
    fn flows(&self, what: &str, wanted: fn(&Flow) -> bool) -> Found {
        self.number(self.report.total.syscalls, "syscalls")?;
        let flows = self.flows_where(wanted);
        match what {
            "bytes" => Ok(flows.iter().filter_map(|flow| flow.bytes).sum::<u64>().into()),
            "copied" => {
                let sends = flows.iter().any(|flow| is_socket(flow.sink));
                let later = self.flows_where(|flow| sends && flow.call == LATER);
                self.sum(&[flows, later].concat())
            }
            "copies_per_byte" => per(self.flows("copied", wanted)?, self.flows("bytes", wanted)?),
            _ => Err(Missing::Unknown),
        }
    }

    /// What was copied in these.
    fn sum(&self, flows: &[&Flow]) -> Found {
        let mut sum = 0;
        for flow in flows {
            sum += match part::all(flow.copied).or_else(|| to_receiver(flow)) {
                Some(copied) => copied,
                None if unseen(flow) > 0 => 0,
                None => return Err(Missing::NotObserved(reason(flow))),
            };
            sum += if self.most { unseen(flow) } else { 0 };
        }
        Ok(sum.into())
    }
}

/// What all quantities about copies are missing for.
const COPIES: &str = "copied";

/// What copies inside the network stack are listed as.
const LATER: &str = "(network stack)";

fn reason(flow: &Flow) -> String {
    let Flow { call, source, sink, .. } = flow;
    let why = flow.reason.as_deref().unwrap_or("not every copy is seen in this tier");
    format!("{call}, {source} to {sink}: {why}")
}

/// Bytes that passed no known site, or more than once.
fn unseen(flow: &Flow) -> u64 {
    flow.coverage.map_or(0, |coverage| coverage.returned_bytes.abs_diff(coverage.explained_bytes))
}

/// What a call copied that only receives. It copies in one direction: what is copied on the way from a
/// sender is on the sender's account.
fn to_receiver(flow: &Flow) -> Option<u64> {
    let receives = is_socket(flow.source) && flow.sink == "memory";
    flow.copied.kernel_to_user.filter(|_| receives)
}

fn per(number: Number, of: Number) -> Found {
    if of.is_zero() || of.as_f64() == 0.0 {
        return Err(Missing::NotObserved("nothing was moved".into()));
    }
    Ok(Number::Real(number.as_f64() / of.as_f64()))
}

/// The function that copied most, with its bytes: whom to blame.
pub fn blame(report: &TraceReport) -> Option<String> {
    let copying = report.flows.iter().filter_map(|flow| {
        let function = flow.copied_by.first()?;
        Some((part::all(flow.copied)?, function, flow))
    });
    let (bytes, function, Flow { call, source, sink, .. }) =
        copying.max_by_key(|(bytes, _, _)| *bytes)?;
    Some(format!("{function} copied {bytes} bytes ({call}, {source} to {sink})"))
}
