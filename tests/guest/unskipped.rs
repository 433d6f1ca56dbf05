//! Runs in which the kernel skips no program, and a scheduler under which it seldom does: one that
//! lets a task go on for longer.

use std::fs;

/// Since 6.6 (kernel/sched/debug.c). Earlier kernels of the tests preempt nobody in the kernel.
const SLICE: &str = "/sys/kernel/debug/sched/base_slice_ns";

/// A tenth of a second, many of the timer's ticks.
const LONG: &str = "100000000";

/// While it lives, a task that others wait for keeps its CPU for long, for work of which a test
/// wants no program skipped. The kernel skips one that is already running on the CPU, in a task
/// that was preempted inside it. Each time zc attaches, an emulator translates the programs anew as
/// they first run, which takes about as long as a usual slice: without this, most runs are skipped
/// somewhere.
pub(crate) struct LongSlices {
    usual: Option<String>,
}

impl LongSlices {
    pub(crate) fn set() -> Self {
        let usual = fs::read_to_string(SLICE).ok();
        if usual.is_some() {
            fs::write(SLICE, LONG).expect("root may set it");
        }
        Self { usual }
    }
}

impl Drop for LongSlices {
    fn drop(&mut self) {
        if let Some(usual) = &self.usual {
            fs::write(SLICE, usual).expect("it could be set before");
        }
    }
}

/// The first of `tries` runs in which the kernel skips no program; `skips` says which it skipped.
pub(crate) fn until_unskipped<T>(
    tries: usize,
    mut run: impl FnMut() -> T,
    skips: impl Fn(&T) -> Option<String>,
) -> T {
    let _slices = LongSlices::set();
    let mut skipped = None;
    for _ in 0..tries {
        let result = run();
        skipped = skips(&result);
        if skipped.is_none() {
            return result;
        }
    }
    panic!("programs were skipped in each of {tries} tries, in the last: {skipped:?}");
}
