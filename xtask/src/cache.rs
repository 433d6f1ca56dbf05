//! The directory in which kernels and images are kept, and the locks on its parts.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::progress::Step;

/// Prefix of what an interrupted run may leave; removed by the next one.
const TEMPORARY: &str = ".partial-";

/// The cache directory.
#[derive(Clone)]
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// `$ZC_CACHE_DIR`, else `$XDG_CACHE_HOME/zc`, else `~/.cache/zc`.
    pub(crate) fn open() -> Result<Self> {
        let Some(dir) = locate(|name| env::var_os(name).filter(|value| !value.is_empty())) else {
            bail!("there is no place for cached kernels: set ZC_CACHE_DIR or HOME");
        };
        // Programs that run elsewhere are given paths from here.
        let dir = std::path::absolute(dir).context("the cache directory has no absolute path")?;
        create_dir(&dir)?;
        Ok(Self(dir))
    }

    /// A path inside.
    pub(crate) fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.0.join(inside)
    }

    /// A directory inside, which exists afterwards.
    pub(crate) fn dir(&self, inside: impl AsRef<Path>) -> Result<PathBuf> {
        let dir = self.path(inside);
        create_dir(&dir)?;
        Ok(dir)
    }

    /// Waits until no other run works on this part of the cache; free again when dropped.
    pub(crate) fn lock(&self, part: &str) -> Result<File> {
        let path = self.dir("locks")?.join(part);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open the lock {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let _step = Step::new(format!("waiting for another run that prepares {part}"));
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// A temporary directory next to where its contents will be moved when complete. Call it with the
/// lock held: it also removes what earlier, interrupted runs left in `parent`.
pub(crate) fn partial_dir(parent: &Path) -> Result<tempfile::TempDir> {
    let context = || format!("cannot prepare a directory in {}", parent.display());
    for entry in fs::read_dir(parent).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            fs::remove_dir_all(entry.path()).with_context(context)?;
        }
    }
    tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent).with_context(context)
}

fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| {
        format!("cannot create {} (ZC_CACHE_DIR chooses another place)", dir.display())
    })
}

fn locate(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    variable("ZC_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| Path::new(&dir).join("zc")))
        .or_else(|| variable("HOME").map(|dir| Path::new(&dir).join(".cache/zc")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_variable_wins() {
        let all = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(locate(all), Some("/ZC_CACHE_DIR".into()));
        let standard = |name: &str| all(name).filter(|_| name != "ZC_CACHE_DIR");
        assert_eq!(locate(standard), Some("/XDG_CACHE_HOME/zc".into()));
        let home = |name: &str| all(name).filter(|_| name == "HOME");
        assert_eq!(locate(home), Some("/HOME/.cache/zc".into()));
        assert_eq!(locate(|_| None), None);
    }

    #[test]
    fn leftovers_of_interrupted_runs_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let first = partial_dir(parent.path()).unwrap().keep();
        let second = partial_dir(parent.path()).unwrap();
        assert!(!first.exists());
        assert!(second.path().exists());
    }
}
