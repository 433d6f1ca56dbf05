//! Why a run ends.

use std::{
    future::{Future, pending},
    io,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use super::started::Started;

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGINT: the user has seen enough.
    Interrupted,
    /// SIGTERM: somebody else has.
    Terminated,
    /// The time that the user gave is over.
    Elapsed,
    /// What was watched has ended.
    TargetEnded,
}

/// SIGINT and SIGTERM, caught from when this is made to the end of the process: tokio does not let
/// go of a signal.
pub struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    /// Catches them, but for one that was ignored when zc was started, as SIGINT is for what a
    /// script starts in the background: whoever ignores it for zc does not mean zc by it.
    ///
    /// # Errors
    /// When the kernel does not let it.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O.
    pub fn catch() -> io::Result<Self> {
        let started = Started::of_self();
        let catch = |kind: SignalKind| {
            let ignored = started.ignores(kind.as_raw_value());
            (!ignored).then(|| signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
        })
    }

    /// Waits until the run ends: by a signal, after `limit`, or with `target`, whose result is not
    /// looked at. A Ctrl-C that also ends the target is an interruption.
    ///
    /// # Errors
    /// What `target` fails with.
    pub async fn ending<T>(
        &mut self,
        limit: Option<Duration>,
        target: impl Future<Output = io::Result<T>>,
    ) -> io::Result<Ending> {
        let elapsed = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            ending = self.next() => Ok(ending),
            ended = target => ended.map(|_| Ending::TargetEnded),
            () = elapsed => Ok(Ending::Elapsed),
        }
    }

    /// Waits for `work`, as for a command to end after a Ctrl-C, but only until the next signal:
    /// `None` then.
    pub async fn unless_again<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.next() => None,
            done = work => Some(done),
        }
    }

    async fn next(&mut self) -> Ending {
        tokio::select! {
            biased;
            () = caught(&mut self.interrupt) => Ending::Interrupted,
            () = caught(&mut self.terminate) => Ending::Terminated,
        }
    }
}

/// Waits for a signal that is caught.
async fn caught(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    // It is not caught. Tokio says "no more" only when its own end of it is gone.
    pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Kind, getpid, kill_process};

    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(3600));

    fn endless() -> impl Future<Output = io::Result<()>> {
        pending()
    }

    fn kill(signal: Kind) {
        kill_process(getpid(), signal).unwrap();
    }

    /// One test, since a process has its signals once.
    #[tokio::test]
    async fn the_first_of_all_reasons_counts() {
        let mut signals = Signals::catch().unwrap();
        let soon = Some(Duration::from_millis(1));
        assert_eq!(signals.ending(soon, endless()).await.unwrap(), Ending::Elapsed);
        let target = async { Ok(7) };
        assert_eq!(signals.ending(LONG, target).await.unwrap(), Ending::TargetEnded);
        let lost = async { Err::<(), _>(io::Error::other("lost")) };
        assert!(signals.ending(LONG, lost).await.is_err());

        if signals.interrupt.is_none() || signals.terminate.is_none() {
            eprintln!("skipped: whoever started this test ignores SIGINT or SIGTERM");
            return;
        }
        kill(Kind::TERM);
        assert_eq!(signals.ending(LONG, endless()).await.unwrap(), Ending::Terminated);
        kill(Kind::INT);
        assert_eq!(signals.ending(None, endless()).await.unwrap(), Ending::Interrupted);
        // One signal is one reason: the work after it is waited for until another comes.
        assert_eq!(signals.unless_again(async { 7 }).await, Some(7));
        kill(Kind::INT);
        assert_eq!(signals.unless_again(endless()).await.map(drop), None);
    }
}
