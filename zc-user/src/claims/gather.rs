//! Runs the lab's styles that claims and lessons need, each once, and keeps what was measured.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use super::{Circumstances, Evidence, Need};
use crate::{
    lab::{self, Progress},
    network::NetworkError,
    report::text::one_line,
    transfer::{Style, known, payload::Payload, session::Running},
};

/// What the runs are made with.
pub(crate) struct Gather<'a> {
    /// What the lab is asked for, but for the styles and the circumstances.
    pub(crate) lab: &'a lab::Options,
    /// A folder on a file system that shares blocks between files, should the payload's not.
    pub(crate) sharing_dir: Option<&'a Path>,
    pub(crate) payload: &'a Payload,
    pub(crate) running: &'a Running,
    pub(crate) progress: &'a dyn Progress,
}

/// Which styles to run in which circumstances, each once.
fn by_circumstances(
    needs: impl Iterator<Item = Need>,
) -> BTreeMap<Circumstances, Vec<&'static Style>> {
    let mut wanted: BTreeMap<Circumstances, Vec<&'static Style>> = BTreeMap::new();
    for need in needs {
        let Some(style) = known(need.style) else { continue };
        let styles = wanted.entry(need.how).or_default();
        if !styles.iter().any(|known| known.name == style.name) {
            styles.push(style);
        }
    }
    wanted
}

/// How many steps [`Evidence::gather`] reports.
pub(crate) fn steps(needs: impl Iterator<Item = Need>, lab: &lab::Options) -> u64 {
    let labs = by_circumstances(needs).into_iter();
    labs.map(|(how, styles)| lab::steps(&options(lab, how, styles))).sum()
}

fn options(lab: &lab::Options, how: Circumstances, styles: Vec<&'static Style>) -> lab::Options {
    lab::Options { styles, ..how.options(lab) }
}

impl Evidence {
    /// Measures what is needed; the problems, a line each, that make it less than complete.
    ///
    /// # Errors
    /// Those of [`lab::run`], but for a network that this machine does not have: what goes over that is
    /// only lacking.
    pub(crate) fn gather(
        &mut self,
        needs: impl Iterator<Item = Need>,
        with: &Gather<'_>,
    ) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for (how, styles) in by_circumstances(needs) {
            let asked = options(with.lab, how, styles);
            let mut lacks = |why: &str| {
                let needs = asked.styles.iter().map(|style| Need { style: style.name, how });
                needs.for_each(|need| self.lacks(need, why));
            };
            let other = if how == Circumstances::Sharing { sharing(with) } else { Ok(None) };
            let payload = match &other {
                Ok(other) => other.as_ref().unwrap_or(with.payload),
                Err(why) => {
                    lacks(why);
                    continue;
                }
            };
            let report = match lab::run(&asked, payload, with.running, with.progress) {
                Ok(report) => report,
                // A machine need not have what packets are to go over.
                Err(error) if error.is::<NetworkError>() => {
                    lacks(&one_line(error.as_ref()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            problems.extend(report.completeness.problems.iter().cloned());
            self.add(how, report);
        }
        Ok(problems)
    }
}

/// A payload on a file system that shares blocks, where this one's does not; or why there is none.
fn sharing(with: &Gather<'_>) -> Result<Option<Payload>, String> {
    if with.payload.sharing().is_some() {
        return Ok(None);
    }
    let shares_none = |payload: &Payload, next: &str| {
        let folder = payload.folder.display();
        format!("the file system of {folder} shares no blocks between files{next}")
    };
    let Some(dir) = with.sharing_dir else {
        return Err(shares_none(with.payload, ": give a folder on one that does to --sharing-dir"));
    };
    let other = lab::payload(&lab::Options { dir: Some(dir.into()), ..with.lab.clone() })
        .map_err(|error| one_line(&error))?;
    if other.sharing().is_some() { Ok(Some(other)) } else { Err(shares_none(&other, "")) }
}
