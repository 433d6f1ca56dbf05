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

/// A test that found out, from the kernel it runs on, that it cannot run there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// The skips that the tests said on standard error, and the rest of it.
pub(crate) fn skips(stderr: &str) -> (Vec<Skip>, String) {
    let mut skips = Vec::new();
    let mut rest = String::new();
    for line in stderr.lines() {
        let said = line.strip_prefix(zc_guest::SKIP).and_then(|said| said.split_once(": "));
        if let Some((test, reason)) = said {
            skips.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
        } else {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    (skips, rest)
}

/// The output with skipped tests as ignored ones. The runner cannot be told at run time that a test
/// is to be ignored, and takes it for one that passed.
pub(crate) fn mark_skipped(output: &str, skips: &[Skip]) -> String {
    let mut marked = 0;
    let mut text = String::new();
    for line in output.lines() {
        let test = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok"));
        let skip = test.and_then(|test| skips.iter().find(|skip| skip.test == test));
        if let Some(Skip { test, reason }) = skip {
            marked += 1;
            text.push_str(&format!("test {test} ... ignored, {reason}\n"));
            continue;
        }
        let line = match result(line) {
            Some([passed, _, ignored]) => line
                .replace(&format!(" {passed} passed"), &format!(" {} passed", passed - marked))
                .replace(&format!(" {ignored} ignored"), &format!(" {} ignored", ignored + marked)),
            None => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
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
    fn a_test_that_skipped_itself_is_ignored_and_not_passed() {
        let (skips, rest) = skips("one\nSKIP b: no function x in /proc/kallsyms\ntwo\n");
        let reason = "no function x in /proc/kallsyms".to_owned();
        assert_eq!(skips, [Skip { test: "b".into(), reason }]);
        assert_eq!(rest, "one\ntwo\n");
        let marked = mark_skipped(GOOD, &skips);
        assert!(marked.contains("test a ... ok\ntest b ... ignored, no function x in"), "{marked}");
        let (reports, _) = split(&marked);
        assert_eq!((reports[0].ran(), reports[0].problem()), (1, None));
        assert!(reports[0].line.starts_with("test result: ok. 1 passed; 0 failed; 2 ignored;"));
    }

    #[test]
    fn a_test_that_failed_stays_failed_whatever_it_said() {
        let text = GOOD.replace("test b ... ok", "test b ... FAILED");
        let text = text.replace("ok. 2 passed; 0 failed", "FAILED. 1 passed; 1 failed");
        let skip = Skip { test: "b".into(), reason: "x".into() };
        assert_eq!(mark_skipped(&text, &[skip]), text);
    }

    #[test]
    fn a_run_that_broke_off_has_no_report() {
        let (before, _) = GOOD.split_once("test result").unwrap();
        assert!(split(before).0.is_empty());
        assert!(split("test result: ok. 2 passed; 0 failed; 1 ignored").0.is_empty());
    }
}
