//! What is going on, on standard error: a spinner on a terminal, else plain lines. Standard
//! output belongs to the command that is run.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::LazyLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Guests run side by side, so several spinners may turn at once.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Steps that are over sooner need no line.
const NOTABLE: Duration = Duration::from_secs(1);

/// A step that may take a while; over when dropped.
pub(crate) struct Step {
    spinner: Option<ProgressBar>,
    message: String,
    // Dropping it tells the announcer that the step is over.
    _over: Option<Sender<()>>,
}

impl Step {
    /// Begins a step, described as what is being done: "building zc".
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        if io::stderr().is_terminal() {
            let spinner = SPINNERS.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                spinner.set_style(style);
            }
            spinner.set_message(message.clone());
            spinner.enable_steady_tick(Duration::from_millis(120));
            return Self { spinner: Some(spinner), message, _over: None };
        }
        Self { spinner: None, _over: Some(announce_later(message.clone())), message }
    }

    /// Shows what the step is at; on a terminal only.
    pub(crate) fn detail(&self, detail: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("{}: {}", self.message, detail.trim()));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
            SPINNERS.remove(&spinner);
        }
    }
}

/// Prints a line that stays.
pub(crate) fn note(message: &str) {
    SPINNERS.suspend(|| eprintln!("xtask: {message}"));
}

/// Writes a whole block to standard output without a spinner in the middle.
pub(crate) fn output(text: &[u8]) -> io::Result<()> {
    SPINNERS.suspend(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text)?;
        stdout.flush()
    })
}

fn announce_later(message: String) -> Sender<()> {
    let (over, wait) = mpsc::channel();
    thread::spawn(move || {
        if wait.recv_timeout(NOTABLE) == Err(RecvTimeoutError::Timeout) {
            note(&format!("{message} …"));
        }
    });
    over
}
