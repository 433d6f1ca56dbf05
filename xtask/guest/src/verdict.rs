//! The one line by which a guest says how its command ended.

use std::fmt;

const PREFIX: &str = "zc-verdict: ";

/// How the command in the guest ended. A guest that does not say this has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It could not be run, or the guest itself failed; why.
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(formatter, "{PREFIX}exit={status}"),
            Self::Killed(signal) => write!(formatter, "{PREFIX}signal={signal}"),
            // The verdict is one line whatever the reason contains.
            Self::Failed(why) => write!(formatter, "{PREFIX}failed={}", why.replace('\n', " ")),
        }
    }
}

impl Verdict {
    /// Reads the verdict from one line of the console, if the line is one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (key, value) = line.trim_end().strip_prefix(PREFIX)?.split_once('=')?;
        match key {
            "exit" => value.parse().ok().map(Self::Exited),
            "signal" => value.parse().ok().map(Self::Killed),
            "failed" => Some(Self::Failed(value.to_owned())),
            _ => None,
        }
    }

    /// The exit status that stands for it, by the shell's convention for signals. `None` if the
    /// guest failed: no status of the command's own is known then.
    #[must_use]
    pub fn status(&self) -> Option<i32> {
        match self {
            Self::Exited(status) => Some(*status),
            Self::Killed(signal) => Some(128 + signal),
            Self::Failed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_survives_the_console() {
        for verdict in
            [Verdict::Exited(0), Verdict::Exited(64), Verdict::Killed(9), failed("no such file")]
        {
            // A serial console ends its lines with CR LF.
            let line = format!("{verdict}\r");
            assert_eq!(Verdict::parse(&line), Some(verdict));
        }
    }

    #[test]
    fn a_reason_of_several_lines_stays_one_line() {
        assert_eq!(failed("a\nb").to_string(), "zc-verdict: failed=a b");
    }

    #[test]
    fn other_lines_are_no_verdict() {
        for line in
            ["", "zc-verdict", "zc-verdict: exit=", "zc-verdict: exit=x", "say zc-verdict: exit=0"]
        {
            assert_eq!(Verdict::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_signal_has_the_shells_status() {
        assert_eq!(Verdict::Killed(9).status(), Some(137));
        assert_eq!(failed("x").status(), None);
    }

    fn failed(why: &str) -> Verdict {
        Verdict::Failed(why.to_owned())
    }
}
