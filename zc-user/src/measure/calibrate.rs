//! Calibration: known transfers through the sites that the lab relies on, before they are believed.
//!
//! All by this process, to itself over loopback, in one window; each number is exact or the site
//! is not relied on.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsFd,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::sendfile,
    io::pread,
    net::{RecvFlags, SendFlags, recv, send},
};
use syscalls::Sysno;
use zc_common::{Group, IterClass, Site, Tally};

use super::{Engine, Sample, sockopt};
use crate::{
    probes::attach::Status,
    transfer::{mapped::SocketView, payload::Payload},
};

mod files;
mod tls;

/// Bytes of each known transfer; all different, so that no two can be taken for each other, and
/// small enough for a socket's buffer, so that one thread can send and then receive them.
const READ: usize = 12_345;
const SENT: usize = 34_567;
const SENT_FROM_FILE: usize = 23_456;
const SENT_BY_REFERENCE: usize = 20_001;
/// Whole pages, which the receiver may map.
const MAPPED: usize = 3 * 4096;
/// Of the transfer that a socket filter looks into.
const FILTERED: usize = 1_003;

/// Bytes from the TCP header on: past the header, inside the payload.
const INSIDE_PAYLOAD: u32 = 100;

/// How often the transfers are made because the kernel skipped a probe meanwhile, which it may on any
/// CPU and for any process, or sent, and copied, a segment twice.
const TRIES: usize = 16;

/// Bytes by site and iterator.
type Bytes = BTreeMap<(Site, IterClass), u64>;

/// What the sites have to have counted once every known transfer was made.
#[derive(Default)]
struct Known {
    bytes: Bytes,
    /// The sites that no known transfer could be sent through, and why.
    untried: Vec<(Site, String)>,
}

impl Known {
    /// So many bytes more passed `site`.
    fn add(&mut self, site: Site, class: IterClass, bytes: usize) {
        *self.bytes.entry((site, class)).or_default() += bytes as u64;
    }
}

/// A site that did not count what passed it.
#[derive(Debug, PartialEq, Eq)]
pub struct Miscount {
    /// Which.
    pub site: Site,
    /// Bytes that passed it.
    pub moved: u64,
    /// Bytes that it counted.
    pub counted: u64,
}

/// What calibration found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The sites that do not count right.
    pub miscounts: Vec<Miscount>,
    /// The sites that no known transfer could be sent through, and why.
    pub untried: Vec<(Site, String)>,
}

/// Runs the known transfers, with `payload` as the file, counted in `group`.
///
/// # Errors
/// When a transfer cannot be made, the counters cannot be read, or a pread(2) was not counted as it
/// was made. A site that counts wrong is a finding, not an error.
pub fn calibrate(engine: &mut Engine, payload: &Payload, group: Group) -> Result<Findings> {
    for _ in 0..TRIES {
        let before = engine.probes().recursion_misses()?;
        let pair = Pair::new().context("calibration: no TCP connection over loopback")?;
        let findings = calibrate_once(engine, payload, group, &pair);
        let nothing_skipped = engine.probes().recursion_misses()?.since(&before).is_empty();
        if nothing_skipped && sockopt::sent_again(pair.near.as_fd())? == 0 {
            return findings;
        }
    }
    bail!(
        "calibration: in each of {TRIES} tries the kernel skipped a probe or sent a segment twice: \
         is the machine busy?"
    )
}

fn calibrate_once(
    engine: &mut Engine,
    payload: &Payload,
    group: Group,
    pair: &Pair,
) -> Result<Findings> {
    let probes = engine.probes();
    let ways = Ways::of(&probes.functions);
    let attached: Vec<_> = Site::ALL
        .into_iter()
        .filter(|site| matches!(probes.sites[*site as usize], Status::Attached { .. }))
        .collect();
    let attached = |site| attached.contains(&site);
    let pid = std::process::id();
    engine.watch(pid, group)?;
    engine.arm(&[group, Group::MACHINE])?;
    let mut known = Known::default();
    let made = pair
        .transfers(payload, ways, &mut known)
        .and_then(|()| files::transfers(payload, ways, attached, &mut known))
        .and_then(|()| tls::transfers(ways, attached, &mut known).context("TLS"));
    let counted = engine.disarm();
    engine.watch(pid, Group::MACHINE)?;
    made.context("calibration: a known transfer failed")?;
    let sample = counted?.remove(&group).context("calibration: nothing counted")?;
    calls(&sample, known.bytes.get(&(Site::FilemapRead, IterClass::User)).copied())?;
    files::settle(&sample, &mut known);
    known.untried.retain(|(site, _)| attached(*site));
    let miscounts = miscounts(&known.bytes, &sample, attached);
    Ok(Findings { miscounts, untried: known.untried })
}

/// Which way this kernel sends a file's pages, told by the functions that it has.
#[derive(Clone, Copy)]
struct Ways {
    /// Up to 6.4 the file's ordinary read fills the pipe with references.
    read_fills_pipe: bool,
    /// From 6.5 on an ordinary send takes the pages.
    send_takes_pages: bool,
}

impl Ways {
    /// By [`Site`]: what counts is what the kernel has, whether it is watched or not.
    fn of(functions: &[Option<&str>]) -> Self {
        let function = |site: Site| functions[site as usize];
        Self {
            read_fills_pipe: function(Site::FilemapSpliceRead) == Some("generic_file_splice_read"),
            send_takes_pages: function(Site::SkbSpliceFromIter).is_some(),
        }
    }
}

/// The system calls themselves: one pread(2) with its bytes.
fn calls(sample: &Sample, read: Option<u64>) -> Result<()> {
    let counted = sample.syscalls.get(&(Sysno::pread64 as usize)).copied().unwrap_or_default();
    let known = Tally { calls: 1, bytes: read.unwrap_or(0) };
    ensure!(
        counted == known,
        "calibration: {} pread calls with {} bytes were made, {} with {} were counted: is zc in a \
         PID namespace of its own?",
        known.calls,
        known.bytes,
        counted.calls,
        counted.bytes
    );
    Ok(())
}

/// The attached sites where `sample` differs from what is `known`.
fn miscounts(known: &Bytes, sample: &Sample, attached: impl Fn(Site) -> bool) -> Vec<Miscount> {
    let mut sites: Vec<_> = known.keys().map(|(site, _)| *site).collect();
    sites.dedup();
    sites.retain(|site| attached(*site));
    let of = |bytes: &Bytes, site| {
        let classes = bytes.iter().filter(|((s, _), bytes)| *s == site && **bytes > 0);
        classes.map(|((_, class), bytes)| (*class, *bytes)).collect::<BTreeMap<_, _>>()
    };
    let counted: Bytes = sample.sites.iter().map(|(key, tally)| (*key, tally.bytes)).collect();
    sites
        .into_iter()
        .filter_map(|site| {
            let (moved, counted) = (of(known, site), of(&counted, site));
            (moved != counted).then(|| Miscount {
                site,
                moved: moved.values().sum(),
                counted: counted.values().sum(),
            })
        })
        .collect()
}

/// Both ends of a connection.
struct Pair {
    near: TcpStream,
    far: TcpStream,
}

impl Pair {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        Ok(Self { near, far })
    }

    /// Makes every known transfer over the connection.
    fn transfers(&self, payload: &Payload, ways: Ways, known: &mut Known) -> Result<()> {
        let mut buffer = vec![0; SENT];
        let has = |bytes| at_most(payload, bytes);

        let read = pread(&payload.file, &mut buffer[..has(READ)], 0)?;
        known.add(Site::FilemapRead, IterClass::User, read);

        self.pass(&buffer, SendFlags::empty())?;
        known.add(Site::TcpSendmsg, IterClass::User, SENT);
        known.add(Site::SimpleCopyToIter, IterClass::User, SENT);

        let from_file = self.pass_file(payload, has(SENT_FROM_FILE)).context("sendfile")?;
        for (site, class) in [
            (Site::FilemapSpliceRead, IterClass::None),
            (Site::SpliceToSocket, IterClass::None),
            (Site::SkbSpliceFromIter, IterClass::Kernel),
            (Site::DoTcpSendpages, IterClass::None),
            (Site::SimpleCopyToIter, IterClass::User),
        ] {
            known.add(site, class, from_file);
        }
        if ways.read_fills_pipe {
            known.add(Site::FilemapRead, IterClass::Pipe, from_file);
        }
        if ways.send_takes_pages {
            known.add(Site::TcpSendmsg, IterClass::Kernel, from_file);
        }

        sockopt::allow_zerocopy(self.near.as_fd()).context("MSG_ZEROCOPY")?;
        let lent = &buffer[..SENT_BY_REFERENCE];
        self.pass(lent, sockopt::ZEROCOPY).context("sending with MSG_ZEROCOPY")?;
        known.add(Site::TcpSendmsg, IterClass::User, lent.len());
        known.add(Site::SkbZerocopyIterStream, IterClass::User, lent.len());
        known.add(Site::SkbCopyUbufs, IterClass::Paged, lent.len());
        known.add(Site::SimpleCopyToIter, IterClass::User, lent.len());

        let mapped = self.pass_mapped(&buffer[..MAPPED]).context("mapping what was received")?;
        known.add(Site::TcpSendmsg, IterClass::User, MAPPED);
        known.add(Site::SkbZerocopyIterStream, IterClass::User, MAPPED);
        known.add(Site::SkbCopyUbufs, IterClass::Paged, MAPPED);
        known.add(Site::SimpleCopyToIter, IterClass::User, MAPPED - mapped.unwrap_or(0));
        match mapped {
            Ok(0) => known.untried.push((Site::TcpZerocopyReceive, "no page was mapped".into())),
            Ok(bytes) => known.add(Site::TcpZerocopyReceive, IterClass::None, bytes),
            Err(error) => known.untried.push((Site::TcpZerocopyReceive, error.to_string())),
        }

        // The owner of the far socket is known once something was sent on it.
        send(&self.far, &[0], SendFlags::empty())?;
        receive(&self.near, 1)?;
        known.add(Site::TcpSendmsg, IterClass::User, 1);
        known.add(Site::SimpleCopyToIter, IterClass::User, 1);
        match sockopt::look_into(self.far.as_fd(), INSIDE_PAYLOAD) {
            Ok(looked_at) => {
                self.pass(&buffer[..FILTERED], SendFlags::empty())?;
                sockopt::remove(self.far.as_fd()).context("a socket filter")?;
                known.add(Site::TcpSendmsg, IterClass::User, FILTERED);
                known.add(Site::SimpleCopyToIter, IterClass::User, FILTERED);
                known.add(Site::SkbCopyBits, IterClass::Paged, looked_at);
            }
            // Debian's kernels let only the privileged use filters.
            Err(error) => {
                known.untried.push((Site::SkbCopyBits, format!("a socket filter: {error}")));
            }
        }
        Ok(())
    }

    /// Sends `bytes` with `flags` and receives them.
    fn pass(&self, bytes: &[u8], flags: SendFlags) -> Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            left = &left[send(&self.near, left, flags)?..];
        }
        receive(&self.far, bytes.len())
    }

    /// Lends `bytes` and has whole pages of them mapped where they arrive; how many bytes that were.
    fn pass_mapped(&self, bytes: &[u8]) -> Result<rustix::io::Result<usize>> {
        let mut left = bytes;
        while !left.is_empty() {
            left = &left[send(&self.near, left, sockopt::ZEROCOPY)?..];
        }
        poll(&mut [PollFd::new(&self.far, PollFlags::IN)], None)?;
        let far = self.far.as_fd();
        let mapped = SocketView::new(far, bytes.len() as u64)
            .and_then(|mut view| view.receive(far, bytes.len()).map(<[u8]>::len));
        receive(&self.far, bytes.len() - mapped.unwrap_or(0))?;
        Ok(mapped)
    }

    /// Sends the first `bytes` of the file without their touching user memory, and receives them.
    fn pass_file(&self, payload: &Payload, bytes: usize) -> Result<usize> {
        let mut offset = 0;
        let mut left = bytes;
        while left > 0 {
            let sent = sendfile(&self.near, &payload.file, Some(&mut offset), left)?;
            ensure!(sent > 0, "the file ended early: was it truncated?");
            left -= sent;
        }
        receive(&self.far, bytes)?;
        Ok(bytes)
    }
}

/// How many of `bytes` the payload has.
fn at_most(payload: &Payload, bytes: usize) -> usize {
    usize::try_from(payload.size).map_or(bytes, |size| size.min(bytes))
}

fn receive(socket: &TcpStream, bytes: usize) -> Result<()> {
    let mut buffer = vec![0; bytes];
    let mut received = 0;
    while received < bytes {
        let got = recv(socket, &mut buffer[received..], RecvFlags::WAITALL)?.1;
        ensure!(got > 0, "the connection ended early");
        received += got;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sites: &[((Site, IterClass), u64)]) -> Sample {
        let tally = |bytes| Tally { calls: 1, bytes };
        Sample {
            sites: sites.iter().map(|(key, bytes)| (*key, tally(*bytes))).collect(),
            ..Sample::default()
        }
    }

    #[test]
    fn one_byte_off_is_a_miscount_and_an_absent_site_is_none() {
        let (read, pipe) = (Site::FilemapRead, Site::PipeRead);
        let known = Bytes::from([((read, IterClass::User), 100), ((pipe, IterClass::User), 5)]);
        let attached = |site| site == read;
        assert_eq!(miscounts(&known, &sample(&[((read, IterClass::User), 100)]), attached), []);
        let wrong = [Miscount { site: read, moved: 100, counted: 99 }];
        assert_eq!(miscounts(&known, &sample(&[((read, IterClass::User), 99)]), attached), wrong);
        let nothing = [Miscount { site: read, moved: 100, counted: 0 }];
        assert_eq!(miscounts(&known, &sample(&[]), attached), nothing);
    }

    #[test]
    fn the_right_bytes_in_the_wrong_direction_are_a_miscount() {
        let key = |class| (Site::FilemapRead, class);
        let known = Bytes::from([(key(IterClass::User), 100)]);
        let found = miscounts(&known, &sample(&[(key(IterClass::Kernel), 100)]), |_| true);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_pread_that_was_not_counted_stops_everything() {
        assert!(calls(&Sample::default(), Some(1)).is_err());
    }
}
