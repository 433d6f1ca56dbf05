//! Measures what labs need, and compares it with what was predicted.

use anyhow::Result;

use super::{Lab, Lang, Measured};
use crate::{
    claims::{Evidence, Need, Unobservable, gather, programs::Programs},
    lab::{self, Progress},
    report::text::one_line,
    result::{
        Origin, Tier,
        learn::{LearnReport, LessonFact, LessonReport, Outcome},
        transfer::TransferReport,
    },
    transfer::{payload::Payload, session::Running},
};

/// Name and version of the JSON format. The number grows when a key changes its meaning or goes.
const SCHEMA: &str = "zc.learn/1";

/// What to run, and what its user expects.
#[derive(Clone, Debug)]
pub struct Options {
    /// Each with a prediction, in this order.
    pub labs: Vec<(&'static Lab, u64)>,
    /// What the texts are to be written in.
    pub lang: Lang,
    /// What the lab is asked for, but for the styles and the circumstances.
    pub lab: lab::Options,
}

impl Options {
    /// Whether zc has to count in the kernel for any of them.
    pub fn probes(&self) -> bool {
        self.labs.iter().any(|(lab, _)| lab.probes)
    }
}

/// How many steps [`run`] reports, at most.
pub fn steps(options: &Options) -> u64 {
    gather::steps(needs(options), &options.lab) + options.labs.len() as u64
}

fn needs(options: &Options) -> impl Iterator<Item = Need> {
    options.labs.iter().flat_map(|(lab, _)| lab.needs).copied()
}

/// Measures and compares. Of labs that need to count in the kernel only, with the payload that
/// `counting` has; or it says why nothing can be counted.
///
/// # Errors
/// Why it was ended, once `running` is stopped, and where a lab's text is broken. What cannot be measured
/// is told in the report.
pub fn run(
    options: &Options,
    counting: Result<&Payload, String>,
    running: &Running,
    progress: &dyn Progress,
) -> Result<LearnReport> {
    let folder = counting.as_ref().map(|payload| payload.folder.clone()).unwrap_or_default();
    let mut evidence = Evidence::new(Programs::new(folder, running.clone()));
    let (mut obstacle, mut problems) = (None, Vec::new());
    match counting {
        Ok(payload) => {
            let with =
                gather::Gather { lab: &options.lab, sharing_dir: None, payload, running, progress };
            problems.extend(measure(&mut evidence, needs(options), &with)?);
            let lacking = options.labs.iter().filter(|(lab, _)| lab.lacks(&evidence));
            let instead: Vec<_> = lacking.flat_map(|(lab, _)| lab.instead).copied().collect();
            problems.extend(measure(&mut evidence, instead.into_iter(), &with)?);
        }
        Err(why) => obstacle = Some(why),
    }
    let tier = if obstacle.is_some() { Tier::Boundary } else { Tier::Sites };
    let mut labs = Vec::new();
    for (lab, predicted) in &options.labs {
        progress.doing(lab.name);
        let measured = match &obstacle {
            Some(why) if lab.probes => Err(Unobservable::Lacking(why.clone())),
            _ => (lab.measure)(&evidence),
        };
        let transfers = evidence.transfers(lab.needs.iter().chain(lab.instead).copied());
        labs.push(lesson(lab, options.lang, *predicted, (measured, transfers))?);
        progress.step();
    }
    problems.extend(evidence.programs.problems());
    Ok(LearnReport {
        origin: Origin::here(SCHEMA, tier),
        lang: options.lang,
        complete: problems.is_empty(),
        problems,
        labs,
    })
}

/// Gathers what is needed, and tells what was lost on the way; what cannot be measured is lacking.
fn measure(
    evidence: &mut Evidence,
    needs: impl Iterator<Item = Need>,
    with: &gather::Gather<'_>,
) -> Result<Vec<String>> {
    let needs: Vec<_> = needs.collect();
    match evidence.gather(needs.iter().copied(), with) {
        Err(error) if with.running.stopped().is_some() => Err(error),
        Err(error) => {
            let why = one_line(error.as_ref());
            needs.iter().for_each(|need| evidence.lacks(*need, &why));
            Ok(Vec::new())
        }
        Ok(problems) => Ok(problems),
    }
}

impl Lab {
    /// Whether the machine lacks something that it needs.
    fn lacks(&self, evidence: &Evidence) -> bool {
        let lacking = |need: &Need| matches!(evidence.run(*need), Err(Unobservable::Lacking(_)));
        self.needs.iter().any(lacking)
    }
}

fn lesson(
    lab: &Lab,
    lang: Lang,
    predicted: u64,
    (measured, transfers): (Result<Measured, Unobservable>, Vec<TransferReport>),
) -> Result<LessonReport> {
    let page = lab.page(lang)?;
    let outcome = match &measured {
        Ok(measured) if measured.answer.is(predicted) => Outcome::Right,
        Ok(_) => Outcome::Wrong,
        Err(Unobservable::Lacking(_)) => Outcome::NotSupported,
        Err(Unobservable::Lost(_)) => Outcome::Lost,
    };
    let (measured, reason) = match measured {
        Ok(measured) => (Some(measured), None),
        Err(why) => (None, Some(why.to_string())),
    };
    let facts = measured.iter().flat_map(|measured| &measured.facts);
    let fact = |(name, measured): &(&'static str, u64)| LessonFact {
        name,
        what: page.fact(name),
        measured: *measured,
    };
    Ok(LessonReport {
        lab: lab.name,
        row: lab.row,
        predicted,
        outcome,
        facts: facts.map(fact).collect(),
        why: measured.as_ref().map(|measured| page.why(&measured.facts)),
        measured: measured.map(|measured| measured.answer.number()),
        reason,
        transfers,
        title: page.title,
        explanation: page.explanation,
        question: page.question,
        unit: page.unit,
        variation: page.variation,
        attempt: page.attempt,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::LABS, *};
    use crate::learn::Answer;

    fn compared(measured: Result<u64, Unobservable>) -> LessonReport {
        let facts = vec![("payload", 77), ("cpu", 154)];
        let measured = measured.map(|n| Measured { answer: Answer::count(n), facts });
        lesson(&LABS[7], Lang::En, 4, (measured, Vec::new())).unwrap()
    }

    #[test]
    fn right_wrong_unsupported_and_lost_are_told_apart() {
        let of = |measured| compared(measured).outcome;
        assert_eq!([of(Ok(4)), of(Ok(2))], [Outcome::Right, Outcome::Wrong]);
        assert_eq!(of(Err(Unobservable::Lacking("no".into()))), Outcome::NotSupported);
        let lost = compared(Err(Unobservable::Lost("3 counts".into())));
        assert_eq!(lost.outcome, Outcome::Lost);
        let json = serde_json::to_value(lost).unwrap();
        assert_eq!((json.get("measured"), json.get("why"), json.get("facts")), (None, None, None));
        assert_eq!(
            (&json["reason"], &json["outcome"]),
            (&"3 counts".into(), &"counts lost".into())
        );
    }

    #[test]
    fn why_has_the_numbers_that_were_measured() {
        let report = compared(Ok(2));
        let why = report.why.unwrap();
        assert!(why.contains(" 77 bytes the CPU copied 154"), "{why}");
        assert_eq!(serde_json::to_value(report.measured).unwrap(), 2);
    }
}
