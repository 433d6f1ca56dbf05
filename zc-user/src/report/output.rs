//! Where a report goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// A place for a report, opened before measuring so that a bad one costs no run.
pub enum Output {
    /// Standard output.
    Stdout,
    /// A regular file: written beside it and moved there whole, so that it is never half-written.
    File {
        /// The finished file's name.
        path: PathBuf,
        /// Beside it; removed when it does not get that far.
        draft: NamedTempFile,
    },
    /// A device or a pipe, which cannot be replaced.
    Stream(File),
}

impl Output {
    /// Opens `path`, or stdout where there is none.
    ///
    /// # Errors
    /// When no file can be made in the folder of `path`, or the device or pipe there cannot be
    /// opened for writing.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        path.map_or(Ok(Self::Stdout), |path| Self::at(path, "--output"))
    }

    /// Opens `path`, which `option` of the command line named.
    ///
    /// # Errors
    /// Those of [`Output::open`].
    pub fn at(path: &Path, option: &str) -> Result<Self> {
        let what = || {
            format!(
                "cannot write {option} {}: give a file in a folder that you may write to",
                path.display()
            )
        };
        if fs::metadata(path).is_ok_and(|existing| !existing.is_file()) {
            return OpenOptions::new().write(true).open(path).map(Self::Stream).with_context(what);
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let draft = NamedTempFile::new_in(folder).with_context(what)?;
        Ok(Self::File { path: path.to_path_buf(), draft })
    }

    /// Writes the report.
    ///
    /// # Errors
    /// When not all of it could be written (`ENOSPC`), or the draft could not take its mode or
    /// name. A reader that left (`EPIPE`) is no error.
    pub fn write(self, report: &str) -> Result<()> {
        match self {
            Self::Stdout => finish(io::stdout().lock(), report),
            Self::Stream(file) => finish(file, report),
            Self::File { path, mut draft } => {
                finish(&mut draft, report)?;
                // Temporary files are private; a report is as readable as any new file.
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                draft.as_file().set_permissions(mode)?;
                draft
                    .persist(&path)
                    .map(drop)
                    .with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }
}

fn finish(mut to: impl Write, report: &str) -> Result<()> {
    match to.write_all(report.as_bytes()).and_then(|()| to.flush()) {
        // The reader has seen enough, as in `zc lab | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the report"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let output = Output::open(Some(&path)).unwrap();
        assert!(!path.exists());
        output.write("all of it\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "all of it\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unwritable_place_is_an_error_before_the_run() {
        assert!(Output::open(Some(Path::new("/no/such/folder/report"))).is_err());
    }
}
