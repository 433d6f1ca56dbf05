//! How a guest run ended, judged from its console: pure functions of text.

use std::fmt;
use std::time::Duration;

use zc_guest::Verdict;

/// How QEMU ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself.
    Exited,
    /// We ended it after this long.
    DeadlinePassed(Duration),
}

/// Why a run counts as failed, whatever its command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The kernel reported trouble; its line.
    Kernel(String),
    /// It took longer than allowed.
    Deadline(Duration),
    /// The machine ended without a verdict.
    NoVerdict,
    /// The guest could not do its work; why.
    Guest(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(line) => write!(formatter, "the guest's kernel reported trouble: {line}"),
            Self::Deadline(after) => write!(
                formatter,
                "the guest did not end within {} s (--timeout allows more)",
                after.as_secs()
            ),
            Self::NoVerdict => formatter.write_str("the guest ended without a verdict"),
            Self::Guest(why) => write!(formatter, "the guest failed: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What the kernel prints when it can no longer be trusted.
const TROUBLE: [&str; 8] = [
    "Kernel panic - not syncing",
    "BUG: ",
    "Oops: ",
    "general protection fault, ",
    "soft lockup",
    "blocked for more than",
    "detected stalls on CPUs",
    "Internal error: ",
];

/// The exit status of the guest's command.
pub(crate) fn judge(console: &str, ending: Ending) -> Result<i32, Failure> {
    if let Some(line) = console.lines().find_map(kernel_trouble) {
        return Err(Failure::Kernel(line.to_owned()));
    }
    if let Ending::DeadlinePassed(after) = ending {
        return Err(Failure::Deadline(after));
    }
    let mut verdicts = console.lines().filter_map(Verdict::parse);
    match verdicts.next_back() {
        None => Err(Failure::NoVerdict),
        Some(Verdict::Failed(why)) => Err(Failure::Guest(why)),
        Some(verdict) => verdict.status().ok_or(Failure::NoVerdict),
    }
}

/// The message of a kernel line `[  time] message` that reports trouble.
fn kernel_trouble(line: &str) -> Option<&str> {
    let (time, message) = line.trim_end().strip_prefix('[')?.split_once(']')?;
    time.trim().parse::<f64>().ok()?;
    TROUBLE.iter().any(|sign| message.contains(sign)).then(|| message.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[    0.000000] Linux version 6.12\r\n\r\nzc-verdict: exit=3\r\n\
                        [    4.759043] reboot: Power down\r\n";

    #[test]
    fn the_commands_status_is_the_runs() {
        assert_eq!(judge(GOOD, Ending::Exited), Ok(3));
        assert_eq!(judge("zc-verdict: signal=9\n", Ending::Exited), Ok(137));
    }

    #[test]
    fn silence_is_a_failure() {
        assert_eq!(judge("", Ending::Exited), Err(Failure::NoVerdict));
        assert_eq!(judge("zc-verdict: exit=\n", Ending::Exited), Err(Failure::NoVerdict));
    }

    #[test]
    fn a_passed_deadline_is_a_failure_even_with_a_verdict() {
        let ending = Ending::DeadlinePassed(Duration::from_secs(5));
        let failure = judge(GOOD, ending).unwrap_err();
        assert!(failure.to_string().contains("within 5 s"), "{failure}");
    }

    #[test]
    fn a_guest_says_why_it_failed() {
        let failure = judge("zc-verdict: failed=no disk\n", Ending::Exited).unwrap_err();
        assert_eq!(failure, Failure::Guest("no disk".into()));
    }

    #[test]
    fn kernel_trouble_is_a_failure_even_with_a_verdict() {
        for trouble in [
            "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "Oops: 0002 [#1] PREEMPT SMP",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [cat:1]",
            "INFO: task jbd2:12 blocked for more than 120 seconds.",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP",
        ] {
            let console = format!("[    1.5] {trouble}\r\n{GOOD}");
            assert_eq!(judge(&console, Ending::Exited), Err(Failure::Kernel(trouble.into())));
        }
    }

    #[test]
    fn a_crash_of_a_program_is_not_the_kernels() {
        for harmless in [
            "[    1.5] traps: zc[12] general protection fault ip:1 sp:2 error:0",
            "[    1.5] zc[12]: segfault at 0 ip 1 sp 2 error 4",
            "not the kernel: BUG: x",
        ] {
            assert_eq!(judge(&format!("{harmless}\n{GOOD}"), Ending::Exited), Ok(3), "{harmless}");
        }
    }
}
