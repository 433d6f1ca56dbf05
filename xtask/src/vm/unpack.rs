//! Debian packages into what a guest needs of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

use super::apt::{Apt, Suite};
use crate::cache::{self, Cache};
use crate::process;
use crate::progress::Step;

/// Every guest has the same busybox, whatever its kernel.
static BUSYBOX_SUITE: Suite = Suite { name: "trixie", backports: false, archived: false };

const BUSYBOX_PACKAGE: &str = "busybox-static";

/// Where an unpacked kernel's image lies.
pub(crate) fn image_path(dir: &Path) -> PathBuf {
    dir.join("vmlinuz")
}

/// Where an unpacked kernel's modules lie.
pub(crate) fn modules_path(dir: &Path, release: &str) -> PathBuf {
    dir.join("lib/modules").join(release)
}

/// The release of the one kernel that was unpacked to a directory.
pub(crate) fn release_in(dir: &Path) -> Result<String> {
    let modules = dir.join("lib/modules");
    let context = || format!("cannot list {}", modules.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&modules).with_context(context)? {
        names.push(entry.with_context(context)?.file_name());
    }
    match <[OsString; 1]>::try_from(names) {
        Ok([only]) => only.into_string().map_err(|name| anyhow!("the release {name:?} is no text")),
        Err(names) => bail!("{} holds {} releases, expected one", modules.display(), names.len()),
    }
}

/// Turns a directory of kernel packages into a kernel with its modules and their index.
pub(crate) fn kernel(cache: &Cache, dir: &Path) -> Result<()> {
    let step = Step::new("unpacking the kernel");
    let tree = dir.join("tree");
    unpack_all(dir, &tree)?;
    let lib = dir.join("lib");
    fs::create_dir_all(&lib).with_context(|| format!("cannot create {}", lib.display()))?;
    // Merged into /usr since trixie.
    let modules = [tree.join("usr/lib/modules"), tree.join("lib/modules")];
    let modules = modules.iter().find(|place| place.is_dir());
    let modules = modules.context("the kernel's packages contain no modules")?;
    rename(modules, &lib.join("modules"))?;
    // Since Linux 6.18 it lies among the modules.
    let release = release_in(dir)?;
    let images = [
        tree.join("boot").join(format!("vmlinuz-{release}")),
        modules_path(dir, &release).join("vmlinuz"),
    ];
    let image = images.iter().find(|place| place.is_file());
    rename(image.context("the kernel's packages contain no vmlinuz")?, &image_path(dir))?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    drop(step);
    let busybox = busybox(cache)?;
    let step = Step::new("indexing the kernel's modules");
    let mut depmod = Command::new(busybox);
    depmod.args(["depmod", "-b"]).arg(dir).arg(release);
    process::checked(&mut depmod, Some(&step)).map(drop)
}

/// A static busybox: the guest's shell and small tools.
pub(crate) fn busybox(cache: &Cache) -> Result<PathBuf> {
    let dir = cache.dir("busybox")?;
    let program = dir.join("busybox");
    let _lock = cache.lock("busybox")?;
    if program.exists() {
        return Ok(program);
    }
    let apt = Apt::open(cache, &BUSYBOX_SUITE)?;
    let complaint = apt.update()?;
    let package = apt.newest(BUSYBOX_PACKAGE, complaint.as_deref())?;
    let partial = cache::partial_dir(&dir)?;
    apt.download(&[package], partial.path())?;
    let tree = partial.path().join("tree");
    unpack_all(partial.path(), &tree)?;
    let found = [tree.join("usr/bin/busybox"), tree.join("bin/busybox")];
    let found = found.iter().find(|place| place.is_file());
    rename(found.with_context(|| format!("{BUSYBOX_PACKAGE} contains no busybox"))?, &program)?;
    Ok(program)
}

/// Unpacks every package in a directory and removes it.
pub(super) fn unpack_all(dir: &Path, tree: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        if path.extension() == Some(OsStr::new("deb")) {
            let mut command = Command::new("dpkg-deb");
            process::checked(command.arg("-x").arg(&path).arg(tree), None)?;
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}
