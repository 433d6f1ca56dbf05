//! Reads what `strace -f -yy -s 0 -o FILE` wrote: what each process moved, by another's account.

use std::collections::BTreeMap;

use super::account::{Calls, Ends, Flows, MEMORY, Tally, Way, way};

/// Files that the kernel answers for itself, by functions that are none of zc's sites.
const NO_SITE: [&str; 2] = ["/proc/sys/", "/dev/urandom"];

/// What strace saw of each task (a process or a thread, by its number).
#[derive(Debug, Default)]
pub(crate) struct Account {
    tasks: BTreeMap<u32, BTreeMap<Ends, Tally>>,
    /// Bytes read from [`NO_SITE`].
    pub(crate) without_a_site: u64,
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
        calls(self.tasks.values().flatten())
    }

    /// Of each task, in the order of their numbers.
    pub(crate) fn by_task(&self) -> Vec<Calls> {
        self.tasks.values().map(calls).collect()
    }

    /// What moved between which kinds of file.
    pub(crate) fn flows(&self) -> Flows {
        let mut flows = Flows::new();
        for (ends, tally) in self.tasks.values().flatten().filter(|(_, tally)| tally.bytes > 0) {
            *flows.entry(ends.clone()).or_default() += tally.bytes;
        }
        flows
    }

    /// `unfinished` has the call that each task is in, up to where the line broke off.
    fn add<'a>(
        &mut self,
        line: &'a str,
        unfinished: &mut BTreeMap<u32, &'a str>,
    ) -> Result<(), &'static str> {
        let (task, event) = line.split_once(' ').ok_or("no task")?;
        let task = task.parse().map_err(|_| "the task is no number")?;
        let event = event.trim();
        // The end of a task or of strace in the middle of a call, which then returns unseen.
        if event.starts_with("+++") || event.ends_with("<detached ...>") {
            return Ok(());
        }
        if let Some(begun) = event.strip_suffix("<unfinished ...>") {
            let other = unfinished.insert(task, begun);
            return if other.is_none() { Ok(()) } else { Err("another call is not finished") };
        }
        let call = match event.strip_prefix("<... ") {
            Some(rest) => {
                let (name, _) = rest.split_once(" resumed>").ok_or("no call is resumed")?;
                let begun = unfinished.remove(&task).ok_or("it did not begin")?;
                if !begun.starts_with(&format!("{name}(")) {
                    return Err("another call began");
                }
                begun
            }
            None => event,
        };
        // Strings are left out of the lines, so this is the last equals sign.
        let (_, result) = event.rsplit_once(" = ").ok_or("no result")?;
        self.count(task, call, result)
    }

    fn count(&mut self, task: u32, call: &str, result: &str) -> Result<(), &'static str> {
        let value = result.split_whitespace().next().ok_or("an empty result")?;
        // `= ? ERESTARTSYS` is a call that a signal broke off and that begins anew; a mere `= ?`
        // one that the end of its task did.
        let failed = match value {
            "?" if result.contains("ERESTART") => true,
            "?" => return Ok(()),
            value => value.starts_with('-'),
        };
        let bytes = if failed { 0 } else { value.parse().map_err(|_| "no number of bytes")? };
        let (name, arguments) = call.split_once('(').ok_or("no call")?;
        let arguments: Vec<&str> = arguments.split(", ").collect();
        let file = |number: usize| {
            let argument = arguments.get(number).ok_or("too few arguments")?;
            let (_, file) = argument.split_once('<').ok_or("no file")?;
            kind(file).ok_or("an unknown kind of file").map(str::to_owned)
        };
        let memory = || MEMORY.to_owned();
        let (source, sink) = match way(name).ok_or("no call that moves bytes")? {
            Way::In => (file(0)?, memory()),
            Way::Out => (memory(), file(0)?),
            Way::Between(source, sink) => (file(source)?, file(sink)?),
        };
        let tally = Tally { calls: 1, failed: u64::from(failed), bytes };
        let ends = (name.to_owned(), source, sink);
        *self.tasks.entry(task).or_default().entry(ends).or_default() += tally;
        let unseen = |place| arguments[0].contains(&format!("<{place}"));
        self.without_a_site += if NO_SITE.iter().any(unseen) { bytes } else { 0 };
        Ok(())
    }
}

fn calls<'a>(tallies: impl IntoIterator<Item = (&'a Ends, &'a Tally)>) -> Calls {
    let mut calls = Calls::new();
    for ((name, ..), tally) in tallies {
        *calls.entry(name.clone()).or_default() += *tally;
    }
    calls
}

/// What zc calls a file that strace describes like this: `/etc/passwd>`, `/dev/null<char 1:3>>`,
/// `TCP:[127.0.0.1:80->127.0.0.1:40000]>`.
fn kind(file: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 4] =
        [("TCP", "TCP"), ("UDP", "UDP"), ("UNIX", "unix socket"), ("pipe:", "pipe")];
    if file.starts_with('/') {
        return Some(match file.split_once('<') {
            Some((_, device)) if device.starts_with("char") => "character device",
            Some((_, device)) if device.starts_with("block") => "block device",
            _ => "regular file",
        });
    }
    KINDS.iter().find(|(prefix, _)| file.starts_with(prefix)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"151   read(3</lib/x.so>, ""..., 832) = 832
151   sendfile(3<TCP:[127.0.0.1:80->127.0.0.1:9]>, 10</f>, [0] => [2097152], 2097152) = 2097152
152   read(0<pipe:[536]>,  <unfinished ...>
151   sendfile(3<TCP:[1657]>, 10</f>, [2097152], 8) = -1 EAGAIN (Resource temporarily unavailable)
151   write(1<pipe:[536]>, ""..., 4 <unfinished ...>
152   <... read resumed>""..., 65536)   = 100
151   <... write resumed>)              = 4
152   read(0<pipe:[536]>, "", 65536) = 0
151   recvfrom(3<UNIX-STREAM:[1->2]>, 0x7fff967def90, 1024, 0, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
152   read(5</dev/urandom<char 1:9>>, ""..., 6) = 6
152   read(5</proc/sys/vm/overcommit_memory>, ""..., 32) = 2
152   +++ exited with 0 +++
151   copy_file_range(3</f>, NULL, 4</g>, NULL, 9223372035781033984, 0) = 8
"#;

    #[test]
    fn calls_are_summed_by_task_and_over_all() {
        let account = Account::read(LINES);
        let tally = |calls, failed, bytes| Tally { calls, failed, bytes };
        let by_task = account.by_task();
        assert_eq!(by_task[0]["sendfile"], tally(2, 1, 2_097_152));
        assert_eq!(by_task[0]["recvfrom"], tally(1, 1, 0));
        assert_eq!(by_task[1]["read"], tally(4, 0, 108));
        let total = account.total();
        assert_eq!(total["read"], tally(5, 0, 940));
        assert_eq!(total["write"], tally(1, 0, 4));
        assert_eq!(total.len(), 5);
        assert_eq!(account.without_a_site, 8);
    }

    #[test]
    fn the_kinds_of_both_ends_are_told_apart() {
        let flows = Account::read(LINES).flows();
        let flow = |call: &str, source: &str, sink: &str| {
            flows[&(call.to_owned(), source.to_owned(), sink.to_owned())]
        };
        assert_eq!(flow("read", "regular file", "memory"), 834);
        assert_eq!(flow("read", "pipe", "memory"), 100);
        assert_eq!(flow("read", "character device", "memory"), 6);
        assert_eq!(flow("write", "memory", "pipe"), 4);
        assert_eq!(flow("sendfile", "regular file", "TCP"), 2_097_152);
        assert_eq!(flow("copy_file_range", "regular file", "regular file"), 8);
        assert_eq!(flows.len(), 6, "{flows:?}");
    }

    #[test]
    fn a_call_that_never_returned_counts_nowhere() {
        for end in [" <unfinished ...>", " <unfinished ...>) = ?", ") = ?", " <detached ...>"] {
            let lines = format!("7 write(1</g>, \"\"..., 4{end}\n7 +++ exited with 0 +++\n");
            assert_eq!(Account::read(&lines).total(), Calls::new(), "{end}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_fails() {
        for bad in [
            "no task",
            "151 nonsense",
            "151 read(3</f>, \"\"..., 832)",
            "151 read(3</f>, \"\"..., 832) = many",
            "151 read(3, \"\"..., 832) = 832",
            "151 read(3<mystery>, \"\"..., 832) = 832",
            "151 mmap(3</f>) = 832",
            "151 <... read resumed>\"\"..., 832) = 832",
            "151 read(0</f>,  <unfinished ...>\n151 <... write resumed>) = 1",
            "151 read(0</f>,  <unfinished ...>\n151 write(0</f>,  <unfinished ...>",
        ] {
            let read = std::panic::catch_unwind(|| Account::read(bad));
            assert!(read.is_err(), "{bad}");
        }
    }
}
