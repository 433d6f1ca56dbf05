//! Programs from the distribution's packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::Part;
use crate::process::{self, find_program};
use crate::progress::{self, Step};

/// A package in each family of distributions; only Debian's are installed by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) debian: String,
    pub(crate) fedora: String,
    pub(crate) arch: String,
    pub(crate) suse: String,
}

impl Package {
    pub(crate) fn new(debian: &str, fedora: &str, arch: &str, suse: &str) -> Self {
        Self {
            debian: debian.to_owned(),
            fedora: fedora.to_owned(),
            arch: arch.to_owned(),
            suse: suse.to_owned(),
        }
    }
}

/// One thing that a part needs: how to see that it is there, and the package that brings it.
struct Need {
    part: Part,
    is_there: fn() -> bool,
    /// As in [`Package`].
    names: [&'static str; 4],
}

const NEEDS: [Need; 8] = [
    Need {
        part: Part::Linking,
        is_there: || find_program("cc").is_some(),
        names: ["gcc", "gcc", "gcc", "gcc"],
    },
    Need {
        part: Part::Linking,
        is_there: || compiler_finds("libc.a"),
        names: ["libc6-dev", "glibc-static", "glibc", "glibc-devel-static"],
    },
    Need {
        part: Part::Guests,
        is_there: || find_program("qemu-system-x86_64").is_some(),
        names: ["qemu-system-x86", "qemu-system-x86-core", "qemu-system-x86", "qemu-x86"],
    },
    Need {
        part: Part::Guests,
        is_there: || find_program("mke2fs").is_some(),
        names: ["e2fsprogs", "e2fsprogs", "e2fsprogs", "e2fsprogs"],
    },
    Need {
        part: Part::Guests,
        is_there: || find_program("mkfs.xfs").is_some(),
        names: ["xfsprogs", "xfsprogs", "xfsprogs", "xfsprogs"],
    },
    // Guest kernels are Debian's, whatever runs here.
    Need {
        part: Part::Guests,
        is_there: || find_program("apt-get").is_some(),
        names: ["apt", "apt", "apt", "apt"],
    },
    Need {
        part: Part::Guests,
        is_there: || find_program("dpkg-deb").is_some(),
        names: ["dpkg", "dpkg", "dpkg", "dpkg"],
    },
    Need {
        part: Part::Guests,
        is_there: || Path::new("/usr/share/keyrings/debian-archive-keyring.gpg").exists(),
        names: ["debian-archive-keyring", "debian-keyring", "debian-archive-keyring", "dpkg"],
    },
];

/// The packages that are missing for these parts.
pub(crate) fn missing(parts: &[Part]) -> Vec<Package> {
    NEEDS
        .iter()
        .filter(|need| parts.contains(&need.part) && !(need.is_there)())
        .map(|Need { names: [debian, fedora, arch, suse], .. }| {
            Package::new(debian, fedora, arch, suse)
        })
        .collect()
}

/// Installs packages with apt, or says how to install them.
pub(crate) fn install(packages: &[Package]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if find_program("apt-get").is_none() {
        bail!("{}", elsewhere(packages, &|program| find_program(program).is_some()));
    }
    let names: Vec<&str> = packages.iter().map(|package| package.debian.as_str()).collect();
    let Some(prefix) = root_prefix() else {
        bail!("{}", by_hand(&names));
    };
    refresh_lists(prefix)?;
    progress::note(&format!("installing {} (apt-get)", names.join(", ")));
    let step = Step::new("installing packages");
    let mut command = as_root(prefix, "apt-get");
    command.args(["install", "--yes", "--no-install-recommends"]).args(&names);
    process::checked(&mut command, Some(&step)).map(drop)
}

/// Whether apt knows a package, after a look at its lists' sources if it does not.
pub(crate) fn apt_has(name: &str) -> Result<bool> {
    let known = || -> Result<bool> {
        let mut command = Command::new("apt-cache");
        let shown = process::capture(command.args(["show", "--quiet=0", name]), None)?;
        Ok(shown.status.success() && !shown.stdout.is_empty())
    };
    if known()? {
        return Ok(true);
    }
    if let Some(prefix) = root_prefix() {
        refresh_lists(prefix)?;
    }
    known()
}

/// How to become root without a question, as the words before the command.
fn root_prefix() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let mut sudo = Command::new("sudo");
    let allowed = process::capture(sudo.args(["-n", "true"]), None);
    allowed.is_ok_and(|finished| finished.status.success()).then_some(&["sudo", "-n"])
}

fn as_root(prefix: &[&str], program: &str) -> Command {
    let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive"]);
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words).arg(program);
    command
}

/// Once per run: lists may be absent, or name versions that are gone.
fn refresh_lists(prefix: &[&str]) -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let step = Step::new("reading the lists of packages (apt-get update)");
    let finished = process::capture(as_root(prefix, "apt-get").arg("update"), Some(&step))?;
    if !finished.status.success() {
        // One source of several may be gone; what matters shows when packages are installed.
        progress::note(&format!("apt-get update complained:\n{}", process::tail(&finished.stderr)));
    }
    Ok(())
}

/// Whether the C compiler finds this library: it prints the bare name if not.
fn compiler_finds(library: &str) -> bool {
    let mut command = Command::new("cc");
    let asked = process::checked(command.arg(format!("-print-file-name={library}")), None);
    asked.is_ok_and(|path| String::from_utf8_lossy(&path).trim().contains('/'))
}

fn by_hand(names: &[&str]) -> String {
    format!(
        "missing: {}. Installing them needs root; run\n\
         \x20 sudo apt-get update\n\
         \x20 sudo apt-get install --no-install-recommends {}\n\
         and then `cargo xtask setup` again, which does the rest",
        names.join(", "),
        names.join(" ")
    )
}

/// The same for a distribution that is not Debian-like.
fn elsewhere(packages: &[Package], has: &dyn Fn(&str) -> bool) -> String {
    type Name = fn(&Package) -> &str;
    let families: [(&str, &str, Name); 3] = [
        ("dnf", "sudo dnf install", |package| &package.fedora),
        ("pacman", "sudo pacman -S --needed", |package| &package.arch),
        ("zypper", "sudo zypper install", |package| &package.suse),
    ];
    let Some((_, install, name)) = families.into_iter().find(|(program, ..)| has(program)) else {
        let names: Vec<&str> = packages.iter().map(|package| package.debian.as_str()).collect();
        return format!(
            "missing, under their Debian names: {}. Install them with your distribution's package \
             manager, then run `cargo xtask setup` again",
            names.join(", ")
        );
    };
    let mut names: Vec<&str> = packages.iter().map(name).collect();
    names.dedup();
    format!(
        "missing: {names}. Set-up installs packages on Debian-like systems only; here, run\n\
         \x20 {install} {names}\n\
         and then `cargo xtask setup` again",
        names = names.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> [Package; 2] {
        [Package::new("gcc", "gcc", "gcc", "gcc"), Package::new("d", "f", "a", "s")]
    }

    #[test]
    fn without_root_the_exact_commands_are_said() {
        let text = by_hand(&["gcc", "qemu-system-x86"]);
        assert!(
            text.contains("\n  sudo apt-get install --no-install-recommends gcc qemu-system-x86\n")
        );
        assert!(text.contains("\n  sudo apt-get update\n"), "{text}");
    }

    #[test]
    fn other_distributions_get_their_own_names() {
        for (program, expected) in [
            ("dnf", "\n  sudo dnf install gcc f\n"),
            ("pacman", "\n  sudo pacman -S --needed gcc a\n"),
            ("zypper", "\n  sudo zypper install gcc s\n"),
            ("none", "gcc, d"),
        ] {
            let text = elsewhere(&packages(), &|name| name == program);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn nothing_to_install_needs_nothing() {
        install(&[]).unwrap();
    }
}
