//! `--audit`: after the measured runs of a style, the same transfer again, counted at the leaves.

use anyhow::Result;
use zc_common::Group;

use super::{
    Lab,
    runs::{group_of, processes},
};
use crate::{
    expect::{Side, Verdict},
    measure::LeafWindow,
    probes::{
        attach::Probes,
        audit::{AuditError, AuditPlan, prepare},
        leaves::{Found, Method},
    },
    report::text::one_line,
    result::{
        Outcome, StyleReport,
        audit::{self, AuditSide, AuditSummary, Round},
    },
    transfer::{
        Style,
        session::{Delivered, OwnSide, Session},
        work::OwnMemory,
    },
};

/// What can be watched, or why nothing can.
pub(super) struct Audit {
    plan: Option<AuditPlan>,
    problem: Option<String>,
}

impl Audit {
    /// Looks at the kernel and loads the leaves' programs.
    pub(super) fn prepare(probes: &mut Probes) -> Self {
        match prepare(probes) {
            Ok(plan) => Self { plan: Some(plan), problem: None },
            Err(error) => Self { plan: None, problem: Some(one_line(&error)) },
        }
    }

    /// The leaves of each round; none once the kernel has refused one.
    fn rounds(&self) -> &[Vec<Found>] {
        match (&self.plan, &self.problem) {
            (Some(plan), None) => &plan.rounds,
            _ => &[],
        }
    }

    /// Bytes of each run that the audit of a transfer of `bytes` makes.
    pub(super) fn runs(&self, bytes: u64) -> Vec<u64> {
        [0, bytes].repeat(self.rounds().len())
    }

    /// Why not every style has one.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.as_ref().map(|why| format!("no audit: {why}"))
    }

    /// What a report says about it.
    pub(super) fn summary(&self) -> AuditSummary {
        let rounds = self.plan.iter().flat_map(|plan| &plan.rounds);
        let names = |leaves: &Vec<Found>| leaves.iter().map(|leaf| leaf.function).collect();
        AuditSummary {
            method: self.plan.as_ref().map(|plan| plan.method),
            registers: self.plan.as_ref().and_then(|plan| plan.registers),
            kprobe_refused: self.plan.as_ref().and_then(|plan| plan.kprobe_refused.clone()),
            rounds: rounds.map(names).collect(),
            problem: self.problem.clone(),
        }
    }
}

impl Lab<'_> {
    /// Adds the audit of `style` to its report, where one was asked for and can be had.
    pub(super) fn audited(
        &mut self,
        style: &Style,
        mut report: StyleReport,
    ) -> Result<StyleReport> {
        let Some(audit) = &self.audit else { return Ok(report) };
        let Some(plan) = audit.plan.clone().filter(|_| audit.problem.is_none()) else {
            return Ok(report);
        };
        let Outcome::Measured(run) = &mut report.outcome else { return Ok(report) };
        let sizes = audit.runs(self.payload.size);
        let mut session = self.session(style, &sizes)?;
        let processes = processes(&session);
        let mut rounds = Vec::new();
        for leaves in plan.rounds {
            match self.round(&mut session, &processes, plan.method, leaves) {
                Ok(round) => rounds.push(round),
                Err(error) => {
                    let refused = error.downcast_ref::<AuditError>().map(|why| one_line(why));
                    let (Some(why), Some(audit)) = (refused, &mut self.audit) else {
                        return Err(error);
                    };
                    audit.problem = Some(why);
                    return Ok(report);
                }
            }
        }
        let whole = rounds.iter().all(|round| {
            let delivered = &round.delivered;
            let counts = [delivered.sent, delivered.received];
            counts == [self.payload.size; 2] && delivered.hash.as_ref() == Some(&self.payload.hash)
        });
        // Each round is the same transfer; of one that fell short, less is claimed.
        let moved = |own: fn(&Delivered) -> OwnSide| {
            let all = || rounds.iter().map(|round| own(&round.delivered).moved);
            OwnMemory {
                into: all().map(|own| own.into).min().unwrap_or_default(),
                out_of: all().map(|own| own.out_of).min().unwrap_or_default(),
            }
        };
        let sent = moved(|delivered| delivered.sender);
        let received = moved(|delivered| delivered.receiver);
        let side = |side| {
            let moved = if side == Side::Sender { sent } else { received };
            AuditSide { side, group: group_of(side), moved }
        };
        let sides: Vec<_> = run.sides().map(|(of, _)| side(of)).collect();
        let audit = audit::audit(run, &rounds, &sides, whole);
        run.verdict = Verdict::max(run.verdict, audit.verdict);
        report.audit = Some(audit);
        Ok(report)
    }

    /// An empty run and a transfer, both counted at `leaves`.
    fn round(
        &mut self,
        session: &mut Session,
        processes: &[(u32, Group)],
        method: Method,
        leaves: Vec<Found>,
    ) -> Result<Round> {
        let mut window = LeafWindow::new(&mut self.engine, method, &leaves, processes, None);
        session.run(&mut window)?;
        let empty = window.counted()?;
        let cold = self.options.cold.then_some(self.payload);
        let mut window = LeafWindow::new(&mut self.engine, method, &leaves, processes, cold);
        let delivered = session.run(&mut window)?;
        let run = window.counted()?;
        self.progress.step();
        Ok(Round { method, leaves, empty, run, delivered })
    }
}
