//! The runs of a style, and its report.

use anyhow::{Context, Result};
use zc_common::{Group, Site};

use super::{Lab, RECEIVER, SENDER, SPARE_RUNS};
use crate::{
    expect::Side,
    measure::{Loss, Window},
    network::Path,
    probes::catalogue::entry,
    result::{
        NotSupported, Outcome, RunReport, StyleReport,
        derive::{self, RunInput, SideInput},
    },
    transfer::{
        Part, Plan, Style,
        link::Place,
        session::{self, Session, Unwatched},
    },
};

impl Lab<'_> {
    fn plan(&self) -> Plan {
        let route = (&self.network.facts()).into();
        Plan { bytes: self.payload.size, chunk: self.options.chunk, route, sharing: self.sharing }
    }

    /// Measures `style`, where this machine can do it.
    pub(super) fn style(&mut self, style: &'static Style) -> Result<StyleReport> {
        let repeat = self.options.repeat as usize;
        let sizes = [0, self.payload.size].repeat(repeat + SPARE_RUNS);
        let mut session = match self.session(style, &sizes) {
            Ok(session) => session,
            Err(error) => {
                let not_supported = error.downcast::<session::NotSupported>()?;
                (0..repeat).for_each(|_| self.progress.step());
                return Ok(not_supported_report(style, &not_supported));
            }
        };
        let mut spare = SPARE_RUNS;
        let mut runs = Vec::new();
        while runs.len() < repeat {
            let (run, loss, by_chance) = self.measure(style, &mut session)?;
            if by_chance && spare > 0 {
                spare -= 1;
                self.discarded += 1;
                continue;
            }
            self.loss = self.loss.clone().and(&loss);
            runs.push(run);
            self.progress.step();
        }
        drop(session);
        self.audited(style, style_report(style, runs)?)
    }

    /// Connected workers that have passed each line of the transfer's code once, so that no page of
    /// it is new in the runs of `sizes` bytes to come.
    pub(super) fn session(&mut self, style: &Style, sizes: &[u64]) -> Result<Session> {
        let plan = self.plan();
        let warm_up = plan.bytes.min(plan.chunk.saturating_mul(2));
        let sizes = [&[warm_up], sizes].concat();
        let place = Place {
            network: &self.network,
            port: self.options.port,
            folder: &self.payload.folder,
            chunk: usize::try_from(plan.chunk).context("a chunk that does not fit in memory")?,
        };
        let mut session = Session::start(style, self.payload, &place, &sizes, self.running)?;
        for (process, group) in processes(&session) {
            self.engine.watch(process, group)?;
        }
        let warm = session.run(&mut Unwatched);
        self.progress.step();
        warm.map(|_| session)
    }

    /// An empty run, then a transfer: what it cost beyond the empty one, what was lost in both, and
    /// whether that was so by chance that it is worth another try.
    fn measure(&mut self, style: &Style, session: &mut Session) -> Result<(RunReport, Loss, bool)> {
        let plan = self.plan();
        let mut groups = vec![Group::MACHINE];
        groups.extend(processes(session).iter().map(|(_, group)| group));
        let mut empty = Window::new(&mut self.engine, &groups, None);
        session.run(&mut empty)?;
        let empty = empty.counted()?;
        let cold = self.options.cold.then_some(self.payload);
        let mut window = Window::new(&mut self.engine, &groups, cold);
        let delivered = session.run(&mut window)?;
        let counted = window.counted()?;
        let loss = counted.loss.clone().and(&empty.loss);
        let input = RunInput {
            style: style.name,
            bytes: plan.bytes,
            hash: &self.payload.hash,
            delivered: &delivered,
            statuses: self.statuses(),
            meters: self.meters(),
            loss: &loss,
            guesses: &self.options.guesses,
            machine: &counted.samples[&Group::MACHINE],
        };
        let side = |side, part: &Part, own: session::OwnSide| SideInput {
            side,
            run: &counted.samples[&group_of(side)],
            empty: &empty.samples[&group_of(side)],
            jobs: part.jobs,
            cost: (part.cost)(plan),
            own,
        };
        let receiver =
            style.receiver.as_ref().map(|part| side(Side::Receiver, part, delivered.receiver));
        let sender = side(Side::Sender, &style.sender, delivered.sender);
        let mut run = derive::run(&input, &sender, receiver.as_ref());
        run.stacks = self.stacks(&run, &counted, &empty);
        // A device gets what is sent twice a second time, and so may the CPU; loopback loses nothing, and
        // gathers.
        let over_device = plan.route.path != Path::Loopback;
        let twice = delivered.sent_again || over_device && delivered.segments_again;
        let by_chance = loss.is_chance() || twice || over_device && flattened(plan, &run);
        Ok((run, loss, by_chance))
    }
}

/// Whether a driver that gathers made a very short packet of the sender's one piece all the same: vmxnet3
/// does, and where TCP cuts the payload so short is a matter of timing (`vmxnet3_parse_hdr`,
/// drivers/net/vmxnet3).
fn flattened(plan: Plan, run: &RunReport) -> bool {
    let sites = run.sender.sites.iter().flatten();
    let pulled = sites.filter(|passed| passed.site == entry(Site::PskbPullTail).program);
    plan.route.gather && pulled.map(|passed| passed.bytes).sum::<u64>() > 0
}

/// The counters of `side`.
pub(super) fn group_of(side: Side) -> Group {
    match side {
        Side::Sender => SENDER,
        Side::Receiver => RECEIVER,
    }
}

/// The workers of `session` and their counters.
pub(super) fn processes(session: &Session) -> Vec<(u32, Group)> {
    let (sender, receiver) = session.pids();
    let receiver = receiver.map(|receiver| (receiver, RECEIVER));
    [Some((sender, SENDER)), receiver].into_iter().flatten().collect()
}

/// The report of `runs`, with the numbers of the worst.
fn style_report(style: &Style, runs: Vec<RunReport>) -> Result<StyleReport> {
    let worst = runs.iter().map(|run| run.verdict).max();
    let run = runs.iter().find(|run| Some(run.verdict) == worst).context("no run")?.clone();
    Ok(report(style, Outcome::Measured(Box::new(run)), runs))
}

fn not_supported_report(style: &Style, why: &session::NotSupported) -> StyleReport {
    let not_supported = NotSupported {
        side: why.side,
        errno: format!("{:?}", why.errno),
        reason: why.errno.desc(),
    };
    report(style, Outcome::NotSupported { not_supported }, Vec::new())
}

fn report(style: &Style, outcome: Outcome, runs: Vec<RunReport>) -> StyleReport {
    StyleReport {
        style: style.name,
        how: style.how,
        textbook_name: style.textbook_name,
        textbook: style.textbook,
        outcome,
        audit: None,
        runs,
    }
}
