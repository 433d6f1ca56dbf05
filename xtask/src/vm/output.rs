//! The guest command's output on its way through the host.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Where the command's output goes while the machine runs.
pub(crate) struct Sinks {
    pub(crate) stdout: Box<dyn Write>,
    pub(crate) stderr: Box<dyn Write>,
}

impl Sinks {
    /// This process's own standard output and error.
    pub(crate) fn of_this_process() -> Self {
        Self {
            stdout: Box::new(Forgiving(io::stdout())),
            stderr: Box::new(Forgiving(io::stderr())),
        }
    }

    /// Each collected, for later.
    pub(crate) fn collecting(stdout: &Arc<Mutex<Vec<u8>>>, stderr: &Arc<Mutex<Vec<u8>>>) -> Self {
        let sink = |output| Box::new(Collected(Arc::clone(output)));
        Self { stdout: sink(stdout), stderr: sink(stderr) }
    }
}

/// What was collected, as text.
pub(crate) fn text(collected: &Mutex<Vec<u8>>) -> String {
    let bytes = collected.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file that QEMU appends to, passed on as it grows. A file and not a pipe: it never blocks the
/// guest and never loses a byte, however slowly the output is read.
pub(crate) struct Tail(File);

impl Tail {
    /// Creates the empty file, before QEMU opens it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let context = || format!("cannot create {}", path.display());
        File::create(path).with_context(context)?;
        File::open(path).map(Self).with_context(context)
    }

    /// Passes on what is new.
    pub(crate) fn pass_on(&mut self, sink: &mut impl Write) -> Result<()> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).context("cannot read the guest's output")?;
        if bytes.is_empty() {
            return Ok(());
        }
        sink.write_all(&bytes).and_then(|()| sink.flush()).context("cannot pass the output on")
    }
}

/// Output that is shown when it is complete.
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut collected = self.0.lock().map_err(|_| io::Error::other("a writer panicked"))?;
        collected.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output or error for a guest whose output is shown as it comes. A reader that went
/// away (`| head`) is no reason to fail.
struct Forgiving<W>(W);

impl<W: Write> Write for Forgiving<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_file_is_passed_on_piece_by_piece() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut tail = Tail::create(&path).unwrap();
        let mut seen = Vec::new();
        let mut writer = File::options().append(true).open(&path).unwrap();
        for piece in [&b"one\0"[..], b"", b"\xfftwo"] {
            writer.write_all(piece).unwrap();
            tail.pass_on(&mut seen).unwrap();
        }
        assert_eq!(seen, b"one\0\xfftwo");
    }
}
