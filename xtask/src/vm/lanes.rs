//! Guests side by side, as many as the machine carries.

use std::fs;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

use super::MEMORY_MIB;

/// QEMU's own memory on top of the guest's.
const OVERHEAD_MIB: u64 = 512;

/// Processors of guests to a core, where they may crowd it: two thirds of the time a guest waits, for the
/// kernel to detach probes, which takes a grace period each (`ftrace_shutdown`, kernel/trace/ftrace.c).
pub(crate) const CROWDED: usize = 3;

/// The same where they should not: the fewer instructions a guest gets done between two ticks of its
/// clock, the more often it is preempted inside a probe, and the more counts its kernel skips.
pub(crate) const AT_EASE: usize = 1;

/// Does `work` with each of `items`, a guest of so many `processors` each, of which so many come to a core;
/// the results are in their order.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    processors: u32,
    to_a_core: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let lanes = lanes(
        thread::available_parallelism().map_or(1, NonZero::get),
        processors as usize,
        to_a_core,
        available_mib()?,
    );
    let queue = Mutex::new(items.iter().enumerate());
    // In a statement of its own: the queue is free again while a guest runs.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let lane = || {
        let mut done = Vec::new();
        while let Some((index, item)) = next() {
            done.push((index, work(item)?));
        }
        Ok(done)
    };
    let mut done = thread::scope(|scope| {
        let running: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let join = |lane: thread::ScopedJoinHandle<'_, Result<Vec<_>>>| {
            lane.join().map_err(|_| anyhow!("a guest's thread panicked"))?
        };
        running.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let mut done: Vec<_> = done.drain(..).flatten().collect();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// How many guests run at once.
fn lanes(cores: usize, processors: usize, to_a_core: usize, available_mib: u64) -> usize {
    let by_memory = available_mib / (u64::from(MEMORY_MIB) + OVERHEAD_MIB);
    let by_cores = cores * to_a_core / processors;
    by_cores.min(usize::try_from(by_memory).unwrap_or(usize::MAX)).max(1)
}

fn available_mib() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    match parse_available(&text) {
        Some(kib) => Ok(kib / 1024),
        None => bail!("/proc/meminfo does not say how much memory is available"),
    }
}

fn parse_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        let text = "MemTotal:  100 kB\nMemAvailable:   23421952 kB\n";
        assert_eq!(parse_available(text), Some(23_421_952));
        assert_eq!(parse_available(""), None);
    }

    #[test]
    fn guests_share_cores_and_memory() {
        assert_eq!(lanes(2, 1, CROWDED, 23_000), 6);
        assert_eq!(lanes(8, 2, CROWDED, 23_000), 12);
        assert_eq!(lanes(8, 1, CROWDED, 5_000), 3);
        assert_eq!(lanes(1, 2, CROWDED, 500), 1);
        assert_eq!(lanes(8, 2, AT_EASE, 23_000), 4);
    }

    #[test]
    fn results_keep_their_order() {
        let doubled = side_by_side(&[3, 1, 2], 1, AT_EASE, |number| Ok(number * 2)).unwrap();
        assert_eq!(doubled, [6, 2, 4]);
    }
}
