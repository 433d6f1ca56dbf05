//! Measuring in a thread of its own, so that the user can end it.

use std::time::Duration;

use anyhow::anyhow;
use tokio::{
    signal::{
        ctrl_c,
        unix::{self, SignalKind},
    },
    task::spawn_blocking,
    time::sleep,
};

use super::Failure;
use crate::transfer::session::Running;

/// Does `work` until it is done, takes longer than `limit`, or the user ends it; also says whether the
/// user did. `work` sees the workers that it started die, and comes to an end with what it has.
///
/// # Errors
/// What `work` failed with; that it took too long, or was ended, before it had anything.
pub(super) fn run<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&Running) -> Result<T, Failure> + Send + 'static,
) -> Result<(T, bool), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::unobserved)?;
    runtime.block_on(until_ended(limit, work))
}

async fn until_ended<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&Running) -> Result<T, Failure> + Send + 'static,
) -> Result<(T, bool), Failure> {
    let running = Running::default();
    let workers = running.clone();
    let work = spawn_blocking(move || work(&workers));
    tokio::pin!(work);
    let mut terminate = unix::signal(SignalKind::terminate()).map_err(Failure::unobserved)?;
    let (why, interrupted) = tokio::select! {
        done = &mut work => {
            return done.map_err(Failure::unobserved)?.map(|done| (done, false));
        }
        () = sleep(limit) => {
            (format!("not done after {} s: give a longer --timeout", limit.as_secs()), false)
        }
        _ = ctrl_c() => ("interrupted".to_owned(), true),
        _ = terminate.recv() => ("terminated".to_owned(), true),
    };
    running.stop(why.clone());
    match work.await.map_err(Failure::unobserved)? {
        Ok(done) => Ok((done, interrupted)),
        Err(_) if interrupted => Err(Failure::interrupted(&why)),
        Err(_) => Err(Failure::unobserved(anyhow!(why))),
    }
}
