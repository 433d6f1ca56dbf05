//! bpf-linker, which turns the compiler's LLVM bitcode into a BPF object, and the LLVM that it is
//! built with: that one must be as new as the compiler's.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::packages::{self, Package};
use crate::build;
use crate::process::{self, find_program};
use crate::progress::{self, Step};

/// The release that the BPF half is built with.
const LINKER_VERSION: &str = "0.13.0";

/// The LLVM versions that this release can be built with.
const SUPPORTED: std::ops::RangeInclusive<u32> = 21..=23;

/// Whether a bpf-linker of this release or a newer one is there.
pub(crate) fn linker_is_installed() -> Result<bool> {
    let Some(program) = find_program("bpf-linker") else { return Ok(false) };
    let said = process::checked(Command::new(program).arg("--version"), None)?;
    Ok(is_recent(&String::from_utf8_lossy(&said)))
}

/// An LLVM with its headers that is new enough: its version and place.
pub(crate) fn installed() -> Option<(u32, PathBuf)> {
    let wanted = compilers_llvm().ok()?;
    SUPPORTED.filter(|version| *version >= wanted).find_map(|version| {
        let debian = PathBuf::from(format!("/usr/lib/llvm-{version}"));
        if debian.join("include/llvm-c").exists() && debian.join("bin/llvm-config").exists() {
            return Some((version, debian));
        }
        let ask = |question| {
            let said = process::checked(Command::new("llvm-config").arg(question), None).ok()?;
            Some(String::from_utf8_lossy(&said).trim().to_owned())
        };
        let found: u32 = ask("--version")?.split('.').next()?.parse().ok()?;
        (found == version).then(|| ask("--prefix").map(|prefix| (version, prefix.into())))?
    })
}

/// The package that brings one.
pub(crate) fn package() -> Result<Package> {
    let wanted = compilers_llvm()?;
    let named = |version: u32| {
        Package::new(&format!("llvm-{version}-dev"), "llvm-devel", "llvm", "llvm-devel")
    };
    if find_program("apt-get").is_none() {
        return Ok(named(wanted));
    }
    for version in SUPPORTED.filter(|version| *version >= wanted) {
        if packages::apt_has(&format!("llvm-{version}-dev"))? {
            return Ok(named(version));
        }
    }
    bail!(
        "the compiler uses LLVM {wanted}, and apt has no llvm-N-dev package from {wanted} to {} to \
         build bpf-linker with: add a source that has one (apt.llvm.org, or a newer release), or \
         install bpf-linker {LINKER_VERSION} by other means",
        SUPPORTED.end()
    )
}

/// Builds bpf-linker.
pub(crate) fn install_linker() -> Result<()> {
    let (version, prefix) = installed().context("the LLVM for bpf-linker is still missing")?;
    progress::note(&format!(
        "installing bpf-linker {LINKER_VERSION} (cargo install, with LLVM {version})"
    ));
    let feature = format!("llvm-{version}");
    let step = Step::new("building bpf-linker");
    let mut command = build::cargo()?;
    command
        .args(["install", "bpf-linker", "--version", LINKER_VERSION, "--force"])
        .args(["--no-default-features", "--features", &feature])
        .env("LLVM_PREFIX", prefix);
    process::checked(&mut command, Some(&step))?;
    if !linker_is_installed()? {
        bail!("bpf-linker was installed but is not found: add ~/.cargo/bin to PATH");
    }
    Ok(())
}

fn compilers_llvm() -> Result<u32> {
    let said = process::checked(Command::new("rustc").arg("-vV"), None)?;
    parse_llvm_version(&String::from_utf8_lossy(&said))
        .context("`rustc -vV` does not say which LLVM it uses")
}

fn parse_llvm_version(said: &str) -> Option<u32> {
    let version = said.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.trim().parse().ok()
}

fn is_recent(said: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u32>> {
        text.split('.').map(|number| number.parse().ok()).collect()
    };
    let found = said.split_whitespace().next_back().and_then(numbers);
    found.is_some_and(|found| Some(found) >= numbers(LINKER_VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_llvm_is_read() {
        let said = "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2\n";
        assert_eq!(parse_llvm_version(said), Some(22));
        assert_eq!(parse_llvm_version("rustc 1.95.0"), None);
    }

    #[test]
    fn an_old_linker_is_replaced() {
        assert!(is_recent("bpf-linker 0.13.0\n"));
        assert!(is_recent("bpf-linker 1.0.0"));
        assert!(!is_recent("bpf-linker 0.9.15"));
        assert!(!is_recent(""));
    }
}
