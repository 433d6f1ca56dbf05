//! Waiting for other processes, by what the kernel says of them.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `ready` gives something.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} after a minute");
        sleep(PAUSE);
    }
}

/// Waits until a process has stopped itself.
pub(crate) fn stopped(pid: u32) {
    wait_for("stopped process", || (states(pid) == ['T']).then_some(()));
}

/// Waits until a server has done all that it was asked for: its threads sleep, and still do so when
/// one looks again after a while.
pub(crate) fn idle(pid: u32) {
    const LOOKS: u32 = 10;
    let mut quiet = 0;
    wait_for("idle server", || {
        let sleeps = states(pid).iter().all(|state| *state == 'S');
        quiet = if sleeps { quiet + 1 } else { 0 };
        (quiet == LOOKS).then_some(())
    });
}

/// The state of each thread (proc_pid_stat(5)). One that has just ended has none.
fn states(pid: u32) -> Vec<char> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there").flatten();
    tasks
        .filter_map(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            // The name before it is in parentheses, and may have some itself.
            stat.rsplit_once(") ")?.1.chars().next()
        })
        .collect()
}

/// Waits until somebody listens on a port of 127.0.0.1. A connection would ask that too, but the
/// server would have to deal with it.
pub(crate) fn listening(port: u16) {
    const LISTEN: &str = "0A";
    let wanted = format!("0100007F:{port:04X}");
    wait_for("listener", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("the kernel has TCP");
        table.lines().find_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let listens = words.next() == Some(&wanted) && words.nth(1) == Some(LISTEN);
            listens.then_some(())
        })
    });
}
