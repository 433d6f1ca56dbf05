//! A private apt: the machine's mirror and download settings, another Debian release, and its own
//! lists, cache and state. It installs nothing and needs no root.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::sources::{self, Mirror};
use crate::cache::Cache;
use crate::process;
use crate::progress::Step;

const ETC_APT: &str = "/etc/apt";
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Overrides the mirror found in the machine's sources.
const MIRROR_VARIABLE: &str = "ZC_DEBIAN_MIRROR";

/// A Debian release and which of its parts are wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// Whether packages come from the backports to it.
    pub(crate) backports: bool,
    /// Whether it is so old that its lists may be past their validity.
    pub(crate) archived: bool,
}

impl Suite {
    /// The suite that packages are taken from.
    pub(crate) fn preferred(&self) -> String {
        if self.backports { format!("{}-backports", self.name) } else { self.name.to_owned() }
    }
}

/// A package as the archive describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Names of the packages that it depends on; the first of alternatives.
    pub(crate) depends: Vec<String>,
}

/// Apt, configured for one suite.
pub(crate) struct Apt {
    config: PathBuf,
    suite: &'static Suite,
    // Two runs of apt on the same lists would fail.
    _lock: File,
}

impl Apt {
    /// Prepares the configuration in the cache, which is ours until the value is dropped.
    pub(crate) fn open(cache: &Cache, suite: &'static Suite) -> Result<Self> {
        let dir = cache.dir(Path::new("apt").join(suite.preferred()))?;
        let lock = cache.lock(&format!("apt-{}", suite.preferred()))?;
        for inside in ["lists/partial", "cache/archives/partial", "state"] {
            let dir = dir.join(inside);
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let mirror = mirror()?;
        let config = dir.join("apt.conf");
        for (path, text) in [
            (dir.join("status"), String::new()),
            (dir.join("zc.sources"), stanzas(suite, &mirror)),
            (config.clone(), configuration(&dir, &machine_settings()?)),
        ] {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { config, suite, _lock: lock })
    }

    /// Downloads the lists of packages. An archive of several may be missing (security updates of
    /// an old release, say): whether that matters shows when a package is looked up. Until then it
    /// is a complaint.
    pub(crate) fn update(&self) -> Result<Option<String>> {
        let step = Step::new(format!("reading Debian's list of packages ({})", self.suite.name));
        let mut command = self.command("apt-get");
        // Or a network that is away would be a mere warning.
        command.args(["update", "-oAPT::Update::Error-Mode=any"]);
        let finished = process::capture(&mut command, Some(&step))?;
        Ok((!finished.status.success()).then(|| finished.stderr.trim().to_owned()))
    }

    /// The newest version of a package; the complaint of the update explains why there is none.
    pub(crate) fn newest(&self, name: &str, complaint: Option<&str>) -> Result<Package> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions", name]);
        let shown = process::capture(&mut command, None)?;
        parse_package(&String::from_utf8_lossy(&shown.stdout)).with_context(|| {
            let why = complaint.unwrap_or(&shown.stderr);
            format!("no package {name} in Debian {}: {why}", self.suite.preferred())
        })
    }

    /// Downloads packages, checked by apt against the signed lists, into a directory.
    pub(crate) fn download(&self, packages: &[Package], into: &Path) -> Result<()> {
        let wanted = packages.iter().map(|package| format!("{}={}", package.name, package.version));
        let mut command = self.command("apt-get");
        command.current_dir(into).arg("download").args(wanted);
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        let step = Step::new(format!("downloading {}", names.join(", ")));
        process::checked(&mut command, Some(&step)).map(drop)
    }

    /// Downloads the newest version of packages and of all that they depend on, checked likewise.
    pub(crate) fn download_with_dependencies(&self, names: &[&str], into: &Path) -> Result<()> {
        let partial = into.join("partial");
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        let mut archives = OsString::from("-oDir::Cache::archives=");
        archives.push(into);
        let mut command = self.command("apt-get");
        // Nothing counts as installed in our own state, so that really all are downloaded.
        command.args(["install", "--yes", "--no-install-recommends", "--download-only"]);
        command.arg(archives).args(names);
        let step = Step::new(format!("downloading {} and what they need", names.join(", ")));
        process::checked(&mut command, Some(&step)).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C");
        if self.suite.backports {
            // Backports are otherwise taken only by name.
            command.arg(format!("-oAPT::Default-Release={}", self.suite.preferred()));
        }
        command
    }
}

fn mirror() -> Result<Mirror> {
    let mirror = match std::env::var(MIRROR_VARIABLE) {
        Ok(main) => Some(Mirror { main, security: None, keyring: None }),
        Err(_) => sources::of_this_machine(Path::new(ETC_APT))?,
    };
    let Some(mut mirror) = mirror else {
        bail!(
            "this machine's apt sources name no Debian mirror to take guest kernels from: \
             set {MIRROR_VARIABLE} to one's URI (see debian.org/mirror/list)"
        );
    };
    if Path::new(DEBIAN_KEYRING).exists() {
        mirror.keyring = Some(DEBIAN_KEYRING.to_owned());
    }
    if mirror.keyring.is_none() {
        bail!(
            "cannot check Debian's signatures: {DEBIAN_KEYRING} is missing \
             (package debian-archive-keyring)"
        );
    }
    Ok(mirror)
}

/// How this machine downloads: proxies, certificates, time limits. Not which lists, and none of
/// the hooks that run after an update.
fn machine_settings() -> Result<String> {
    let dump = process::checked(Command::new("apt-config").arg("dump"), None)?;
    Ok(acquire_settings(&String::from_utf8_lossy(&dump)))
}

fn acquire_settings(dump: &str) -> String {
    dump.lines()
        .filter(|line| line.starts_with("Acquire::"))
        .filter(|line| !line.starts_with("Acquire::IndexTargets"))
        .filter(|line| !line.starts_with("Acquire::Languages"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn configuration(dir: &Path, settings: &str) -> String {
    let dir = dir.display();
    format!(
        "{settings}\
         Dir::Etc::Parts \"/dev/null\";\n\
         Dir::Etc::Main \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\";\n\
         Dir::Etc::PreferencesParts \"/dev/null\";\n\
         Dir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::SourceList \"{dir}/zc.sources\";\n\
         Dir::State \"{dir}/state\";\n\
         Dir::State::Lists \"{dir}/lists\";\n\
         Dir::State::status \"{dir}/status\";\n\
         Dir::Cache \"{dir}/cache\";\n\
         APT::Sandbox::User \"root\";\n\
         APT::Architecture \"amd64\";\n\
         APT::Architectures {{ \"amd64\"; }};\n\
         Acquire::Languages \"none\";\n"
    )
}

fn stanzas(suite: &Suite, mirror: &Mirror) -> String {
    let name = suite.name;
    let mut archives = vec![(mirror.main.as_str(), name.to_owned())];
    if suite.backports {
        archives.push((&mirror.main, suite.preferred()));
    } else if let Some(security) = &mirror.security {
        archives.push((security, format!("{name}-security")));
    }
    let mut text = String::new();
    for (uri, suite_name) in archives {
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "Types: deb\nURIs: {uri}\nSuites: {suite_name}\nComponents: main\n{}{}\n",
            mirror.keyring.iter().map(|path| format!("Signed-By: {path}\n")).collect::<String>(),
            if suite.archived { "Check-Valid-Until: no\n" } else { "" },
        );
    }
    text
}

fn parse_package(shown: &str) -> Option<Package> {
    let fields: HashMap<&str, &str> =
        shown.lines().filter_map(|line| line.split_once(": ")).collect();
    let depends = fields.get("Depends").copied().unwrap_or_default().split(',');
    Some(Package {
        name: (*fields.get("Package")?).to_owned(),
        version: (*fields.get("Version")?).to_owned(),
        depends: depends
            .filter_map(|one| one.split_whitespace().next())
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIXIE: Suite = Suite { name: "trixie", backports: false, archived: false };

    fn mirror() -> Mirror {
        Mirror {
            main: "http://mirror.example/debian".into(),
            security: Some("http://mirror.example/security".into()),
            keyring: Some("/keys/debian.gpg".into()),
        }
    }

    #[test]
    fn a_package_is_read_from_what_apt_shows() {
        let shown = "Package: linux-image-cloud-amd64\nVersion: 6.12.1-1\n\
                     Depends: linux-image-6.12.1+deb13-cloud-amd64 (= 6.12.1-1), a | b\n\
                     Description: not: a field\n continued\n";
        let package = parse_package(shown).unwrap();
        assert_eq!(package.name, "linux-image-cloud-amd64");
        assert_eq!(package.version, "6.12.1-1");
        assert_eq!(package.depends, ["linux-image-6.12.1+deb13-cloud-amd64", "a"]);
        assert_eq!(parse_package(""), None);
    }

    #[test]
    fn a_suite_brings_its_security_updates() {
        let text = stanzas(&TRIXIE, &mirror());
        assert!(text.contains("URIs: http://mirror.example/security\nSuites: trixie-security\n"));
        assert!(text.contains("Signed-By: /keys/debian.gpg\n"));
        assert!(!text.contains("Check-Valid-Until"));
    }

    #[test]
    fn backports_come_from_the_main_mirror() {
        let suite = Suite { backports: true, archived: true, ..TRIXIE };
        let text = stanzas(&suite, &mirror());
        assert!(text.contains("URIs: http://mirror.example/debian\nSuites: trixie-backports\n"));
        assert!(!text.contains("security"));
        assert!(text.contains("Check-Valid-Until: no\n\n"));
    }

    #[test]
    fn proxies_are_kept_and_hooks_are_not() {
        let dump = "APT::Update::Post-Invoke:: \"rm\";\nAcquire::http::Proxy \"http://p\";\n\
                    Acquire::IndexTargets::deb::DEP-11 \"\";\nAcquire::Languages:: \"de\";\n";
        assert_eq!(acquire_settings(dump), "Acquire::http::Proxy \"http://p\";\n");
    }
}
