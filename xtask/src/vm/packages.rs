//! Debian packages with everything that they depend on, unpacked for a guest's root file system.
//!
//! They are unpacked and not installed: nothing that a package's scripts would do (users, caches,
//! alternatives) has been done.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};

use super::apt::{Apt, Suite};
use super::kernel::{FRESH, now, remove_superseded};
use super::unpack;
use crate::cache::{self, Cache};
use crate::progress::{self, Step};
use crate::{process, signals};

static TRIXIE: Suite = Suite { name: "trixie", backports: false, archived: false };

/// The tools that the benchmark compares zc with, and the server that they observe.
pub(crate) static BENCH: PackageSet =
    PackageSet::of_trixie("bench", &["bpftrace", "linux-perf", "nginx", "strace"]);

/// What the tests of real programs run, and strace to check zc by.
pub(crate) static PROGRAMS: PackageSet = PackageSet::of_trixie(
    "programs",
    &["coreutils", "curl", "dash", "gzip", "haproxy", "nginx", "python3", "rsync", "strace", "tar"],
);

static SETS: [&PackageSet; 2] = [&BENCH, &PROGRAMS];

/// What a kind of guest has beside busybox.
#[derive(Debug)]
pub(crate) struct PackageSet {
    /// Tells sets apart in the cache.
    name: &'static str,
    suite: &'static Suite,
    packages: &'static [&'static str],
}

impl PackageSet {
    /// Packages of Debian trixie, the release of the default kernel.
    const fn of_trixie(name: &'static str, packages: &'static [&'static str]) -> Self {
        Self { name, suite: &TRIXIE, packages }
    }

    /// For a command line: one of all sets, by its name.
    pub(crate) fn parser() -> impl TypedValueParser<Value = &'static Self> {
        PossibleValuesParser::new(SETS.map(|set| set.name))
            .try_map(|name| SETS.into_iter().find(|set| set.name == name).ok_or("no such set"))
    }
}

/// A set, unpacked.
#[derive(Debug)]
pub(crate) struct PackageTree {
    /// Of the set.
    pub(crate) name: &'static str,
    /// The folder that stands for `/`; another version of a package is another folder.
    pub(crate) root: PathBuf,
    /// Of every package, also of those that others depend on.
    pub(crate) versions: BTreeMap<String, String>,
}

/// The record of what a set was resolved to.
#[derive(Debug, Serialize, Deserialize)]
struct Resolved {
    asked: Vec<String>,
    versions: BTreeMap<String, String>,
    /// Seconds since 1970.
    checked_at: u64,
}

impl Resolved {
    /// The folder of these versions.
    fn folder(&self, dir: &Path) -> PathBuf {
        let mut hasher = blake3::Hasher::new();
        for (name, version) in &self.versions {
            hasher.update(name.as_bytes()).update(b"=").update(version.as_bytes()).update(b"\n");
        }
        dir.join(&hasher.finalize().to_hex()[..16])
    }
}

/// The newest versions of the set's packages, from the cache while that is fresh or when the
/// network is away.
pub(crate) fn tree(cache: &Cache, set: &'static PackageSet) -> Result<PackageTree> {
    let dir = cache.dir(Path::new("packages").join(set.name))?;
    let _lock = cache.lock(&format!("packages-{}", set.name))?;
    let record = dir.join("current.json");
    let cached = fs::read(&record)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Resolved>(&bytes).ok())
        .filter(|resolved| resolved.asked == set.packages && resolved.folder(&dir).is_dir());
    let fresh = |resolved: &Resolved| now().saturating_sub(resolved.checked_at) < FRESH.as_secs();
    let resolved = match cached {
        Some(resolved) if fresh(&resolved) => resolved,
        cached => match (fetch(cache, set, &dir), cached) {
            (Ok(resolved), _) => resolved,
            (Err(error), Some(cached)) if !signals::interrupted() => {
                progress::note(&format!("using the cached packages: {error:#}"));
                cached
            }
            (Err(error), _) => {
                return Err(error).with_context(|| {
                    format!("cannot get {} from Debian {}", set.packages.join(", "), set.suite.name)
                });
            }
        },
    };
    let json = serde_json::to_vec_pretty(&resolved).context("cannot write the packages' record")?;
    fs::write(&record, json).with_context(|| format!("cannot write {}", record.display()))?;
    Ok(PackageTree { name: set.name, root: resolved.folder(&dir), versions: resolved.versions })
}

fn fetch(cache: &Cache, set: &'static PackageSet, dir: &Path) -> Result<Resolved> {
    let apt = Apt::open(cache, set.suite)?;
    let complaint = apt.update()?;
    let partial = cache::partial_dir(dir)?;
    apt.download_with_dependencies(set.packages, partial.path())
        .with_context(|| complaint.unwrap_or_default())?;
    let _step = Step::new(format!("unpacking {}", set.packages.join(", ")));
    let asked = set.packages.iter().map(|&name| name.to_owned()).collect();
    let versions = versions(partial.path())?;
    let resolved = Resolved { asked, versions, checked_at: now() };
    let folder = resolved.folder(dir);
    if !folder.is_dir() {
        let tree = partial.path().join("tree");
        unpack::unpack_all(partial.path(), &tree)?;
        remove_superseded(dir)?;
        fs::rename(&tree, &folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    Ok(resolved)
}

/// Name and version of every package in a folder.
fn versions(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        if path.extension() != Some(OsStr::new("deb")) {
            continue;
        }
        let mut command = Command::new("dpkg-deb");
        command.args(["--show", "--showformat=${Package} ${Version}"]).arg(&path);
        let shown = process::checked(&mut command, None)?;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let (name, version) = shown
            .split_once(' ')
            .with_context(|| format!("{} names no version", path.display()))?;
        versions.insert(name.to_owned(), version.to_owned());
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_have_another_folder() {
        let resolved = |version: &str| Resolved {
            asked: Vec::new(),
            versions: BTreeMap::from([("strace".to_owned(), version.to_owned())]),
            checked_at: 0,
        };
        let folder = |version| resolved(version).folder(Path::new("/p"));
        assert_eq!(folder("6.13"), folder("6.13"));
        assert_ne!(folder("6.13"), folder("6.14"));
        assert_eq!(folder("6.13").parent(), Some(Path::new("/p")));
    }
}
