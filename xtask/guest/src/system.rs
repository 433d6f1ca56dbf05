//! What a program expects of a running system: mounts, a name, the loopback interface.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::MountFlags;
use rustix::process::{Resource, Rlimit};
use zc_guest::SCRATCH_DIR;

struct Mount {
    kind: &'static str,
    target: &'static str,
    options: Option<&'static std::ffi::CStr>,
    /// Whether a guest without it is of no use; the others depend on the kernel's configuration.
    needed: bool,
}

const fn mount(kind: &'static str, target: &'static str) -> Mount {
    Mount { kind, target, options: None, needed: false }
}

/// In this order: later ones lie inside earlier ones. `/tmp` and `/scratch` stay on the root's ext4,
/// since page-cache measurements on a tmpfs mean something else.
const MOUNTS: [Mount; 11] = [
    Mount { needed: true, ..mount("proc", "/proc") },
    Mount { needed: true, ..mount("sysfs", "/sys") },
    Mount { needed: true, ..mount("devtmpfs", "/dev") },
    Mount { options: Some(c"mode=620,ptmxmode=666"), ..mount("devpts", "/dev/pts") },
    Mount { options: Some(c"mode=1777"), ..mount("tmpfs", "/dev/shm") },
    Mount { options: Some(c"mode=755"), ..mount("tmpfs", "/run") },
    mount("securityfs", "/sys/kernel/security"),
    mount("debugfs", "/sys/kernel/debug"),
    mount("tracefs", "/sys/kernel/tracing"),
    mount("bpf", "/sys/fs/bpf"),
    mount("cgroup2", "/sys/fs/cgroup"),
];

/// Directories whose mode the unprivileged image builder could not know to be right.
const OPEN_DIRS: [&str; 2] = ["/tmp", SCRATCH_DIR];

/// Brings the system up.
pub(crate) fn prepare() -> Result<()> {
    for mount in &MOUNTS {
        if let Err(error) = mount_one(mount) {
            ensure!(!mount.needed, "{error:#}");
            eprintln!("zc-init: {error:#}");
        }
    }
    for dir in OPEN_DIRS {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o1777))
            .with_context(|| format!("cannot open {dir} to every user"))?;
    }
    rustix::system::sethostname(b"zc-guest").context("cannot set the host name")?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).context("cannot forbid core dumps")?;
    // The transfers that are measured go over loopback TCP.
    let status = Command::new("/bin/busybox")
        .args(["ip", "link", "set", "lo", "up"])
        .status()
        .context("cannot run /bin/busybox")?;
    ensure!(status.success(), "cannot bring the loopback interface up: ip: {status}");
    Ok(())
}

fn mount_one(mount: &Mount) -> Result<()> {
    let Mount { kind, target, options, .. } = *mount;
    // Directories below /dev and /sys exist only once their parent is mounted, or never.
    if target.starts_with("/dev/") {
        fs::create_dir_all(target).with_context(|| format!("cannot create {target}"))?;
    }
    rustix::mount::mount(kind, target, kind, MountFlags::empty(), options)
        .with_context(|| format!("cannot mount {kind} on {target}"))
}
