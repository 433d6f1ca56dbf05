//! How deep a control group lies.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use anyhow::{Context, Result, bail};

/// `PROC_CGROUP_INIT_INO`, include/linux/proc_ns.h.
const INITIAL_NAMESPACE: u64 = 0xeffffffb;

/// Levels from the root down to the control group whose folder `path` is. The kernel half asks which
/// ancestor a process's control group has on that level.
///
/// # Errors
/// In a cgroup namespace of its own zc does not see the root (cgroup_namespaces(7)).
pub(super) fn level(path: &Path) -> Result<u32> {
    if fs::metadata("/proc/self/ns/cgroup").is_ok_and(|own| own.ino() != INITIAL_NAMESPACE) {
        bail!("zc is in a cgroup namespace of its own: run it outside, or trace by --pid");
    }
    let path = fs::canonicalize(path).context("cannot follow the control group's path")?;
    let device = fs::metadata(&path)?.dev();
    // The root is the last folder of the file system on the way up.
    let above = path.ancestors().skip(1);
    let levels = above.take_while(|folder| fs::metadata(folder).is_ok_and(|f| f.dev() == device));
    Ok(u32::try_from(levels.count())?)
}
