//! Processes that are not named by their ids: children, and those of a name.
//!
//! What `/proc` shows is out of date at once. zc watches what was found and then looks again, until
//! nothing new is found; what a watched process starts from then on the kernel half follows itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
};

use thiserror::Error;

use super::stat::{Stat, all};
use crate::report::text::harmless;

/// How much of a name the kernel keeps, in bytes (`TASK_COMM_LEN`, linux/sched.h, less the final 0).
pub const NAME_BYTES: usize = 15;

/// Why processes of a name cannot be looked for.
#[derive(Debug, Error)]
pub enum NameError {
    /// No process can have it.
    #[error("no process is called {name}: the kernel keeps 15 bytes of a name; give {kept}")]
    TooLong {
        /// As asked for, harmless to print.
        name: String,
        /// What the kernel keeps of it.
        kept: String,
    },
    /// `/proc` cannot be read.
    #[error("cannot look for processes in /proc")]
    Proc(#[from] io::Error),
}

/// Ids of all processes that are called `name`, exactly, but for threads of the kernel and zc
/// itself. A process has the name of its first thread; a program is called like its file until it
/// renames itself.
///
/// # Errors
/// When the kernel keeps no such name, or `/proc` cannot be read.
pub fn by_comm(name: &OsStr) -> Result<Vec<u32>, NameError> {
    let bytes = name.as_bytes();
    if bytes.len() > NAME_BYTES {
        let said = |bytes: &[u8]| harmless(&String::from_utf8_lossy(bytes));
        return Err(NameError::TooLong { name: said(bytes), kept: said(&bytes[..NAME_BYTES]) });
    }
    let own = std::process::id();
    let called = |pid: &u32| {
        *pid != own
            // The file ends with a newline, which may also be in the name.
            && fs::read(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.strip_suffix(b"\n") == Some(bytes))
            && Stat::read(*pid).is_ok_and(|stat| !stat.kernel)
    };
    Ok(all()?.into_iter().filter(called).collect())
}

/// Ids of the children of these processes, their children and so on, in ascending order, without
/// the processes themselves; zc itself, and what it started, is no part of it.
///
/// A child whose parent has ended belongs to another by now and is not found.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn descendants(of: &[u32]) -> io::Result<Vec<u32>> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    for pid in all()? {
        // One that has ended since has no children any more.
        if let Ok(stat) = Stat::read(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    Ok(below(&children, of, std::process::id()))
}

fn below(children: &BTreeMap<u32, Vec<u32>>, of: &[u32], own: u32) -> Vec<u32> {
    let mut found = BTreeSet::new();
    let mut parents = of.to_vec();
    while let Some(parent) = parents.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if child != own && !of.contains(&child) && found.insert(child) {
                parents.push(child);
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell with a child, both until stdin ends.
    fn family() -> Child {
        // What a shell starts in the background has no stdin but for one that it is given.
        let script = "exec 3<&0; cat <&3 & echo started; wait";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        shell.spawn().unwrap()
    }

    #[test]
    fn children_of_children_are_found() {
        let children = BTreeMap::from([(1, vec![2, 3]), (3, vec![4, 9]), (9, vec![10])]);
        assert_eq!(below(&children, &[1], 9), [2, 3, 4], "not zc itself and its child");
        assert_eq!(below(&children, &[1, 3], 0), [2, 4, 9, 10]);
        // A wrapped id could make a circle of what was read at different times.
        assert_eq!(below(&BTreeMap::from([(1, vec![2]), (2, vec![1])]), &[1], 0), [2]);
    }

    #[test]
    fn a_shells_child_is_found() {
        let mut shell = family();
        let mut line = [0; 8];
        io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let found = descendants(&[shell.id()]).unwrap();
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_name_is_matched_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let name = "zc a)\n\u{1b}b";
        let program = folder.path().join(name);
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let mut child = Command::new(&program).arg("60").spawn().unwrap();
        // `spawn` may come back a moment before the kernel renames the process.
        let mut found = Vec::new();
        for _ in 0..1000 {
            found = by_comm(name.as_ref()).unwrap();
            if !found.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let other = by_comm("zc a)".as_ref()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [child.id()]);
        assert!(other.is_empty());
    }

    #[test]
    fn threads_of_the_kernel_are_not_programs() {
        assert!(by_comm("kthreadd".as_ref()).unwrap().is_empty());
    }

    #[test]
    fn a_name_that_the_kernel_cuts_is_refused() {
        let said = by_comm("a-very-long-name\x1b".as_ref()).unwrap_err().to_string();
        let kept = "the kernel keeps 15 bytes of a name; give a-very-long-nam";
        assert_eq!(said, format!("no process is called a-very-long-name\\u{{1b}}: {kept}"));
        assert!(by_comm("a-very-long-nam".as_ref()).unwrap().is_empty());
    }
}
