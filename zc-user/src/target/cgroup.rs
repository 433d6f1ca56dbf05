//! A control group, by its folder (cgroups(7)).

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{fs::statfs, io::Errno};
use thiserror::Error;

use crate::report::text::harmless;

/// Where version 2 is mounted but for machines that use version 1 too.
const MOUNT: &str = "/sys/fs/cgroup";

/// Why a path is no control group that can be watched. Paths in it are harmless to print.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// It cannot be looked at.
    #[error("no control group {path}: {}", .why.desc())]
    Missing {
        /// The folder.
        path: String,
        /// The kernel's answer.
        why: nix::errno::Errno,
    },
    /// It is something else.
    #[error("{0} is no control group of version 2: give a folder below {MOUNT}")]
    Other(String),
    /// Its processes cannot be listed.
    #[error("cannot list the processes of control group {path}: {}", .why.desc())]
    Processes {
        /// The folder.
        path: String,
        /// The kernel's answer; `EOPNOTSUPP` of a threaded one, which has threads only.
        why: nix::errno::Errno,
    },
}

/// A control group of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its folder.
    pub path: PathBuf,
    /// What the kernel calls it: the folder's inode number, which is also what
    /// `bpf_get_current_cgroup_id` gives.
    pub id: u64,
}

/// The control group whose folder this is: absolute, or below where version 2 is mounted.
///
/// # Errors
/// When there is no such folder, or it is no control group of version 2.
pub fn in_cgroup(path: &Path) -> Result<Cgroup, CgroupError> {
    let path = if path.is_absolute() { path.to_owned() } else { mount().join(path) };
    let metadata = fs::metadata(&path).map_err(|error| missing(&path, &error))?;
    let system = statfs(&path).map_err(|errno| missing(&path, &errno.into()))?;
    // Its files are on the same file system as its folder.
    if system.f_type != libc::CGROUP2_SUPER_MAGIC || !metadata.is_dir() {
        return Err(CgroupError::Other(shown(&path)));
    }
    Ok(Cgroup { path, id: metadata.ino() })
}

impl Cgroup {
    /// Ids of the processes in it and in all groups below it, in ascending order; without those
    /// that have no id in zc's PID namespace.
    ///
    /// # Errors
    /// [`CgroupError::Processes`]. Groups below it that are gone or threaded are no error: the
    /// processes of a threaded one are listed above it.
    pub fn processes(&self) -> Result<Vec<u32>, CgroupError> {
        let mut pids = own_processes(&self.path).map_err(|error| CgroupError::Processes {
            path: shown(&self.path),
            why: errno(&error),
        })?;
        let mut folders = below(&self.path);
        while let Some(folder) = folders.pop() {
            pids.extend(own_processes(&folder).unwrap_or_default());
            folders.extend(below(&folder));
        }
        pids.sort_unstable();
        // One that moved meanwhile is in two.
        pids.dedup();
        Ok(pids)
    }
}

/// The processes of one group. The kernel writes 0 for one of another PID namespace.
fn own_processes(folder: &Path) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(folder.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect())
}

/// The groups just below one; none where it is gone.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Where version 2 is mounted.
fn mount() -> PathBuf {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = mounts.split(|byte| *byte == b'\n');
    lines.filter_map(mounted_at).next().unwrap_or_else(|| MOUNT.into())
}

/// The folder of a line of mountinfo, if it is a mount of version 2 (proc_pid_mountinfo(5)). A path
/// with a space in it, which is escaped there, is not understood.
fn mounted_at(line: &[u8]) -> Option<PathBuf> {
    let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let end = fields.iter().position(|field| *field == b"-")?;
    let folder = fields.get(4)?;
    (fields.get(end + 1) == Some(&&b"cgroup2"[..]) && !folder.contains(&b'\\'))
        .then(|| std::ffi::OsStr::from_bytes(folder).into())
}

fn missing(path: &Path, error: &io::Error) -> CgroupError {
    CgroupError::Missing { path: shown(path), why: errno(error) }
}

fn errno(error: &io::Error) -> nix::errno::Errno {
    let number = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
    nix::errno::Errno::from_raw(number)
}

fn shown(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_mount_of_version_2_is_found() {
        let line = b"33 24 0:28 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(mounted_at(line), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mounted_at(b"33 24 0:28 / /sys/fs/cgroup rw - tmpfs cgroup2 rw"), None);
        assert_eq!(mounted_at(b"33 24 0:28 / /a\\040b rw - cgroup2 cgroup2 rw"), None);
        assert_eq!(mounted_at(b""), None);
    }

    #[test]
    fn what_is_no_control_group_is_said() {
        let say = |path: &str| in_cgroup(Path::new(path)).unwrap_err().to_string();
        assert_eq!(
            say("/tmp"),
            "/tmp is no control group of version 2: give a folder below /sys/fs/cgroup"
        );
        let said = say("/no/such\x1b");
        assert_eq!(said, "no control group /no/such\\u{1b}: No such file or directory");
        assert!(say("no/such").starts_with("no control group /"), "{}", say("no/such"));
    }

    #[test]
    fn processes_of_groups_below_are_listed() {
        let root = mount();
        let parent = root.join(format!("zc-test-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&parent) {
            eprintln!("skipped: cannot make a control group: {error}");
            return;
        }
        let nested = parent.join("below");
        fs::create_dir(&nested).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let joined = fs::write(nested.join("cgroup.procs"), child.id().to_string());
        let group = in_cgroup(Path::new(parent.file_name().unwrap())).unwrap();
        let (listed, file) = (group.processes(), in_cgroup(&parent.join("cgroup.procs")));
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir(&nested).unwrap();
        fs::remove_dir(&parent).unwrap();
        joined.unwrap();
        assert_eq!(listed.unwrap(), [child.id()]);
        assert_eq!(group.path, parent);
        assert!(matches!(file, Err(CgroupError::Other(_))));
        assert!(matches!(group.processes(), Err(CgroupError::Processes { .. })), "it is gone");
    }
}
