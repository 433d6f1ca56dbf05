//! Reads what `strace -f -o FILE` wrote: what every process moved, by its own account.

use std::collections::{BTreeMap, btree_map::Entry};

use super::account::Calls;

/// What strace saw of each task (a process or a thread, by its number).
#[derive(Debug, Default)]
pub(crate) struct Account {
    tasks: BTreeMap<u32, Calls>,
}

impl Account {
    /// Reads the lines. One that it does not understand fails the test.
    pub(crate) fn read(text: &str) -> Self {
        let mut account = Self::default();
        let mut unfinished = BTreeMap::new();
        for line in text.lines() {
            if let Err(why) = account.add(line, &mut unfinished) {
                panic!("{why}: {line}");
            }
        }
        account
    }

    /// Of all tasks together.
    pub(crate) fn total(&self) -> Calls {
        let mut total = Calls::new();
        for (name, tally) in self.tasks.values().flatten() {
            let sum = total.entry(name.clone()).or_default();
            sum.calls += tally.calls;
            sum.failed += tally.failed;
            sum.bytes += tally.bytes;
        }
        total
    }

    /// How many tasks it saw a call of.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// `unfinished` has the call that each task is in.
    fn add(&mut self, line: &str, unfinished: &mut BTreeMap<u32, String>) -> Result<(), String> {
        let (task, event) = line.split_once(' ').ok_or("no task")?;
        let task = task.parse().map_err(|_| "the task is no number")?;
        let event = event.trim();
        if event.starts_with("+++") || event.starts_with("---") {
            return Ok(());
        }
        // The end of strace in the middle of a call, which then returns unseen.
        if event.ends_with("<detached ...>") {
            return Ok(());
        }
        let name = match event.strip_prefix("<... ") {
            Some(rest) => {
                let (name, _) = rest.split_once(" resumed>").ok_or("no call is resumed")?;
                let begun = unfinished.remove(&task).ok_or("it did not begin")?;
                if begun != name {
                    return Err(format!("{begun} began"));
                }
                name
            }
            None => event.split_once('(').ok_or("no call")?.0,
        };
        if event.ends_with("<unfinished ...>") {
            return match unfinished.entry(task) {
                Entry::Vacant(entry) => {
                    entry.insert(name.to_owned());
                    Ok(())
                }
                Entry::Occupied(other) => Err(format!("{} is not finished", other.get())),
            };
        }
        // Strings are left out of the lines (`-s 0`), so this is the last equals sign.
        let (_, result) = event.rsplit_once(" = ").ok_or("no result")?;
        self.count(task, name, result)
    }

    fn count(&mut self, task: u32, name: &str, result: &str) -> Result<(), String> {
        let value = result.split_whitespace().next().ok_or("an empty result")?;
        // `= ? ERESTARTSYS` is a call that a signal broke off and that begins anew; a mere `= ?`
        // one that the end of its task did.
        let failed = match value {
            "?" if result.contains("ERESTART") => true,
            "?" => return Ok(()),
            value => value.parse::<i64>().map_err(|_| "the result is no number")? < 0,
        };
        let bytes = if failed { 0 } else { value.parse().map_err(|_| "no number of bytes")? };
        let tally = self.tasks.entry(task).or_default().entry(name.to_owned()).or_default();
        tally.calls += 1;
        tally.failed += u64::from(failed);
        tally.bytes += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::account::Tally;

    const LINES: &str = r#"151   read(3, ""..., 832)               = 832
151   sendfile(3, 10, [0] => [2097152], 2097152) = 2097152
152   read(0,  <unfinished ...>
151   sendfile(3, 10, [2097152], 8) = -1 EAGAIN (Resource temporarily unavailable)
151   write(1, ""..., 4 <unfinished ...>
152   <... read resumed>""..., 65536)   = 100
151   <... write resumed>)              = 4
151   --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=152, si_status=0} ---
152   read(0, "", 65536)                = 0
151   recvfrom(3, 0x7fff967def90, 1024, 0, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
152   +++ exited with 0 +++
153   read(0,  <unfinished ...>) = ?
151   read(9, <detached ...>
"#;

    #[test]
    fn calls_are_summed_by_task_and_over_all() {
        let account = Account::read(LINES);
        let tally = |calls, failed, bytes| Tally { calls, failed, bytes };
        assert_eq!(account.tasks[&152]["read"], tally(2, 0, 100));
        assert_eq!(account.tasks[&151]["sendfile"], tally(2, 1, 2_097_152));
        assert_eq!(account.tasks[&151]["recvfrom"], tally(1, 1, 0));
        let total = account.total();
        assert_eq!(total["read"], tally(3, 0, 932));
        assert_eq!(total["write"], tally(1, 0, 4));
        assert_eq!(total.len(), 4);
    }

    #[test]
    fn a_call_that_never_returned_counts_nowhere() {
        for end in [" <unfinished ...>", " <unfinished ...>) = ?", ") = ?", " <detached ...>"] {
            let account =
                Account::read(&format!("7 write(1, \"\"..., 4{end}\n7 +++ exited with 0 +++\n"));
            assert_eq!(account.total(), Calls::new(), "{end}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_fails() {
        for bad in [
            "--- no task",
            "151 nonsense",
            "151 read(3, \"\"..., 832)",
            "151 read(3, \"\"..., 832) = many",
            "151 <... read resumed>\"\"..., 832) = 832",
            "151 read(0,  <unfinished ...>\n151 <... write resumed>) = 1",
            "151 read(0,  <unfinished ...>\n151 write(0,  <unfinished ...>",
        ] {
            let read = std::panic::catch_unwind(|| Account::read(bad));
            assert!(read.is_err(), "{bad}");
        }
    }
}
