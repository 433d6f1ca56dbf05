//! The lab: runs each style on its own payload, counts both sides, compares with theory.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, Result};
use rustix::thread::disable_transparent_huge_pages;
use zc_common::{Group, Site};

use self::audit::Audit;
use crate::{
    expect::{Guess, Verdict},
    measure::{Engine, Findings, Loss, calibrate},
    network::{Network, NetworkError, NicOptions, Path},
    probes::{
        attach::{self, AttachError, Probes, StackRoom, Status, probes_functions, sees},
        catalogue::{Job, SITES, entry},
    },
    result::{
        Calibration, Completeness, LabReport, Origin, PlanReport, RunReport, StyleReport, Tier,
        Uncalibrated, derive, meters,
    },
    stacks::Symbols,
    transfer::{
        Sharing, Style, jobs,
        payload::{Payload, PayloadError},
        session::Running,
    },
};

mod architectures;
mod audit;
mod runs;
mod stacks;

pub use architectures::{ARCHITECTURES, Architecture, architectures, architectures_steps};
use runs::group_of;

/// Name and version of the JSON format. The number grows when a key changes its meaning or goes.
pub const SCHEMA: &str = "zc.lab/1";

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// In this order.
    pub styles: Vec<&'static Style>,
    /// Payload bytes; the default depends on `file`.
    pub size: Option<u64>,
    /// Bytes asked for in a call.
    pub chunk: u64,
    /// Measured runs of each style.
    pub repeat: u32,
    /// Drop the payload from the page cache before each run.
    pub cold: bool,
    /// Send this instead of a payload made for the purpose.
    pub file: Option<PathBuf>,
    /// Where to make one.
    pub dir: Option<PathBuf>,
    /// What TCP and UDP go over.
    pub path: Path,
    /// Which cards, where it is cards.
    pub nics: NicOptions,
    /// Whether the sender's device gathers; as it is by default.
    pub gather: Option<bool>,
    /// The receiver's port; 0 lets the kernel choose.
    pub port: u16,
    /// Sites to leave out.
    pub disabled: Vec<Site>,
    /// Predictions in place of the formulas'.
    pub guesses: Vec<Guess>,
    /// Check the sites with known transfers first.
    pub calibrate: bool,
    /// Count again at the copy primitives.
    pub audit: bool,
    /// Take the kernel stack of each copy.
    pub stacks: bool,
}

impl Default for Options {
    /// Nothing to run yet; otherwise what the command line has where nothing is said.
    fn default() -> Self {
        Self {
            styles: Vec::new(),
            size: None,
            chunk: 64 << 10,
            repeat: 1,
            cold: false,
            file: None,
            dir: None,
            path: Path::Loopback,
            nics: NicOptions::default(),
            gather: None,
            port: 0,
            disabled: Vec::new(),
            guesses: Vec::new(),
            calibrate: true,
            audit: false,
            stacks: false,
        }
    }
}

/// Payload bytes when nothing else is said.
pub const DEFAULT_SIZE: u64 = 64 << 20;

/// Told about each finished step; [`steps`] of them.
pub trait Progress {
    /// Says what comes next.
    fn doing(&self, what: &str);
    /// One step is done.
    fn step(&self);
}

/// How many steps [`run`] reports.
pub fn steps(options: &Options) -> u64 {
    // Attaching, the payload; a warm-up and the measured runs of each style. An audit has a warm-up
    // of its own; its rounds are not known before attaching: most kernels need two.
    let audit = if options.audit { 1 + 2 } else { 0 };
    2 + options.styles.len() as u64 * (1 + u64::from(options.repeat) + audit)
}

/// Makes or opens the payload that `options` ask for.
///
/// # Errors
/// Those of [`Payload::open`] where a file was given, else those of [`Payload::make`].
pub fn payload(options: &Options) -> Result<Payload, PayloadError> {
    match &options.file {
        Some(path) => Payload::open(path, options.size),
        None => Payload::make(options.dir.as_deref(), options.size.unwrap_or(DEFAULT_SIZE)),
    }
}

/// Runs everything.
///
/// # Errors
/// A [`NetworkError`] when there is no way for the packets, an [`AttachError`] when nothing can be counted, those of [`calibrate`], and the first fault in a
/// style's runs, as a worker that ended early. Once `running` was stopped, a fault only ends the
/// report after the styles that are done, if any is.
pub fn run(
    options: &Options,
    payload: &Payload,
    running: &Running,
    progress: &dyn Progress,
) -> Result<LabReport> {
    let network = network(options)?;
    // A kernel thread that makes one large page of small ones takes those of this program away from all
    // who run it, and a worker's next touch would be a page fault of its run (`retract_page_tables`,
    // mm/khugepaged.c). Workers inherit this.
    disable_transparent_huge_pages(true).context("pages cannot be kept as they are")?;
    progress.doing("attaching probes");
    let mut probes = attach(options)?;
    let audit = options.audit.then(|| Audit::prepare(&mut probes));
    let symbols = options.stacks.then(Symbols::of_kernel);
    let mut engine = Engine::new(probes);
    progress.step();
    let calibration = calibration(options, payload, &mut engine, progress)?;
    let loss = Loss::default();
    let mut lab = Lab {
        options,
        payload,
        sharing: payload.sharing(),
        network,
        running,
        progress,
        engine,
        audit,
        symbols,
        calibration,
        loss,
        discarded: 0,
    };
    let mut styles = Vec::new();
    for style in &options.styles {
        progress.doing(style.name);
        match lab.style(style) {
            Ok(report) => styles.push(report),
            // What was measured before somebody stopped the lab still stands.
            Err(_) if running.stopped().is_some() && !styles.is_empty() => break,
            Err(error) => {
                return Err(error.context(format!("{} could not be measured", style.name)));
            }
        }
    }
    Ok(lab.report(styles))
}

/// What TCP and UDP go over, set as it was asked for.
fn network(options: &Options) -> Result<Network, NetworkError> {
    let network = Network::open(options.path, &options.nics)?;
    if let Some(on) = options.gather {
        network.set_gather(on)?;
    }
    Ok(network)
}

/// Jobs whose sites explain what a transfer did, beside those that its numbers rely on.
const EXPLAINING: [Job; 9] = [
    // Where a socket's owner becomes known, on whose account the network copies.
    Job::TcpSend,
    Job::SpliceRead,
    Job::SpliceReadCopy,
    Job::SpliceSend,
    Job::SpliceWrite,
    Job::SkbCsum,
    Job::SkbDuplicate,
    Job::CopyOnWrite,
    Job::Bounce,
];

/// Attaches what the styles need. Where that cannot be, the error names the tier that works still.
fn attach(options: &Options) -> Result<Probes> {
    let mut jobs = jobs(options.styles.iter().copied());
    jobs.extend(EXPLAINING);
    let wanted = attach::Options {
        disabled: &options.disabled,
        only: Some(&jobs),
        stacks: options.stacks.then(StackRoom::default),
        ..attach::Options::default()
    };
    Probes::attach_with(&wanted).map_err(|error| {
        let no_sites = matches!(error, AttachError::Btf(_) | AttachError::Essential { .. });
        let error = anyhow::Error::from(error);
        if !no_sites {
            return error;
        }
        let tier = Probes::try_raw_tracepoint().map_or("no tier", |()| "only tier boundary");
        error.context(format!("zc lab cannot count here, where {tier} works (see zc doctor)"))
    })
}

/// Checks the sites, unless told not to.
fn calibration(
    options: &Options,
    payload: &Payload,
    engine: &mut Engine,
    progress: &dyn Progress,
) -> Result<(Calibration, Vec<Uncalibrated>)> {
    if !options.calibrate {
        return Ok((Calibration::Skipped, Vec::new()));
    }
    progress.doing("calibrating");
    let Findings { miscounts, untried } = calibrate(engine, payload, CALIBRATION)?;
    engine.distrust(&miscounts);
    let verdict = match (miscounts.is_empty(), untried.is_empty()) {
        (false, _) => Calibration::Failed,
        (true, false) => Calibration::Partly,
        (true, true) => Calibration::Passed,
    };
    let untried = untried.into_iter();
    let untried = untried.map(|(site, reason)| Uncalibrated { site: entry(site).program, reason });
    Ok((verdict, untried.collect()))
}

/// How often a style's transfer is made again when the kernel skipped a probe in it: a matter of
/// chance on kernels that can be preempted inside a probe.
const SPARE_RUNS: usize = 16;

/// The groups of the two sides, and of the known transfers.
const SENDER: Group = group(1);
const RECEIVER: Group = group(2);
const CALIBRATION: Group = group(3);

const fn group(n: u8) -> Group {
    match Group::traced(n) {
        Some(group) => group,
        None => panic!("more groups than counters"),
    }
}

struct Lab<'a> {
    options: &'a Options,
    payload: &'a Payload,
    /// How its file system shares blocks.
    sharing: Option<Sharing>,
    network: Network,
    running: &'a Running,
    progress: &'a dyn Progress,
    engine: Engine,
    calibration: (Calibration, Vec<Uncalibrated>),
    /// What the runs that count lost.
    loss: Loss,
    /// Runs made again because the kernel skipped a probe in them.
    discarded: u64,
    /// Where one was asked for.
    audit: Option<Audit>,
    /// What names stacks, where they were asked for.
    symbols: Option<Symbols>,
}

impl Lab<'_> {
    fn statuses(&self) -> &[Status] {
        &self.engine.probes().sites
    }

    fn meters(&self) -> &[Status] {
        &self.engine.probes().meters
    }

    fn report(self, styles: Vec<StyleReport>) -> LabReport {
        let mut problems = self.problems(&styles);
        if let Some(why) = self.running.stopped() {
            problems.push(why);
        }
        let measured = || styles.iter().filter(|style| style.run().is_some());
        let audited = measured().all(|style| style.audit.is_some());
        problems.extend(
            styles.iter().flat_map(|style| &style.audit).flat_map(|audit| audit.losses.clone()),
        );
        let worst = styles.iter().filter_map(|style| Some(style.run()?.verdict)).max();
        let worst = worst.unwrap_or(Verdict::NotObserved);
        // Something else may have been lost with what is missing.
        let verdict = if problems.is_empty() { worst } else { worst.max(Verdict::NotObserved) };
        LabReport {
            origin: Origin::here(SCHEMA, tier(self.statuses(), audited)),
            complete: problems.is_empty(),
            verdict,
            plan: PlanReport {
                size_bytes: self.payload.size,
                chunk_bytes: self.options.chunk,
                repeat: self.options.repeat,
                cold: self.options.cold,
                network: self.network.facts(),
                hash: self.payload.hash.clone(),
            },
            completeness: Completeness {
                sites: derive::site_statuses(self.statuses()),
                meters: meters::statuses(self.meters()),
                unmetered: meters::unmetered(self.meters()),
                lost: self.loss,
                discarded_runs: self.discarded,
                calibration: self.calibration.0,
                uncalibrated: self.calibration.1,
                problems,
            },
            audit: self.audit.as_ref().map(Audit::summary),
            styles,
        }
    }

    /// What was relied on and not seen, or lost.
    fn problems(&self, styles: &[StyleReport]) -> Vec<String> {
        let jobs = jobs(self.options.styles.iter().copied());
        // Coverage and the notes rest on more sites than the predicted numbers do.
        let rows = SITES.iter().zip(self.statuses());
        let wrong = rows.filter(|(_, status)| matches!(status, Status::Miscounts { .. }));
        let relied_on: BTreeSet<_> =
            jobs.into_iter().chain(wrong.map(|(row, _)| row.job)).collect();
        let unseen = relied_on.into_iter().filter_map(|job| sees(self.statuses(), job).err());
        let uncovered = styles.iter().flat_map(uncovered);
        let no_audit = self.audit.as_ref().and_then(Audit::problem);
        unseen.chain(self.loss.reasons()).chain(uncovered).chain(no_audit).collect()
    }
}

/// Bytes that system calls of `style` moved past every site, in any of its runs.
fn uncovered(style: &StyleReport) -> BTreeSet<String> {
    let sides = style.runs.iter().flat_map(RunReport::sides);
    let partly = sides.filter_map(|(side, report)| {
        let coverage = report.coverage.filter(|coverage| !coverage.is_complete())?;
        Some(format!(
            "{} {}: system calls moved {} bytes, the sites explain {}",
            style.style,
            side.name(),
            coverage.returned_bytes,
            coverage.explained_bytes
        ))
    });
    partly.collect()
}

/// What was used to observe: no site at all leaves the tracepoints.
fn tier(statuses: &[Status], audited: bool) -> Tier {
    match (probes_functions(statuses), audited) {
        (true, true) => Tier::Audit,
        (true, false) => Tier::Sites,
        (false, _) => Tier::Boundary,
    }
}
