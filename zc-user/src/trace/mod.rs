//! Counts what processes do until they end, or somebody has seen enough.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    kernel::caps::{self, Chores},
    measure::Engine,
    probes::attach::{self, Breakdown, Probes, StackRoom, Whom},
    result::trace::{Run, TraceReport},
    target::{
        command::{CommandLine, Launch, LaunchError},
        processes::TargetError,
        signals::{Ending, Signals},
    },
};

mod cgroup;
mod session;
mod watched;

use session::Session;
use watched::Watched;

/// How long a command is waited for after the signal that ended the run.
const GRACE: Duration = Duration::from_secs(5);

/// Whom to count.
#[derive(Debug)]
pub enum Target {
    /// These processes, by id.
    Processes(Vec<u32>),
    /// A command, from its first instruction on.
    Command(CommandLine),
    /// Whoever is in the cgroup whose folder this is.
    Cgroup(PathBuf),
    /// The processes that have this name, or take it.
    Named(std::ffi::OsString),
    /// Every process but zc.
    Everyone,
}

/// What to count, and how.
#[derive(Debug)]
pub struct Options {
    /// Whom.
    pub target: Target,
    /// Count children too.
    pub follow: bool,
    /// Report each thread.
    pub threads: bool,
    /// Report by which ways through the kernel bytes were copied.
    pub stacks: bool,
    /// Do without probes on functions.
    pub boundary: bool,
    /// The room for counts by thread.
    pub breakdown: Breakdown,
    /// End after this long.
    pub duration: Option<Duration>,
    /// Report what came in each of these.
    pub interval: Option<Duration>,
    /// End after so many intervals.
    pub count: Option<u64>,
    /// The report will take a file's place: keep what this may need.
    pub replaces_file: bool,
}

/// Why there is no trace.
#[derive(Debug, Error)]
pub enum TraceError {
    /// What was asked for cannot be traced: no such process, command, or control group.
    #[error(transparent)]
    Target(anyhow::Error),
    /// This machine does not let it be counted.
    #[error(transparent)]
    Unobserved(#[from] anyhow::Error),
}

impl From<TargetError> for TraceError {
    fn from(error: TargetError) -> Self {
        Self::Target(error.into())
    }
}

impl From<LaunchError> for TraceError {
    fn from(error: LaunchError) -> Self {
        Self::Target(error.into())
    }
}

/// A trace that is over.
pub struct Traced {
    /// Of the whole run.
    pub report: TraceReport,
    /// How the command ended; `None` where it goes on, or there was none.
    pub status: Option<ExitStatus>,
    /// Attached as long as this lives. Detaching takes the kernel a grace period for every probe
    /// (`ftrace_shutdown`, kernel/trace/ftrace.c), seconds in all: it can wait until the report is out.
    pub engine: Engine,
}

/// Counts until the run ends, and gives up for good all capabilities that are not needed for the rest of
/// it. `armed` is called when counting has begun, and `each` with the report of every interval.
///
/// # Errors
/// [`TraceError`]; nothing is left behind, and a command that could not be counted never ran.
pub async fn run(
    options: &Options,
    armed: impl FnOnce(),
    mut each: impl FnMut(TraceReport) -> Result<()>,
) -> Result<Traced, TraceError> {
    // First: a signal from here on ends the run in order.
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let mut watched = Watched::prepare(&options.target)?;
    let probes = attach(options, watched.whom())?;
    let mut engine = Engine::new(probes);
    watched.mark(&mut engine, options)?;
    let mut session = Session::open(engine, watched.describe(), options.threads)?;
    // Before a command's first instruction, and before there is any other thread, whose capabilities
    // would be its own.
    let chores = Chores {
        signals: matches!(options.target, Target::Command(_)),
        replaces_file: options.replaces_file,
    };
    caps::give_up(chores).context("cannot give up capabilities")?;
    watched.start()?;
    armed();
    let ending = watch(options, &mut session, &mut watched, &mut signals, &mut each).await?;
    let status = watched.finish(ending, &mut signals).await;
    let why = describe(ending, &watched, status);
    let (report, engine) = session.close(why, status.map(exit_code))?;
    Ok(Traced { report, status, engine })
}

fn attach(options: &Options, whom: Whom) -> Result<Probes, TraceError> {
    let wanted = attach::Options {
        boundary: options.boundary,
        follow: options.follow,
        whom,
        breakdown: Some(options.breakdown),
        stacks: options.stacks.then(StackRoom::default),
        ..attach::Options::default()
    };
    Probes::attach_with(&wanted).map_err(|error| {
        // What tracing programs may call, up to 5.10 (`bpf_tracing_func_proto`, kernel/trace/bpf_trace.c).
        let lacks_cgroups = error.to_string().contains("bpf_get_current_ancestor_cgroup_id");
        let error = anyhow::Error::from(error);
        TraceError::Unobserved(if lacks_cgroups {
            error.context("this kernel does not tell probes who is in a control group: give --pid")
        } else {
            error
        })
    })
}

/// Waits for the end of the run, reporting intervals.
async fn watch(
    options: &Options,
    session: &mut Session,
    watched: &mut Watched,
    signals: &mut Signals,
    each: &mut impl FnMut(TraceReport) -> Result<()>,
) -> Result<Ending, TraceError> {
    let Some(every) = options.interval else {
        let ended = signals.ending(options.duration, watched.ended()).await;
        return Ok(ended.context("cannot wait for the target")?);
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let started = Instant::now();
    let mut reported = 0;
    loop {
        let left = options.duration.map(|limit| limit.saturating_sub(started.elapsed()));
        let ended = tokio::select! {
            biased;
            ended = signals.ending(left, watched.ended()) => {
                Some(ended.context("cannot wait for the target")?)
            }
            _ = ticks.tick() => None,
        };
        if let Some(ending) = ended {
            return Ok(ending);
        }
        each(session.interval()?)?;
        reported += 1;
        if options.count.is_some_and(|count| reported >= count) {
            return Ok(Ending::Elapsed);
        }
    }
}

/// Why a run is over, for people.
fn describe(ending: Ending, watched: &Watched, status: Option<ExitStatus>) -> String {
    match (ending, status) {
        (Ending::TargetEnded, Some(status)) => match status.signal() {
            Some(signal) => format!("the command was killed by signal {signal}"),
            None => format!("the command ended, exit status {}", status.code().unwrap_or(0)),
        },
        (Ending::TargetEnded, None) => "every traced process has ended".into(),
        (Ending::Elapsed, _) => "the time was over".into(),
        (Ending::Interrupted, _) => format!("interrupted{}", watched.goes_on(status)),
        (Ending::Terminated, _) => format!("terminated{}", watched.goes_on(status)),
    }
}

/// A shell's way to say how a command ended.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Whether a Ctrl-C reaches the command without our help: the terminal sends it to its foreground
/// process group, which a command shares with zc.
fn in_foreground() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    let own = rustix::process::getpgrp();
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|foreground| foreground == own)
}

/// Hands a signal that ended the run on to the command, and waits for it for a while.
async fn wind_up(
    launch: &mut Launch,
    ending: Ending,
    signals: &mut Signals,
) -> io::Result<Option<ExitStatus>> {
    match ending {
        Ending::TargetEnded => return launch.wait().await.map(Some),
        Ending::Elapsed => return Ok(None),
        Ending::Terminated => launch.signal(Signal::TERM)?,
        Ending::Interrupted if !in_foreground() => launch.signal(Signal::INT)?,
        Ending::Interrupted => {}
    }
    let ended = signals.unless_again(timeout(GRACE, launch.wait())).await;
    ended.and_then(Result::ok).transpose()
}

/// A path for people.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl Run {
    /// Of `target`, with nothing else known yet.
    fn of(target: &str) -> Self {
        Self { target: target.to_owned(), ..Self::default() }
    }
}
