//! Flows: a system call between two kinds of file, and how often its bytes were copied.

use zc_common::{Cell, Kind, Tally};

use super::{
    Flow, FlowVerdict, Uncovered,
    part::{self, Part, Sites, View},
};
use crate::{
    kernel::syscalls,
    probes::catalogue::{Direction, Effect, End, SITES, entry},
    result::{Copied, Coverage, SiteReport},
};

/// What a kind is called in text and JSON.
pub(super) fn kind_name(kind: u8) -> &'static str {
    match Kind::ALL.get(usize::from(kind)).copied().unwrap_or(Kind::Unknown) {
        Kind::None => "",
        Kind::Memory => "memory",
        Kind::Process => "another process",
        Kind::File => "regular file",
        Kind::Folder => "folder",
        Kind::BlockDevice => "block device",
        Kind::CharacterDevice => "character device",
        Kind::Pipe => "pipe",
        Kind::Tcp => "TCP",
        Kind::Udp => "UDP",
        Kind::Unix => "unix socket",
        Kind::Socket => "other socket",
        Kind::Anonymous => "anonymous file",
        Kind::Unknown => "unknown",
    }
}

/// What a call is called, or what else moves bytes.
pub(super) fn call_name(call: u16) -> String {
    match call {
        Cell::NETWORK_STACK => "(network stack)".into(),
        Cell::NO_CALL => "(no system call)".into(),
        Cell::WORKER => "(kernel worker)".into(),
        Cell::COMPAT => "(32-bit call)".into(),
        call => syscalls::name(call.into()),
    }
}

/// Whether a kind, by its name, is one of socket.
pub(super) fn is_socket(kind: &str) -> bool {
    [Kind::Tcp, Kind::Udp, Kind::Unix, Kind::Socket].iter().any(|of| kind_name(*of as u8) == kind)
}

/// The flows of `part` that moved or copied anything, most bytes first.
pub(super) fn flows(part: &Part, view: &View<'_>) -> Vec<Flow> {
    let mut flows: Vec<_> = part
        .by_flow()
        .into_iter()
        .filter_map(|((call, source, sink), cells)| flow(call, [source, sink], &cells, view))
        .collect();
    let size = |flow: &Flow| flow.bytes.or_else(|| part::all(flow.copied)).unwrap_or(0);
    flows.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.call.cmp(&b.call)));
    flows
}

fn flow(
    call: u16,
    [source, sink]: [u8; 2],
    cells: &[(Cell, Tally)],
    view: &View<'_>,
) -> Option<Flow> {
    let of_class = |class: u8| -> Tally {
        let mut sum = Tally::default();
        let returns = cells.iter().filter(|(c, _)| c.what == Cell::RETURN && c.class == class);
        returns.for_each(|(_, tally)| sum += *tally);
        sum
    };
    let (succeeded, failed) = (of_class(0), of_class(1));
    let sites = part::sites(cells.iter().map(|(cell, tally)| (cell, tally)));
    let payload = sites.iter().any(|((site, class), tally)| {
        tally.bytes > 0 && !matches!((entry(*site).effect)(*class), Effect::Aside(_))
    });
    let slot = usize::from(call);
    let bytes = syscalls::returns_bytes(slot).then_some(succeeded.bytes);
    if bytes.unwrap_or(0) == 0 && !payload {
        return None;
    }
    let coverage = bytes.map(|bytes| coverage(bytes, ends(slot, [source, sink]), &sites));
    // A tracepoint that saw every byte says how often they were copied. One that did not says nothing:
    // they passed sites that nobody watched.
    let coverage = coverage.filter(|coverage| view.bare().is_none() || coverage.is_complete());
    let socket = [source, sink].into_iter().any(|kind| is_socket(kind_name(kind)));
    let socket = socket || call == Cell::NETWORK_STACK;
    let seen = seen(coverage, socket, &sites, view);
    let copied = seen.as_ref().map_or(Copied::from_fn(|_| None), |copied| *copied);
    let told = bytes.map(|bytes| told(bytes, coverage, ends(slot, [source, sink]), view));
    let (verdict, copies_per_byte) = verdict(call, told, copied);
    Some(Flow {
        call: call_name(call),
        source: kind_name(source),
        sink: kind_name(sink),
        calls: succeeded.calls + failed.calls,
        failed: failed.calls,
        bytes,
        copied,
        copies_per_byte,
        coverage,
        verdict,
        reason: seen.err().or_else(|| reason(verdict, bytes)),
        copied_by: copied_by(&sites, copied, view),
        sites: part::reports(&sites, view),
    })
}

fn reason(verdict: FlowVerdict, bytes: Option<u64>) -> Option<String> {
    let unsaid = || "it does not say how many bytes it moved".to_owned();
    let partly = || "only one direction is seen in this tier".to_owned();
    match (verdict, bytes) {
        (FlowVerdict::Unsaid, _) => Some(unsaid()),
        (FlowVerdict::NotObserved, Some(_)) => Some(partly()),
        _ => None,
    }
}

/// How many ends of a call are seen at a site. A pipe takes and gives references, and is none.
fn ends(call: usize, kinds: [u8; 2]) -> u64 {
    if !syscalls::between_files(call) {
        return syscalls::ends(call);
    }
    kinds.into_iter().map(|kind| u64::from(kind != Kind::Pipe as u8)).sum()
}

/// A call that returned `bytes`, for each of the `ends` that it has in the kernel.
fn coverage(bytes: u64, ends: u64, sites: &Sites) -> Coverage {
    let sum = |by_reference: bool| -> u64 {
        let of = sites.iter().filter(|((site, class), _)| {
            let row = entry(*site);
            let referred =
                (row.end)(*class) == End::Source && (row.effect)(*class) == Effect::Passed;
            referred == by_reference
        });
        of.map(|((site, class), tally)| (entry(*site).end)(*class).count() * tally.bytes).sum()
    };
    // A socket may take less than was taken from the page cache for it (`splice_direct_to_actor`,
    // fs/splice.c); the references are dropped, and nothing was copied.
    let referred = if ends > 1 { sum(true).min(bytes) } else { sum(true) };
    Coverage::new(ends * bytes, referred + sum(false))
}

/// The bytes copied in each direction that nothing kept from being seen; or why none is known.
fn seen(
    coverage: Option<Coverage>,
    socket: bool,
    sites: &Sites,
    view: &View<'_>,
) -> Result<Copied<u64>, String> {
    if view.loss.untold {
        return Err("this kernel does not tell how many counts were lost".into());
    }
    if let (None, Some(why)) = (coverage, view.bare()) {
        return Err(why);
    }
    // A return that was not counted shows here too: the sites then explain more than there was.
    if let Some(Coverage { returned_bytes, explained_bytes, .. }) = coverage
        && returned_bytes != explained_bytes
        && !(view.live && explained_bytes > 0)
    {
        return Err(format!("{explained_bytes} of {returned_bytes} bytes passed a known site"));
    }
    // Every byte passed an end that counts. What happens on the way, at no end, only sockets have.
    let on_the_way = view.unreliable.iter().find(|(site, _)| {
        let row = &SITES[**site as usize];
        let classes = zc_common::IterClass::ALL;
        classes.iter().any(|class| {
            (row.end)(*class) == End::Inner
                && matches!((row.effect)(*class), Effect::Copy(_) | Effect::Spared(_))
        })
    });
    let blind = on_the_way.filter(|_| socket);
    // What the tracepoint saw was copied to the receiver, whatever else happened.
    let received = sites.keys().any(|(site, _)| *site == zc_common::Site::DatagramTracepoint);
    Ok(Copied::from_fn(|direction| match blind {
        Some(_) if !(received && direction == Direction::KernelToUser) => None,
        _ => part::net(sites, direction),
    }))
}

/// The bytes that the verdict is about. While counting goes on, a call may be between its site and its
/// return, in every interval of a long one: then it is about what passed a site.
fn told(bytes: u64, coverage: Option<Coverage>, ends: u64, view: &View<'_>) -> u64 {
    match coverage {
        Some(Coverage { explained_bytes, .. }) if view.live && explained_bytes > 0 => {
            explained_bytes.checked_div(ends).unwrap_or(bytes)
        }
        _ => bytes,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people; the bytes are exact")]
fn verdict(call: u16, bytes: Option<u64>, copied: Copied<u64>) -> (FlowVerdict, Option<f64>) {
    let copied = part::all(copied);
    let verdict = match (bytes, copied) {
        _ if call == Cell::NETWORK_STACK => FlowVerdict::Later,
        (None, Some(_)) => FlowVerdict::Unsaid,
        (Some(0), Some(_)) => FlowVerdict::Nothing,
        (Some(_), Some(0)) => FlowVerdict::ZeroCopy,
        (Some(bytes), Some(copied)) if copied.is_multiple_of(bytes) => {
            FlowVerdict::Copies(copied / bytes)
        }
        (Some(bytes), Some(copied)) => FlowVerdict::Mixed(copied as f64 / bytes as f64),
        _ => FlowVerdict::NotObserved,
    };
    let ratio = bytes.filter(|bytes| *bytes > 0).zip(copied);
    (verdict, ratio.map(|(bytes, copied)| copied as f64 / bytes as f64))
}

/// The functions that copied in a direction in which something was.
fn copied_by(sites: &Sites, copied: Copied<u64>, view: &View<'_>) -> Vec<&'static str> {
    let mut copying: Vec<SiteReport> = part::reports(sites, view);
    copying.retain(|site| {
        matches!(site.effect, Effect::Copy(direction)
            if site.bytes > 0 && copied.get(direction).is_some_and(|bytes| bytes > 0))
    });
    copying.sort_by_key(|site| std::cmp::Reverse(site.bytes));
    let mut names = Vec::new();
    for site in copying {
        if !names.contains(&site.function) {
            names.push(site.function);
        }
    }
    names
}

/// The flows whose bytes were not all seen.
pub(super) fn uncovered(flows: &[Flow]) -> Vec<Uncovered> {
    let partly = flows.iter().filter_map(|flow| {
        let Coverage { returned_bytes, explained_bytes, .. } =
            flow.coverage.filter(|coverage| !coverage.is_complete())?;
        let Flow { call, source, sink, .. } = flow;
        Some(Uncovered { call: call.clone(), source, sink, returned_bytes, explained_bytes })
    });
    partly.collect()
}
