//! A disk with an empty XFS, for tests of files that share blocks, which ext4's cannot. Any guest may
//! mount it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::Cache;
use crate::process;

/// mkfs.xfs makes none much smaller; the image is sparse.
const SIZE_MIB: u64 = 512;

/// Only features that the oldest kernel has: as a file that comes with mkfs.xfs names them, and in words,
/// because that of 6.1 has a mistake.
const FEATURES: [&[&str]; 2] = [
    &["-c", "options=/usr/share/xfsprogs/mkfs/lts_5.10.conf"],
    &["-m", "reflink=1,bigtime=0,inobtcount=0,rmapbt=0", "-i", "nrext64=0"],
];

/// Tells images with other options or another size apart.
const NAME: &str = "xfs-5.10-512.img";

/// The image, made now unless it is in the cache.
pub(super) fn image(cache: &Cache) -> Result<PathBuf> {
    let dir = cache.dir("images")?;
    let _lock = cache.lock("images")?;
    let image = dir.join(NAME);
    if image.exists() {
        return Ok(image);
    }
    let partial = crate::cache::partial_dir(&dir)?;
    let unfinished = partial.path().join("image");
    format(&unfinished)?;
    fs::rename(&unfinished, &image)
        .with_context(|| format!("cannot create {}", image.display()))?;
    Ok(image)
}

fn format(image: &Path) -> Result<()> {
    let create = || File::create_new(image)?.set_len(SIZE_MIB << 20);
    create().with_context(|| format!("cannot create {}", image.display()))?;
    let program = process::find_program("mkfs.xfs")
        .context("mkfs.xfs is missing (package xfsprogs): run `cargo xtask setup`")?;
    let make = |features: &[&str]| {
        process::checked(Command::new(&program).args(["-q", "-f"]).args(features).arg(image), None)
    };
    make(FEATURES[0]).or_else(|_| make(FEATURES[1])).map(drop)
}
