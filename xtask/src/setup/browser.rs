//! The browser that tests look at reports with.

use std::path::PathBuf;

use anyhow::Result;

use super::packages::{self, Package, apt_has};
use crate::process::find_program;

/// What a Chromium may be called, the smallest first.
const PROGRAMS: [&str; 5] =
    ["chromium-headless-shell", "headless_shell", "chromium", "chromium-browser", "google-chrome"];

/// Debian's packages that have one, the smallest first.
const PACKAGES: [&str; 2] = ["chromium-headless-shell", "chromium"];

/// A Chromium, which is installed if need be. Not every Debian-like distribution has one as a package of
/// apt's: there it is none.
///
/// # Errors
/// When there is a package and it cannot be installed.
pub(crate) fn ensure() -> Result<Option<PathBuf>> {
    if let Some(program) = installed() {
        return Ok(Some(program));
    }
    if find_program("apt-get").is_none() {
        return Ok(None);
    }
    for name in PACKAGES {
        if apt_has(name)? {
            packages::install(&[Package::new(name, name, name, name)])?;
            break;
        }
    }
    Ok(installed())
}

fn installed() -> Option<PathBuf> {
    PROGRAMS.iter().find_map(|name| find_program(name))
}
