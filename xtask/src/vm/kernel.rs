//! Which kernel: from a version, as the Debian release that carries it, or from a path.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::builder::{OsStringValueParser, TypedValueParser};
use serde::{Deserialize, Serialize};

use super::apt::{Apt, Package, Suite};
use super::unpack;
use crate::cache::{self, Cache};
use crate::progress;

/// A Debian kernel by its upstream version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DebianKernel {
    version: &'static str,
    suite: Suite,
}

const fn stable(version: &'static str, name: &'static str) -> DebianKernel {
    DebianKernel { version, suite: Suite { name, backports: false, archived: false } }
}

/// Each release has one kernel version for its lifetime; backports move on, and then so does
/// their line here.
static KERNELS: [DebianKernel; 4] = [
    DebianKernel {
        version: "5.10",
        suite: Suite { name: "bullseye", backports: false, archived: true },
    },
    stable("6.1", "bookworm"),
    stable("6.12", "trixie"),
    DebianKernel {
        version: "7.3",
        suite: Suite { name: "trixie", backports: true, archived: false },
    },
];

/// The kernel of a guest that was not asked for another.
pub(crate) const DEFAULT: &str = "6.12";

/// The metapackage of Debian's kernels for virtual machines: NVMe, ext4 and serial lines are
/// built in, so no initramfs is needed.
const METAPACKAGE: &str = "linux-image-cloud-amd64";

/// How long a resolved kernel or package is used without looking for a newer one.
pub(super) const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);

/// After a failure to read the lists, a look is due again this soon.
const RETRY: Duration = Duration::from_secs(3600);

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KernelSpec {
    /// One of Debian's.
    Debian(&'static DebianKernel),
    /// A `vmlinuz` of the user's own.
    Path(PathBuf),
}

impl KernelSpec {
    /// For a command line.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(|text| Self::parse(&text))
    }

    /// Reads a version or a path.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, UnknownKernel> {
        if let Some(known) = KERNELS.iter().find(|kernel| OsStr::new(kernel.version) == text) {
            return Ok(Self::Debian(known));
        }
        let path = Path::new(text);
        if path.is_file() {
            return Ok(Self::Path(path.to_owned()));
        }
        Err(UnknownKernel(text.to_owned()))
    }
}

/// Neither a version that we know nor a file.
#[derive(Debug)]
pub(crate) struct UnknownKernel(OsString);

impl fmt::Display for UnknownKernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = KERNELS.iter().map(|kernel| kernel.version).collect();
        write!(
            formatter,
            "unknown kernel {}: neither one of {} nor the path of a vmlinuz",
            self.0.display(),
            known.join(", ")
        )
    }
}

impl std::error::Error for UnknownKernel {}

/// A kernel ready to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// What `uname -r` says in the guest.
    pub(crate) release: String,
    /// The file to boot.
    pub(crate) image: PathBuf,
    /// Its `/lib/modules/<release>`.
    pub(crate) modules: Option<PathBuf>,
}

/// The record of the version that a kernel was resolved to.
#[derive(Debug, Serialize, Deserialize)]
struct Resolved {
    package_version: String,
    release: String,
    /// Seconds since 1970.
    checked_at: u64,
}

/// Makes the kernel ready: newest version of the release, from the cache while that is fresh or
/// when the network is away.
pub(crate) fn resolve(
    cache: &Cache,
    spec: &KernelSpec,
    modules: Option<&Path>,
    refresh: bool,
) -> Result<Kernel> {
    match spec {
        KernelSpec::Path(image) => local(image, modules),
        KernelSpec::Debian(_) if modules.is_some() => {
            bail!("--modules goes with the path of a kernel; Debian's bring their own")
        }
        KernelSpec::Debian(kernel) => debian(cache, kernel, refresh),
    }
}

fn debian(cache: &Cache, wanted: &'static DebianKernel, refresh: bool) -> Result<Kernel> {
    let dir = cache.dir(Path::new("kernels").join(wanted.version))?;
    let _lock = cache.lock(&format!("kernel-{}", wanted.version))?;
    let record = dir.join("current.json");
    let cached = read_record(&record).filter(|resolved| kernel_in(&dir, resolved).is_some());
    if let Some(resolved) = &cached
        && !refresh
        && now().saturating_sub(resolved.checked_at) < FRESH.as_secs()
        && let Some(kernel) = kernel_in(&dir, resolved)
    {
        return Ok(kernel);
    }
    let resolved = match (fetch(cache, wanted, &dir), cached) {
        (Ok(resolved), _) => resolved,
        (Err(error), Some(cached)) if !crate::signals::interrupted() => {
            progress::note(&format!(
                "cannot look for a newer {}, using the cached {}: {error:#}",
                wanted.version, cached.package_version
            ));
            cached
        }
        (Err(error), _) => {
            return Err(error).with_context(|| {
                format!("cannot get kernel {} from Debian {}", wanted.version, wanted.suite.name)
            });
        }
    };
    let json = serde_json::to_vec_pretty(&resolved).context("cannot write the kernel's record")?;
    fs::write(&record, json).with_context(|| format!("cannot write {}", record.display()))?;
    kernel_in(&dir, &resolved).context("the kernel vanished from the cache")
}

/// Looks the newest version up, and downloads it unless it is there already.
fn fetch(cache: &Cache, wanted: &'static DebianKernel, dir: &Path) -> Result<Resolved> {
    let apt = Apt::open(cache, &wanted.suite)?;
    let complaint = apt.update()?;
    let meta = apt.newest(METAPACKAGE, complaint.as_deref())?;
    if !meta.version.starts_with(&format!("{}.", wanted.version)) {
        bail!(
            "Debian {} now carries kernel {}, no longer {}",
            wanted.suite.preferred(),
            meta.version,
            wanted.version
        );
    }
    let packages = packages_of(&meta, &|name| apt.newest(name, complaint.as_deref()))?;
    let place = dir.join(&meta.version);
    if !place.exists() {
        let partial = cache::partial_dir(dir)?;
        apt.download(&packages, partial.path())?;
        // The next step may use apt too.
        drop(apt);
        unpack::kernel(cache, partial.path())?;
        remove_superseded(dir)?;
        fs::rename(partial.keep(), &place)
            .with_context(|| format!("cannot create {}", place.display()))?;
    }
    let mut checked_at = now();
    if let Some(complaint) = complaint {
        progress::note(&format!(
            "there may be a newer kernel than {}: {}",
            meta.version,
            complaint.lines().last().unwrap_or_default()
        ));
        checked_at = checked_at.saturating_sub((FRESH - RETRY).as_secs());
    }
    let release = unpack::release_in(&place)?;
    Ok(Resolved { package_version: meta.version, release, checked_at })
}

/// The packages that hold the kernel and its modules: one, or since Linux 6.18 one for each.
fn packages_of(meta: &Package, newest: &dyn Fn(&str) -> Result<Package>) -> Result<Vec<Package>> {
    let mut found: Vec<Package> = Vec::new();
    let mut names = meta.depends.clone();
    while let Some(name) = names.pop() {
        let Some(kind) = ["image", "binary", "modules"]
            .iter()
            .find_map(|kind| name.strip_prefix("linux-")?.strip_prefix(kind)?.strip_prefix('-'))
        else {
            continue;
        };
        if found.iter().any(|package| package.name == name) {
            continue;
        }
        let package = newest(&name)?;
        names.extend(package.depends.iter().cloned());
        // Metapackages have no version in their name, and nothing inside.
        if kind.starts_with(|first: char| first.is_ascii_digit()) {
            found.push(package);
        }
    }
    if found.is_empty() {
        bail!("the package {} {} leads to no kernel", meta.name, meta.version);
    }
    Ok(found)
}

/// Older versions are of no use once a newer one is there.
pub(super) fn remove_superseded(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !hidden {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn read_record(path: &Path) -> Option<Resolved> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn kernel_in(dir: &Path, resolved: &Resolved) -> Option<Kernel> {
    let dir = dir.join(&resolved.package_version);
    let release = resolved.release.clone();
    let (image, modules) = (unpack::image_path(&dir), unpack::modules_path(&dir, &release));
    (image.exists() && modules.exists()).then_some(Kernel {
        release,
        image,
        modules: Some(modules),
    })
}

fn local(image: &Path, modules: Option<&Path>) -> Result<Kernel> {
    let bytes = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let Some(release) = release_of(&bytes) else {
        bail!("{} is no bootable x86 kernel (a vmlinuz or bzImage)", image.display());
    };
    let modules = modules.map(|dir| modules_below(dir, &release)).transpose()?;
    Ok(Kernel { release, image: image.to_owned(), modules })
}

/// Accepts an installation root, the folder of all releases, and that of the one release.
fn modules_below(dir: &Path, release: &str) -> Result<PathBuf> {
    let places = [dir.join("lib/modules").join(release), dir.join(release), dir.to_owned()];
    let found = places.into_iter().find(|place| {
        place.file_name() == Some(release.as_ref()) && place.join("modules.dep").exists()
    });
    found.with_context(|| {
        format!(
            "{} has no modules for {release} (looked for lib/modules/{release}/modules.dep)",
            dir.display()
        )
    })
}

/// The version string that the x86 boot protocol puts into the kernel's header.
fn release_of(image: &[u8]) -> Option<String> {
    const MAGIC: usize = 0x202;
    const POINTER: usize = 0x20e;
    if image.get(MAGIC..MAGIC + 4)? != b"HdrS" {
        return None;
    }
    let pointer: [u8; 2] = image.get(POINTER..POINTER + 2)?.try_into().ok()?;
    let text = image.get(usize::from(u16::from_le_bytes(pointer)) + 0x200..)?;
    let end = text.iter().position(|&byte| byte == b' ' || byte == 0)?;
    let release = std::str::from_utf8(&text[..end]).ok()?;
    (!release.is_empty()).then(|| release.to_owned())
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, depends: &[&str]) -> Package {
        Package {
            name: name.into(),
            version: "1".into(),
            depends: depends.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn versions_name_debian_releases() {
        let suite = |text: &str| match KernelSpec::parse(text.as_ref()).unwrap() {
            KernelSpec::Debian(kernel) => kernel.suite.preferred(),
            KernelSpec::Path(path) => panic!("{path:?}"),
        };
        assert_eq!(suite("5.10"), "bullseye");
        assert_eq!(suite("6.1"), "bookworm");
        assert_eq!(suite("6.12"), "trixie");
        assert_eq!(suite("7.3"), "trixie-backports");
        assert_eq!(suite(DEFAULT), "trixie");
    }

    #[test]
    fn an_unknown_kernel_lists_the_known() {
        let error = KernelSpec::parse("6.13".as_ref()).unwrap_err().to_string();
        assert!(error.contains("6.13") && error.contains("6.12"), "{error}");
    }

    #[test]
    fn a_file_is_a_kernel_of_ones_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let spec = KernelSpec::parse(file.path().as_os_str()).unwrap();
        assert_eq!(spec, KernelSpec::Path(file.path().to_owned()));
        let error = local(file.path(), None).unwrap_err().to_string();
        assert!(error.contains("no bootable"), "{error}");
    }

    #[test]
    fn one_package_holds_an_older_kernel() {
        let meta = package("linux-image-cloud-amd64", &["linux-image-6.1.0-1-cloud-amd64"]);
        let newest = |name: &str| Ok(package(name, &["kmod", "linux-base", "initramfs-tools"]));
        let found = packages_of(&meta, &newest).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "linux-image-6.1.0-1-cloud-amd64");
    }

    #[test]
    fn a_newer_kernel_is_split() {
        let meta = package("meta", &["linux-base-x", "linux-image-7.3", "linux-modules-cloud"]);
        let newest = |name: &str| {
            Ok(match name {
                "linux-image-7.3" => package(name, &["linux-binary-7.3", "linux-modules-7.3"]),
                "linux-modules-cloud" => package(name, &["linux-modules-7.3"]),
                _ => package(name, &[]),
            })
        };
        let mut names: Vec<String> =
            packages_of(&meta, &newest).unwrap().into_iter().map(|found| found.name).collect();
        names.sort();
        assert_eq!(names, ["linux-binary-7.3", "linux-image-7.3", "linux-modules-7.3"]);
        assert!(packages_of(&package("meta", &["other"]), &newest).is_err());
    }

    #[test]
    fn the_release_is_read_from_the_boot_header() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x30c].copy_from_slice(b"6.12.1-x (a)");
        assert_eq!(release_of(&image).as_deref(), Some("6.12.1-x"));
        assert_eq!(release_of(b"short"), None);
    }
}
