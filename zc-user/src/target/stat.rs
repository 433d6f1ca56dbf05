//! What `/proc/PID/stat` says of a process.

use std::{fs, io};

/// A thread of the kernel (`PF_KTHREAD`, linux/sched.h; the same in every kernel that zc runs on).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Some of a process's status (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Its name: any bytes, 15 at most unless it is a thread of the kernel.
    pub(super) comm: Vec<u8>,
    /// Its parent's id; 0 where that is in another PID namespace, or there is none.
    pub(super) parent: u32,
    /// Whether it is a thread of the kernel.
    pub(super) kernel: bool,
}

impl Stat {
    /// Reads a process's, or a thread's by its own id.
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a process's status"))
    }

    /// The name stands in parentheses and may hold some itself: it ends at the last one.
    fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let comm = text.get(open + 1..close)?.to_vec();
        let rest = std::str::from_utf8(&text[close + 1..]).ok()?;
        // From field 3 on: state, parent, group, session, terminal, its group, flags.
        let mut fields = rest.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let flags: u64 = fields.nth(4)?.parse().ok()?;
        Some(Self { comm, parent, kernel: flags & KERNEL_THREAD != 0 })
    }
}

/// Ids of all processes that `/proc` shows, in ascending order.
pub(super) fn all() -> io::Result<Vec<u32>> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_rest() {
        let text = b"7 (a) S 1 (\n\xff) R 4 5 6 0 -1 2129984 0 0\n";
        let comm = b"a) S 1 (\n\xff".to_vec();
        assert_eq!(Stat::parse(text), Some(Stat { comm, parent: 4, kernel: true }));
        let user = Stat::parse(b"8 (sh) S 7 8 8 0 -1 4194304 0").unwrap();
        assert_eq!((user.parent, user.kernel), (7, false));
    }

    #[test]
    fn what_is_no_status_is_none() {
        for text in [&b""[..], b"7", b"7 )(", b"7 (sh) S", b"7 (sh) S x 1 1 0 -1 0"] {
            assert_eq!(Stat::parse(text), None, "{text:?}");
        }
    }
}
