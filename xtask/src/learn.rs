//! `cargo xtask learn`: a lab for learners; or all of them in a guest, in both languages, each with a wrong
//! prediction and with the right one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tempfile::NamedTempFile;
use zc_guest::RunSpec;

use crate::lab::{self, Commanded};
use crate::progress;
use crate::setup::{self, Part};
use crate::vm::kernel::{self, KernelSpec};
use crate::vm::payload::Transfer;
use crate::vm::{GATHERING_CARDS, Guest, Run, ZC_PATH};
use crate::{build, process};

/// For all labs, once.
const DEADLINE: Duration = Duration::from_secs(600);

/// A prediction that no lab's measurement makes right.
const WRONG: u64 = 987_654_321;

/// Where the answers lie in the guest.
const ANSWERS_PATH: &str = "/run/answers.json";

/// `cargo xtask learn`: the exit status of `zc learn`; with `--all` alone, zero when every lab refuses a
/// wrong prediction and accepts what it measured.
pub(crate) fn command(args: lab::LabArgs) -> Result<u8> {
    let all = args.options() == [OsString::from("--all")];
    if !all {
        return lab::command(Commanded::Learn, args);
    }
    setup::ensure(&[Part::Linking, Part::Bpf, Part::Guests])?;
    let zc = build::static_program("zc", "zc")?;
    let kernel = match args.kernel() {
        Some(kernel) => kernel.clone(),
        None => KernelSpec::parse(kernel::DEFAULT.as_ref())?,
    };
    let guest = Guest::prepare(&kernel, None, false)?;
    progress::note(&guest.describe());
    let start = Instant::now();
    let lessons = lessons(&guest, &zc)?;
    let tried = tried(&guest, &zc, &lessons)?;
    progress::note(&format!(
        "every lab twice, and what it says to try: {:.0} s",
        start.elapsed().as_secs_f64()
    ));
    let lines = lessons.iter().map(Lesson::line).chain(tried.iter().map(Tried::line));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    progress::output(lines.as_bytes()).context("cannot write the results")?;
    let holds = lessons.iter().all(Lesson::holds) && tried.iter().all(|tried| tried.status == "0");
    Ok(u8::from(!holds))
}

/// What `zc learn --json` says of a lab, as far as it is looked at.
#[derive(Debug, Clone, Deserialize)]
struct Said {
    row: String,
    lab: String,
    title: String,
    outcome: String,
    measured: Option<u64>,
    reason: Option<String>,
    r#try: String,
}

#[derive(Debug, Deserialize)]
struct Labs<T> {
    labs: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    lab: String,
}

/// A lab with a wrong prediction, in English, and with the right one, in Chinese.
#[derive(Debug)]
struct Lesson {
    wrong: Said,
    right: Option<Said>,
}

impl Lesson {
    /// Whether it refuses the one and accepts the other; or says, both times, that it cannot be had here.
    fn holds(&self) -> bool {
        let outcomes = [Some(&self.wrong), self.right.as_ref()].map(|s| s.map(|s| &*s.outcome));
        match outcomes {
            [Some("wrong"), Some("right")] => true,
            [Some("not supported"), None] => self.wrong.reason.is_some(),
            _ => false,
        }
    }

    fn line(&self) -> String {
        let Said { row, lab, outcome, reason, .. } = &self.wrong;
        let verdict = if self.holds() { "ok" } else { "FAILED" };
        let first = format!("{verdict:6} {row:4} {lab:16} {WRONG} is {outcome}");
        let why = reason.iter().map(|why| format!(": {why}")).collect::<String>();
        let second = self.right.as_ref().map(|right| {
            let measured = right.measured.map_or_else(|| "nothing".to_owned(), |n| n.to_string());
            format!("; {measured} is {} ({})", right.outcome, right.title)
        });
        format!("{first}{why}{}", second.unwrap_or_default())
    }
}

/// A command that a lab says to try, and its exit status.
#[derive(Debug)]
struct Tried {
    command: String,
    status: String,
}

impl Tried {
    fn line(&self) -> String {
        let Self { command, status } = self;
        let verdict = if status == "0" { "ok" } else { "FAILED" };
        format!("{verdict:6} {command} ends with {status}")
    }
}

/// Runs the command that each lab says to try.
fn tried(guest: &Guest, zc: &Path, lessons: &[Lesson]) -> Result<Vec<Tried>> {
    let commands: Vec<_> = lessons.iter().map(|lesson| lesson.wrong.r#try.clone()).collect();
    // Kernels that can be preempted in a probe lose counts by chance, and zc then ends with 2.
    let each = |command: &String| {
        format!(
            "for n in 1 2 3 4 5; do {command} > /dev/null; s=$?; [ $s = 2 ] || break; done; echo $s\n"
        )
    };
    let script: String = commands.iter().map(each).collect();
    let argv = ["/bin/busybox", "sh", "-c", &script].map(OsString::from).to_vec();
    let (stdout, stderr) = run(guest, "what labs say to try", argv, vec![into(zc, ZC_PATH)])?;
    let statuses: Vec<_> = stdout.lines().map(str::to_owned).collect();
    if statuses.len() != commands.len() {
        bail!("not all that labs say to try was tried: {}", stderr.trim());
    }
    let tried = commands.into_iter().zip(statuses);
    Ok(tried.map(|(command, status)| Tried { command, status }).collect())
}

/// Runs each lab twice.
fn lessons(guest: &Guest, zc: &Path) -> Result<Vec<Lesson>> {
    let listed = process::capture(Command::new(zc).args(["learn", "--list", "--json"]), None)?;
    let listed: Labs<Listed> = serde_json::from_slice(&listed.stdout).context("no list of labs")?;
    let wrong = listed.labs.into_iter().map(|lab| (lab.lab, WRONG)).collect();
    let first = learn(guest, zc, "en", &wrong)?;
    let measured = first.iter().filter_map(|said| Some((said.lab.clone(), said.measured?)));
    let second = learn(guest, zc, "zh", &measured.collect())?;
    let with_right = |wrong: Said| {
        let right = second.iter().find(|right| right.lab == wrong.lab).cloned();
        Lesson { wrong, right }
    };
    Ok(first.into_iter().map(with_right).collect())
}

/// What the labs say in `lang` to these answers.
fn learn(
    guest: &Guest,
    zc: &Path,
    lang: &str,
    answers: &BTreeMap<String, u64>,
) -> Result<Vec<Said>> {
    let file = NamedTempFile::new().context("no temporary file")?;
    serde_json::to_writer(&file, answers).context("cannot write the answers")?;
    let words = [ZC_PATH, "learn", "--answers", ANSWERS_PATH, "--json", "--lang", lang];
    let add = vec![into(zc, ZC_PATH), into(file.path(), ANSWERS_PATH)];
    let argv = words.map(OsString::from).to_vec();
    let (stdout, stderr) = run(guest, &format!("labs ({lang})"), argv, add)?;
    match serde_json::from_str::<Labs<Said>>(&stdout) {
        Ok(said) => Ok(said.labs),
        Err(error) => bail!("zc learn said no JSON ({error}): {}", stderr.trim()),
    }
}

fn into(host: &Path, guest: &str) -> Transfer {
    Transfer { host: host.to_owned(), guest: guest.into() }
}

/// What a command said on standard output and standard error.
fn run(
    guest: &Guest,
    what: &str,
    argv: Vec<OsString>,
    add: Vec<Transfer>,
) -> Result<(String, String)> {
    let run = Run {
        spec: RunSpec { argv, ..RunSpec::default() },
        add,
        nics: Some(GATHERING_CARDS.to_owned()),
        deadline: Some(DEADLINE),
        ..Run::default()
    };
    guest.said(&run, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outcome: &str, measured: Option<u64>) -> Said {
        let name = |name: &str| name.to_owned();
        let reason = measured.is_none().then(|| name("no card"));
        Said {
            row: name("T1"),
            lab: name("a"),
            title: name("b"),
            outcome: name(outcome),
            measured,
            reason,
            r#try: name("zc lab"),
        }
    }

    #[test]
    fn a_lab_has_to_refuse_and_to_accept() {
        let holds = |wrong, right| Lesson { wrong, right }.holds();
        assert!(holds(said("wrong", Some(4)), Some(said("right", Some(4)))));
        assert!(holds(said("not supported", None), None));
        assert!(!holds(said("wrong", Some(4)), Some(said("wrong", Some(5)))));
        assert!(!holds(said("right", Some(4)), Some(said("right", Some(4)))));
        assert!(!holds(said("counts lost", None), None));
    }
}
