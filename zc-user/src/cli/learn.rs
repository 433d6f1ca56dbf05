//! `zc learn`: labs for people who learn kernels.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::File,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{
    Exit, Failure, Outcome,
    html::HtmlArgs,
    interruptible,
    lab::{parse_bytes, payload},
    output::{OutputArgs, json},
    progress::Bar,
};
use crate::{
    claims::{CHUNK, SIZE},
    lab,
    learn::{self, LABS, Lab, Lang, Options, Page},
    probes::attach::check_permission,
    report::{
        self,
        learn::{Words, outcome, page, prompt, text},
        output::Output,
        text::one_line,
    },
    result::learn::{LearnReport, Outcome as Graded},
};

/// Learn how bytes move through a kernel: read, predict a number, measure it, see why
///
/// Each lab is a page to read and a question whose answer is a number. You predict it, the kernel's
/// own counters say what it is, and you read why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Labs to do, by their names in --list; without any the list is shown
    #[arg(value_name = "LAB", value_parser = parse_lab)]
    labs: Vec<&'static Lab>,
    /// Do every lab
    #[arg(long, conflicts_with = "labs")]
    all: bool,
    /// List the labs and exit
    #[arg(long)]
    list: bool,
    /// Your prediction, in place of being asked: a number, or 64K, 1M (binary)
    #[arg(long, value_name = "NUMBER", value_parser = parse_number, allow_negative_numbers = true, conflicts_with_all = ["all", "answers"])]
    predict: Option<u64>,
    /// Take predictions from a file of JSON, as {"T8": 4}; of the labs in it all are run ("-": stdin)
    #[arg(long, value_name = "PATH")]
    answers: Option<PathBuf>,
    /// Language of the texts [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// Make the files that are sent in this folder, which must be on a disk
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Print JSON, documented in docs/learn-json.md; what is asked goes to stderr
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    html: HtmlArgs,
    /// End after so many seconds of measuring
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

const EXAMPLES: &str = "\
Examples:
  zc learn                                 which labs there are
  sudo zc learn T8                         one of them; it asks for your prediction
  sudo zc learn ordinary-copy --predict 4  the same, predicted at once
  sudo zc learn --all --lang zh            all of them, in Chinese
  sudo zc learn --answers mine.json --json
                                           for graders; in mine.json: {\"T8\": 4, \"T10\": 0}

Exit status:
    0  every prediction is what was measured
    1  a prediction is wrong
    2  this machine cannot show it, or counts were lost
   64  the command line is wrong
  130  interrupted";

fn parse_lab(name: &str) -> Result<&'static Lab, String> {
    learn::lab(name).ok_or_else(|| {
        let known = LABS.iter().map(|lab| lab.name).collect::<Vec<_>>().join(", ");
        match learn::nearest(name) {
            Some(near) => format!("no such lab; did you mean {near}? There are {known}"),
            None => format!("no such lab; there are {known} (see zc learn --list)"),
        }
    })
}

/// A whole number, its digits in groups or not, or one of a unit. A fraction is no prediction: it would be
/// rounded to another one.
fn parse_number(text: &str) -> Result<u64, String> {
    let digits = text.trim().replace([',', '_'], "");
    let whole = !digits.is_empty() && !digits.contains(['.', '-']);
    let number = whole.then(|| parse_bytes(&digits).ok()).flatten();
    number.ok_or_else(|| "write a whole number, such as 4, or 64K, 1M".into())
}

impl Args {
    fn lang(&self) -> Lang {
        let set = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        self.lang.unwrap_or_else(|| Lang::of_locale(&locale().unwrap_or_default()))
    }

    /// The labs, and what is predicted of each where that is known already.
    fn wanted(&self) -> Result<Vec<(&'static Lab, Option<u64>)>, Failure> {
        let mut named: Vec<_> = if self.all { LABS.iter().collect() } else { self.labs.clone() };
        let mut known = BTreeSet::new();
        named.retain(|lab| known.insert(lab.name));
        let Some(path) = &self.answers else {
            if self.predict.is_some() && named.len() != 1 {
                return Err(Failure::usage(anyhow!(
                    "--predict is for one lab, and {} are named: use --answers",
                    named.len()
                )));
            }
            return Ok(named.into_iter().map(|lab| (lab, self.predict)).collect());
        };
        let answers = answers(path).map_err(Failure::usage)?;
        let answer = |lab: &Lab| answers.iter().find(|(of, _)| of.name == lab.name).map(|a| a.1);
        if named.is_empty() {
            let answered = LABS.iter().map(|lab| (lab, answer(lab)));
            return Ok(answered.filter(|(_, answer)| answer.is_some()).collect());
        }
        if let Some(lab) = named.iter().find(|lab| answer(lab).is_none()) {
            return Err(Failure::usage(anyhow!(
                "{} has no answer to {} ({})",
                path.display(),
                lab.row,
                lab.name
            )));
        }
        Ok(named.into_iter().map(|lab| (lab, answer(lab))).collect())
    }

    fn measure(&self, labs: Vec<(&'static Lab, u64)>) -> Result<(LearnReport, bool), Failure> {
        let lab = lab::Options {
            size: Some(SIZE),
            chunk: CHUNK,
            dir: self.dir.clone(),
            ..lab::Options::default()
        };
        let options = Options { labs, lang: self.lang(), lab };
        interruptible::run(Duration::from_secs(self.timeout), move |running| {
            let bar = Bar::new(learn::steps(&options));
            let obstacle = check_permission().err().map(|error| one_line(&error));
            let made = match obstacle {
                None if options.probes() => Ok(payload(&options.lab, &bar)?),
                None => Err("nothing is counted in the kernel".into()),
                Some(why) => Err(why),
            };
            let counting = made.as_ref().map_err(String::clone);
            learn::run(&options, counting, running, &bar).map_err(Failure::unobserved)
        })
    }

    /// Shows what there is to read, and asks.
    fn ask(&self, lab: &Lab, predicted: Option<u64>) -> Result<u64, Failure> {
        let lang = self.lang();
        let text = lab.page(lang).map_err(Failure::unobserved)?;
        let quiet = self.json || self.output.is_file();
        match predicted {
            Some(predicted) if quiet => return Ok(predicted),
            _ => self.say(quiet, &format!("{}\n", page(lab, &text, lang)))?,
        }
        match predicted {
            Some(predicted) => Ok(predicted),
            None => self.prediction(&text, lang, quiet),
        }
    }

    /// Asks until it gets a number.
    fn prediction(&self, page: &Page, lang: Lang, quiet: bool) -> Result<u64, Failure> {
        loop {
            self.say(quiet, &prompt(page, lang, self.output.coloured() && !quiet))?;
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line).map_err(Failure::unobserved)?;
            if read == 0 {
                return Err(Failure::usage(anyhow!(
                    "no prediction: type a number, or give one to --predict or --answers"
                )));
            }
            match parse_number(&line) {
                Ok(predicted) => {
                    self.say(quiet, "\n")?;
                    return Ok(predicted);
                }
                Err(_) => self.say(quiet, &format!("{}\n", Words::of(lang).no_number))?,
            }
        }
    }

    /// On stdout, or on stderr where that is for the report alone.
    fn say(&self, quiet: bool, text: &str) -> Result<(), Failure> {
        if quiet {
            io::stderr().lock().write_all(text.as_bytes()).map_err(Failure::unobserved)
        } else {
            Output::Stdout.write(text).map_err(Failure::unobserved)
        }
    }

    /// One lab after the other: read, predict, measure, see why.
    fn guide(&self, labs: &[(&'static Lab, Option<u64>)]) -> Result<(LearnReport, bool), Failure> {
        let mut whole: Option<LearnReport> = None;
        for (lab, predicted) in labs {
            let predicted = self.ask(lab, *predicted)?;
            let (report, interrupted) = self.measure(vec![(*lab, predicted)])?;
            if !self.json && !self.output.is_file() {
                for lesson in &report.labs {
                    let shown = outcome(lesson, report.lang, self.output.coloured());
                    self.say(false, &format!("{shown}\n"))?;
                }
            }
            match &mut whole {
                Some(whole) => {
                    whole.complete &= report.complete;
                    whole.problems.extend(report.problems);
                    whole.labs.extend(report.labs);
                }
                None => whole = Some(report),
            }
            if interrupted {
                return whole.map(|whole| (whole, true)).ok_or_else(nothing);
            }
        }
        whole.map(|whole| (whole, false)).ok_or_else(nothing)
    }
}

fn nothing() -> Failure {
    Failure::usage(anyhow!("no lab: name one, or --all"))
}

/// Larger files are no answers.
const MOST: u64 = 1 << 20;

/// The predictions in the file at `path`.
fn answers(path: &Path) -> Result<Vec<(&'static Lab, u64)>> {
    let mut said = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MOST).read_to_string(&mut said)
    } else {
        File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut said))
    };
    read.with_context(|| format!("cannot read the answers in {}", path.display()))?;
    let said: BTreeMap<String, u64> = serde_json::from_str(&said).with_context(|| {
        format!("{} is not as {{\"T8\": 4}}: labs and whole numbers", path.display())
    })?;
    let mut answers: Vec<(&'static Lab, u64)> = Vec::new();
    for (name, answer) in said {
        let lab = parse_lab(&name).map_err(|why| anyhow!("{}: {name}: {why}", path.display()))?;
        if answers.iter().any(|(known, _)| known.name == lab.name) {
            bail!("{}: {name}: there are two answers to that lab", path.display());
        }
        answers.push((lab, answer));
    }
    if answers.is_empty() {
        bail!("{} has no answer", path.display());
    }
    Ok(answers)
}

/// Teaches, or grades.
pub(super) fn main(args: &Args) -> Outcome {
    let nobody = args.labs.is_empty() && !args.all && args.answers.is_none();
    if nobody && args.predict.is_some() {
        return Err(nothing());
    }
    if args.list || nobody {
        return list(args);
    }
    let output = args.output.open()?;
    let html = args.html.open()?;
    let wanted = args.wanted()?;
    let answered = args.answers.is_some();
    let (report, interrupted) = if answered {
        let known = wanted.iter().filter_map(|(lab, answer)| Some((*lab, (*answer)?)));
        args.measure(known.collect())?
    } else {
        args.guide(&wanted)?
    };
    let shown = if args.json {
        Some(json(&report)?)
    } else if answered || args.output.is_file() {
        Some(text(&report, args.output.coloured()))
    } else {
        None
    };
    if let Some(shown) = shown {
        output.write(&shown).map_err(Failure::unobserved)?;
    }
    let page = |command: &str| report::html::learn(&report, command);
    html.write(page).map_err(Failure::unobserved)?;
    Ok(if interrupted { Exit::Interrupted } else { exit(&report) })
}

fn exit(report: &LearnReport) -> Exit {
    match report.labs.iter().map(|lesson| lesson.outcome).max() {
        Some(Graded::Right) => Exit::Holds,
        Some(Graded::Wrong) => Exit::Refuted,
        Some(Graded::Lost | Graded::NotSupported) | None => Exit::Unobserved,
    }
}

fn list(args: &Args) -> Outcome {
    let report = learn::list(args.lang()).map_err(Failure::unobserved)?;
    let shown = if args.json {
        json(&report)?
    } else {
        report::learn::list(&report, args.output.coloured())
    };
    args.output.open()?.write(&shown).map_err(Failure::unobserved)?;
    Ok(Exit::Holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_is_a_whole_number() {
        for (text, number) in [("4", 4), ("64K\n", 65_536), ("1,048,576", 1 << 20), ("1M", 1 << 20)]
        {
            assert_eq!(parse_number(text), Ok(number));
        }
        for text in ["", "-4", "4.5", "1.5K", "four", "18446744073709551616", "0x10"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
    }
}
