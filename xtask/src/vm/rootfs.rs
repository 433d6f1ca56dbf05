//! The guest's root file system: an ext4 image, made without root, the same for every run with
//! one kernel and therefore kept.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use zc_guest::{INIT_PATH, ROOT_SIGNATURE, SCRATCH_DIR};

use super::kernel::Kernel;
use super::packages::PackageTree;
use crate::cache::Cache;
use crate::process;
use crate::progress::Step;

/// Room for large files; the image is sparse, so only what is written takes space.
const SIZE_MIB: u64 = 8 << 10;

/// Where the one partition begins. It exists only to carry [`ROOT_SIGNATURE`].
const PARTITION_MIB: u64 = 1;

const SECTOR: u64 = 512;

/// After this long, an image belongs to no guest that has not opened it yet.
const SETTLED: Duration = Duration::from_secs(3600);

const DIRS: [&str; 13] = [
    "bin",
    "dev",
    "etc",
    "home/user",
    "lib",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "var",
    SCRATCH_DIR.split_at(1).1,
];

/// Uid 1000 is for tests that drop privileges.
const FILES: [(&str, &str); 5] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost zc-guest\n::1 localhost\n"),
    ("etc/hostname", "zc-guest\n"),
    ("etc/profile", "export PS1='zc-guest:\\w\\$ '\n"),
];

/// The image for a kernel, made now unless it is in the cache.
pub(crate) fn image(
    cache: &Cache,
    kernel: &Kernel,
    init: &Path,
    busybox: &Path,
    packages: Option<&PackageTree>,
) -> Result<PathBuf> {
    let dir = cache.dir("images")?;
    let _lock = cache.lock("images")?;
    // No kind of image is taken for an older one of another kind.
    let kind = match packages {
        Some(packages) => format!("{}@{}-", packages.name, kernel.release),
        None => format!("{}-", kernel.release),
    };
    let name = format!("{kind}{}.img", fingerprint(kernel, init, busybox, packages)?);
    let image = dir.join(&name);
    if image.exists() {
        return Ok(image);
    }
    let _step = Step::new(format!("making the root file system for {}", kernel.release));
    remove_superseded(&dir, &kind)?;
    let partial = crate::cache::partial_dir(&dir)?;
    let tree = partial.path().join("root");
    populate(&tree, kernel, init, busybox, packages)?;
    let unfinished = partial.path().join("image");
    format_image(&unfinished, &tree)?;
    fs::rename(&unfinished, &image)
        .with_context(|| format!("cannot create {}", image.display()))?;
    Ok(image)
}

/// Stands for everything that the image is made of.
fn fingerprint(
    kernel: &Kernel,
    init: &Path,
    busybox: &Path,
    packages: Option<&PackageTree>,
) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in FILES {
        hasher.update(name.as_bytes()).update(text.as_bytes());
    }
    for part in DIRS {
        hasher.update(part.as_bytes());
    }
    let index = kernel.modules.as_ref().map(|modules| modules.join("modules.dep"));
    // It lists every module but not its contents: its place tells builds apart.
    if let Some(index) = &index {
        hasher.update(index.as_os_str().as_encoded_bytes());
    }
    // The folder's name stands for its contents.
    if let Some(packages) = packages {
        hasher.update(packages.root.as_os_str().as_encoded_bytes());
    }
    for path in [Some(init), Some(busybox), index.as_deref()].into_iter().flatten() {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        hasher.update_reader(file).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

fn remove_superseded(dir: &Path, kind: &str) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        let path = entry.path();
        let age = entry.metadata().and_then(|file| file.modified()).map(|time| time.elapsed());
        // Another checkout may have made it for a guest that is about to start.
        let recent = !matches!(age, Ok(Ok(age)) if age > SETTLED);
        if !recent && entry.file_name().as_encoded_bytes().starts_with(kind.as_bytes()) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn populate(
    tree: &Path,
    kernel: &Kernel,
    init: &Path,
    busybox: &Path,
    packages: Option<&PackageTree>,
) -> Result<()> {
    for dir in DIRS {
        let dir = tree.join(dir);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    for (name, text) in FILES {
        let path = tree.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    install(init, &tree.join(INIT_PATH.trim_start_matches('/')))?;
    install(busybox, &tree.join("bin/busybox"))?;
    let applets = process::checked(Command::new(busybox).arg("--list"), None)?;
    for applet in String::from_utf8_lossy(&applets).lines().filter(|name| *name != "busybox") {
        symlink("busybox", tree.join("bin").join(applet))
            .with_context(|| format!("cannot create the applet {applet}"))?;
    }
    if let Some(modules) = &kernel.modules {
        // Their links ("build", "source") lead out of the tree.
        link_tree(modules, &tree.join("lib/modules").join(&kernel.release), false)
            .with_context(|| format!("cannot take modules from {}", modules.display()))?;
    }
    if let Some(PackageTree { root, .. }) = packages {
        link_tree(root, tree, true)
            .with_context(|| format!("cannot take packages from {}", root.display()))?;
        // Programs name their loader as in /lib64, which no package brings.
        symlink("usr/lib64", tree.join("lib64")).context("cannot link /lib64")?;
    }
    Ok(())
}

fn install(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::copy(from, to).with_context(context)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).with_context(context)
}

/// Hard links where possible: the files are many and only read. `links` tells whether symbolic links
/// come along.
fn link_tree(from: &Path, to: &Path, links: bool) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            link_tree(&entry.path(), &target, links)?;
        } else if kind.is_file() && fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        } else if kind.is_symlink() && links {
            symlink(fs::read_link(entry.path())?, &target)?;
        }
    }
    Ok(())
}

fn format_image(image: &Path, tree: &Path) -> Result<()> {
    let context = || format!("cannot write {}", image.display());
    let mut file = File::create_new(image).with_context(context)?;
    file.set_len((PARTITION_MIB + SIZE_MIB) << 20).with_context(context)?;
    file.write_all(&partition_table()).with_context(context)?;
    let program = process::find_program("mke2fs")
        .context("mke2fs is missing (package e2fsprogs): run `cargo xtask setup`")?;
    let mut command = Command::new(program);
    // Inode tables are written now rather than by a kernel thread in the middle of a measurement;
    // few inodes keep them small.
    command.args(["-q", "-F", "-t", "ext4", "-i", "131072", "-J", "size=64", "-E"]);
    command.arg(format!(
        "offset={},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard",
        PARTITION_MIB << 20
    ));
    command.arg("-d").arg(tree).arg(image).arg(format!("{SIZE_MIB}M"));
    process::checked(&mut command, None)?;
    // mke2fs takes the table for old data of a whole disk and clears it.
    file.seek(SeekFrom::Start(0)).with_context(context)?;
    file.write_all(&partition_table()).with_context(context)
}

/// A master boot record with one Linux partition.
fn partition_table() -> [u8; 512] {
    const SIGNATURE: usize = 440;
    const ENTRY: usize = 446;
    const LINUX: u8 = 0x83;
    let sectors = |mib: u64| u32::try_from((mib << 20) / SECTOR).unwrap_or(u32::MAX).to_le_bytes();
    let mut record = [0; 512];
    record[SIGNATURE..SIGNATURE + 4].copy_from_slice(&ROOT_SIGNATURE.to_le_bytes());
    record[ENTRY + 4] = LINUX;
    record[ENTRY + 8..ENTRY + 12].copy_from_slice(&sectors(PARTITION_MIB));
    record[ENTRY + 12..ENTRY + 16].copy_from_slice(&sectors(SIZE_MIB));
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    record
}

/// What the kernel's command line calls the partition.
pub(crate) fn root_device() -> OsString {
    format!("PARTUUID={ROOT_SIGNATURE:08x}-01").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_table_has_one_linux_partition() {
        let record = partition_table();
        assert_eq!(record[440..444], [0x01, 0x00, 0x63, 0x7a]);
        assert_eq!(root_device(), "PARTUUID=7a630001-01");
        assert_eq!(record[450], 0x83);
        assert_eq!(record[454..458], 2048_u32.to_le_bytes());
        assert_eq!(record[458..462], (16_u32 << 20).to_le_bytes());
        assert_eq!(record[510..], [0x55, 0xaa]);
    }

    #[test]
    fn a_tree_is_linked_with_or_without_its_symlinks() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("kernel/net")).unwrap();
        fs::write(from.join("kernel/net/tls.ko"), "module").unwrap();
        symlink("/usr/src", from.join("build")).unwrap();
        let to = dir.path().join("to");
        link_tree(&from, &to, false).unwrap();
        assert_eq!(fs::read(to.join("kernel/net/tls.ko")).unwrap(), b"module");
        assert!(!to.join("build").is_symlink());
        let all = dir.path().join("all");
        link_tree(&from, &all, true).unwrap();
        assert_eq!(fs::read_link(all.join("build")).unwrap(), Path::new("/usr/src"));
    }
}
