//! Mode switches by cause, context switches, and what devices move, each against a count that the
//! kernel keeps by itself.

use std::{
    collections::BTreeMap,
    fs,
    hint::spin_loop,
    process::{self, abort},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid},
    thread::{CpuSet, sched_setaffinity, sched_yield},
};
use zc::{
    measure::{Engine, Sample},
    probes::attach::Status,
};
use zc_common::{Group, Interrupt};

use crate::{
    counting::counting,
    devices::cold_file,
    mapping::Mapping,
    needs,
    support::{shared, small_lab, stdout},
};

/// What this process did in `work`, and the machine.
pub(crate) fn count(work: impl FnOnce()) -> [Sample; 2] {
    counting(|counter| counter.count_once(work))
}

/// No meter is refused but the one that asks for a helper of 5.15.
fn assert_metered(engine: &Engine) {
    for status in &engine.probes().meters {
        if let Status::Refused { function, reason } = status {
            assert!(
                *function == "reschedule_entry" && reason.contains("func unknown"),
                "{function}: {reason}"
            );
        }
    }
}

/// Whether zc can count the interrupts of devices: on 5.10 their entry is inlined.
fn devices_are_seen() -> bool {
    // Reading the names of all functions takes many interrupts' time.
    static SEEN: LazyLock<bool> = LazyLock::new(|| needs::function("__common_interrupt").is_ok());
    *SEEN
}

/// Interrupts of all the kinds that zc counts here, on all CPUs since boot (Documentation/
/// filesystems/proc.rst); those of devices have numbers. `TLB` says what some of the `CAL` were for.
fn interrupts_since_boot() -> u64 {
    let devices = devices_are_seen();
    let text = fs::read_to_string("/proc/interrupts").unwrap();
    let cpus = text.lines().next().unwrap().split_whitespace().count();
    let counted = |name: &str| {
        (devices && name.parse::<u32>().is_ok())
            || ["LOC", "IWI", "RES", "CAL", "HYP", "HVS"].contains(&name)
    };
    let lines = text.lines().skip(1).filter_map(|line| line.trim().split_once(':'));
    lines
        .filter(|(name, _)| counted(name))
        .flat_map(|(_, counts)| counts.split_whitespace().take(cpus))
        .map(|count| count.parse::<u64>().unwrap())
        .sum()
}

fn hits(sample: &Sample) -> (u64, u64) {
    let all = &sample.meters.interrupts;
    (all.iter().map(|by| by.user).sum(), all.iter().map(|by| by.kernel).sum())
}

/// Runs for a while without entering the kernel: nothing but the loop and the vDSO's clock.
fn spin() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        spin_loop();
    }
}

/// Counts the interrupts of a while. The kernel's own count is read before and after each edge of
/// it, and the number has to be between; `None` where the edges were too wide to say much.
fn count_interrupts(engine: &mut Engine, own: Group) -> Option<BTreeMap<Group, Sample>> {
    let outer = interrupts_since_boot();
    engine.arm(&[own, Group::MACHINE]).unwrap();
    let inner = interrupts_since_boot();
    spin();
    // What devices do: a thread sleeps, a disk reads.
    let (_folder, path) = cold_file();
    fs::read(path).unwrap();
    let inner = interrupts_since_boot() - inner;
    let counted = engine.disarm().unwrap();
    let outer = interrupts_since_boot() - outer;
    let sum: u64 = counted.values().map(|sample| hits(sample).0 + hits(sample).1).sum();
    // Each other CPU may have been in the middle of one at either edge.
    let others = thread::available_parallelism().unwrap().get() as u64 - 1;
    assert!(inner <= sum + others && sum <= outer + others, "{inner} <= {sum} <= {outer}");
    assert!(inner > 20);
    (outer - inner < 100).then_some(counted)
}

#[test]
fn every_interrupt_is_counted_once() {
    let own = Group::traced(1).unwrap();
    devices_are_seen();
    let counted = counting(|counter| {
        let engine = counter.engine();
        assert_metered(engine);
        engine.watch(process::id(), own).unwrap();
        // On a busy host the guest's clock goes on while the guest does not.
        (0..5).find_map(|_| count_interrupts(engine, own))
    });
    let counted = counted.expect("narrow edges once in five times");
    let kind = |kind: Interrupt| {
        let by = counted.values().map(|sample| sample.meters.interrupts[kind as usize]);
        by.map(|by| by.user + by.kernel).sum::<u64>()
    };
    assert!(kind(Interrupt::Timer) > 0);
    assert_eq!(kind(Interrupt::Device) > 0, devices_are_seen());
}

#[test]
fn an_interrupt_is_a_mode_switch_only_where_it_hits_a_program() {
    let [spinning, _] = count(spin);
    let mut buffer = vec![1; 16 << 20];
    let [filling, _] = count(|| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            // One system call that writes many pages.
            rustix::rand::getrandom(&mut buffer, rustix::rand::GetRandomFlags::empty()).unwrap();
        }
    });
    let (spun, filled) = (hits(&spinning), hits(&filling));
    // A guest that its host keeps waiting has the next interrupt due while it still handles one, in
    // the kernel, however little the program calls it: how many do is the host's affair, and only
    // the two loops beside each other say that the two modes are told apart.
    let text = format!("(user, kernel): {spun:?} in user mode, {filled:?} in the kernel");
    assert!(spun.0 > 20 && filled.1 > 20, "{text}");
    let all = |(user, kernel): (u64, u64)| user + kernel;
    assert!(spun.0 * all(filled) > 4 * filled.0 * all(spun), "{text}");
}

/// What a process of its own does in `work`: this one has another thread, the test runner's, which
/// may call the kernel at any time.
fn count_alone(work: impl Fn()) -> Sample {
    let own = Group::traced(1).unwrap();
    let once = |engine: &mut Engine| {
        let pid = child(&work);
        wait_until_stopped(pid);
        engine.watch(pid.as_raw_nonzero().get().cast_unsigned(), own).unwrap();
        engine.arm(&[own]).unwrap();
        kill_process(pid, Signal::CONT).unwrap();
        wait_until_stopped(pid);
        let sample = engine.disarm().unwrap().remove(&own).unwrap();
        end(pid);
        sample
    };
    counting(|counter| counter.unskipped(once))
}

#[test]
fn calls_in_the_vdso_switch_no_mode_and_the_same_calls_outside_switch_two_each() {
    const CALLS: u64 = 10_000;
    let clock = usize::try_from(libc::SYS_clock_gettime).unwrap();
    let new = || libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let idle = count_alone(|| {});
    let in_vdso = count_alone(|| {
        let mut time = new();
        for _ in 0..CALLS {
            // The coarse clock is a memory read in the vDSO, whatever the clock source.
            // SAFETY: writes the time to a `timespec` that outlives the call.
            unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
        }
        if (time.tv_sec, time.tv_nsec) == (0, 0) {
            abort();
        }
    });
    let in_kernel = count_alone(|| {
        let mut time = new();
        for _ in 0..CALLS {
            let time = &raw mut time;
            // SAFETY: the same.
            unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC_COARSE, time) };
        }
    });
    let calls = |sample: &Sample| sample.syscalls.get(&clock).map_or(0, |tally| tally.calls);
    assert_eq!((calls(&idle), calls(&in_vdso), calls(&in_kernel)), (0, 0, CALLS));
    // Nor any other system call.
    assert!(idle.syscall_count() > 0, "it stops itself");
    assert_eq!(in_vdso.syscall_count(), idle.syscall_count());
    assert_eq!(in_kernel.syscall_count(), idle.syscall_count() + CALLS);
}

/// `voluntary_ctxt_switches` and `nonvoluntary_ctxt_switches` of a stopped process, once it is off
/// the CPU (proc_pid_status(5)).
fn switches_of(pid: Pid) -> (u64, u64) {
    let read = || {
        let text = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        (value("voluntary_ctxt_switches:"), value("nonvoluntary_ctxt_switches:"))
    };
    loop {
        let before = read();
        thread::sleep(Duration::from_millis(50));
        if read() == before {
            return before;
        }
    }
}

/// A child that stops itself, does `work`, and stops itself again.
fn child(work: impl FnOnce()) -> Pid {
    // SAFETY: the child makes plain system calls only and never returns: it takes no lock that
    // another thread of this process may hold.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        kill_process(getpid(), Signal::STOP).unwrap();
        work();
        kill_process(getpid(), Signal::STOP).unwrap();
        // SAFETY: ends the process without running anything else of it.
        unsafe { libc::_exit(0) };
    }
    Pid::from_raw(pid).unwrap()
}

fn wait_until_stopped(pid: Pid) {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED;
    let status = waitid(WaitId::Pid(pid), options).unwrap();
    assert!(status.is_some_and(|status| status.stopped()), "it ended: {status:?}");
}

/// Lets a [`child`] that has done its work go.
fn end(pid: Pid) {
    kill_process(pid, Signal::CONT).unwrap();
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).unwrap();
}

fn first_cpu() -> CpuSet {
    let mut set = CpuSet::new();
    set.set(0);
    set
}

#[test]
fn context_switches_are_those_that_the_scheduler_counts() {
    let pid = child(|| {
        for _ in 0..100 {
            let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            // SAFETY: reads a `timespec`; there is nothing to write to.
            unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
            sched_yield();
        }
        spin();
    });
    wait_until_stopped(pid);
    sched_setaffinity(Some(pid), &first_cpu()).unwrap();
    let (counted, before, after) = counting(|counter| count_switches(counter.engine(), pid));
    end(pid);
    let switches = counted.meters.context_switches;
    assert_eq!(
        (switches.voluntary, switches.involuntary),
        (after.0 - before.0, after.1 - before.1)
    );
    assert_eq!(switches.stopped, 1, "it stops itself at the end");
    assert!(switches.voluntary >= 50, "a sleep gives the CPU up: {switches:?}");
    assert!(switches.involuntary >= 20, "and somebody else wanted it: {switches:?}");
}

/// What stopped process `pid` does until it stops again, and what the scheduler says of it before
/// and after.
fn count_switches(engine: &mut Engine, pid: Pid) -> (Sample, (u64, u64), (u64, u64)) {
    let own = Group::traced(1).unwrap();
    engine.watch(pid.as_raw_nonzero().get().cast_unsigned(), own).unwrap();
    let before = switches_of(pid);
    engine.arm(&[own]).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Something that wants the same CPU.
        scope.spawn(|| {
            sched_setaffinity(None, &first_cpu()).unwrap();
            while !done.load(Ordering::Relaxed) {
                spin_loop();
            }
        });
        kill_process(pid, Signal::CONT).unwrap();
        wait_until_stopped(pid);
        done.store(true, Ordering::Relaxed);
    });
    let after = switches_of(pid);
    (engine.disarm().unwrap().remove(&own).unwrap(), before, after)
}

#[test]
fn the_lab_names_every_cause_and_adds_them_up() {
    let (status, report) = small_lab();
    assert_eq!(status, 0);
    let whole = devices_are_seen();
    assert_eq!(report.completeness.unmetered.is_empty(), whole, "{:?}", report.completeness);
    for side in report.styles.iter().flat_map(|style| [&style.sender, style.receiver()]) {
        let causes = &side.mode_switches_by_cause;
        assert_eq!(causes.system_calls, side.syscalls.map(|calls| 2 * calls));
        assert_eq!(causes.page_faults, Some(0));
        assert_eq!(causes.interrupts, side.interrupts.user.map(|hits| 2 * hits));
        let sum = side.interrupts.kinds.iter().map(|kind| kind.user).sum();
        // A sum without one of its parts would be a guess.
        assert_eq!(side.interrupts.user, whole.then_some(sum));
        // The predicted number is without interrupts, which have no formula.
        assert_eq!(side.mode_switches, causes.system_calls);
        assert_eq!(causes.total, side.mode_switches.zip(causes.interrupts).map(|(a, b)| a + b));
        assert!(side.context_switches.is_some());
    }
    let text = stdout(&shared(&["lab"]));
    let line =
        text.lines().find(|line| line.contains("sender: switches by cause: 2048 system calls"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    for part in ["0 page faults", "interrupts in user mode", "voluntary", "block I/O read 0 bytes"]
    {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_page_touched_for_the_first_time_is_a_fault_in_user_mode() {
    // What counting itself costs in first touches is the same both times.
    let faults = |pages| {
        let touch = || Mapping::anonymous(pages).write();
        counting(|counter| counter.count(touch)).own.faults_user
    };
    faults(64);
    assert_eq!(faults(192) - faults(64), 128);
}
