//! Reads the output of Rust's test runner: pure functions of text.

/// The result line of a run, which closes it.
const RESULT: &str = "test result: ";

/// What one run of a test binary said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The tests that it said it would run.
    announced: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Its own closing line, as it is.
    pub(crate) line: String,
}

impl Report {
    /// Why the run counts as failed, if it does.
    pub(crate) fn problem(&self) -> Option<String> {
        let reported = self.passed + self.failed + self.ignored;
        if self.failed > 0 || !self.line.starts_with("test result: ok.") {
            return Some(format!("{} tests failed", self.failed));
        }
        (reported < self.announced)
            .then(|| format!("{} tests were announced, {reported} reported", self.announced))
    }

    /// Whether there was nothing to run, as in crates without tests.
    pub(crate) fn is_empty(&self) -> bool {
        self.announced == 0
    }

    /// Tests that really ran.
    pub(crate) fn ran(&self) -> u64 {
        self.passed + self.failed
    }
}

/// The reports of all runs in a text, and the text without their closing lines.
pub(crate) fn split(output: &str) -> (Vec<Report>, String) {
    let mut reports = Vec::new();
    let mut rest = String::new();
    let mut announced = None;
    for line in output.lines() {
        if let Some(count) = announcement(line) {
            announced = Some(count);
        }
        match (announced, result(line)) {
            (Some(announced_now), Some([passed, failed, ignored])) => {
                let line = line.to_owned();
                reports.push(Report { announced: announced_now, passed, failed, ignored, line });
                announced = None;
            }
            _ => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
    }
    (reports, rest)
}

/// `running 5 tests`.
fn announcement(line: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    let count = words.next().filter(|word| *word == "running").and_then(|_| words.next())?;
    let unit = words.next()?;
    (words.next().is_none() && matches!(unit, "test" | "tests")).then(|| count.parse().ok())?
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn result(line: &str) -> Option<[u64; 3]> {
    let (_, counts) = line.strip_prefix(RESULT)?.split_once(". ")?;
    let count = |unit: &str| {
        let mut found = counts.split(';').filter_map(|part| part.trim().strip_suffix(unit));
        found.next()?.trim().parse().ok()
    };
    Some([count("passed")?, count("failed")?, count("ignored")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\nrunning 3 tests\ntest a ... ok\ntest b ... ok\ntest c ... ignored\n\n\
        test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.10s\n\n";

    #[test]
    fn a_good_run_is_read() {
        let (reports, rest) = split(GOOD);
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].problem(), None);
        assert_eq!(reports[0].ran(), 2);
        assert!(reports[0].line.ends_with("finished in 0.10s"));
        assert!(rest.contains("test b ... ok") && !rest.contains("test result"));
    }

    #[test]
    fn several_runs_are_told_apart() {
        let empty =
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\n";
        let (reports, _) = split(&format!("{GOOD}{empty}"));
        assert_eq!(reports.iter().map(Report::ran).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn a_failed_run_says_how_many() {
        let text = GOOD.replace("ok. 2 passed; 0 failed", "FAILED. 1 passed; 1 failed");
        assert_eq!(split(&text).0[0].problem(), Some("1 tests failed".into()));
    }

    #[test]
    fn fewer_than_announced_is_a_failure() {
        let text = GOOD.replace("running 3", "running 5");
        let problem = split(&text).0[0].problem();
        assert_eq!(problem, Some("5 tests were announced, 3 reported".into()));
    }

    #[test]
    fn a_run_that_broke_off_has_no_report() {
        let (before, _) = GOOD.split_once("test result").unwrap();
        assert!(split(before).0.is_empty());
        assert!(split("test result: ok. 2 passed; 0 failed; 1 ignored").0.is_empty());
    }
}
