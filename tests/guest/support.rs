//! Running zc and looking at what it leaves.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{counting::release, report::Lab};

/// The program under test.
pub(crate) fn zc() -> Command {
    let mut command = Command::new(env::var_os("ZC").unwrap_or_else(|| "/bin/zc".into()));
    // What a bare terminal has; colour is tested on its own.
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs `zc` to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let output = zc().args(arguments).output().expect("zc starts");
    nothing_left_behind();
    output
}

/// The exit status; a signal fails the test.
pub(crate) fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("zc was killed: {output:?}"))
}

/// What it wrote to stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

/// What it wrote to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8")
}

/// The same, once for all tests that look at a run with these arguments: under emulation a run
/// takes the better part of ten seconds.
pub(crate) fn shared(arguments: &[&str]) -> Output {
    static RUNS: Mutex<BTreeMap<Vec<String>, Output>> = Mutex::new(BTreeMap::new());
    let key: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    runs.entry(key).or_insert_with(|| run(arguments)).clone()
}

/// Runs `zc lab --json` with `arguments`: its exit status and report.
pub(crate) fn lab(arguments: &[&str]) -> (i32, Lab) {
    parsed(&run(&[&["lab", "--json"], arguments].concat()))
}

/// Every style with a small payload, in JSON.
pub(crate) const SMALL_LAB: &[&str] = &["lab", "--json", "--size", "4M"];

/// That run's exit status and report.
pub(crate) fn small_lab() -> (i32, Lab) {
    parsed(&shared(SMALL_LAB))
}

/// The exit status and the report of a `zc lab --json`.
pub(crate) fn parsed(output: &Output) -> (i32, Lab) {
    let text = stdout(output);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error} in {text}\nstderr: {}", stderr(output)));
    (status(output), report)
}

/// A folder on the guest's disk, which has a page cache of its own.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/scratch").expect("/scratch is writable")
}

/// The disk with this serial number, which a guest of xtask has.
pub(crate) fn disk(serial: &str) -> PathBuf {
    let disks = fs::read_dir("/sys/block").unwrap().flatten();
    let named = |disk: &fs::DirEntry| {
        fs::read_to_string(disk.path().join("device/serial")).is_ok_and(|s| s.trim() == serial)
    };
    let mut found = disks.filter(named);
    Path::new("/dev").join(found.next().expect("a guest of xtask has this disk").file_name())
}

/// Runs a line of shell, which has to succeed.
pub(crate) fn sh(command: &str) {
    let done = Command::new("/bin/sh").args(["-c", command]).output().unwrap();
    assert!(done.status.success(), "{command}: {done:?}");
}

/// Ids of the processes with this name.
pub(crate) fn processes_called(name: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        (fs::read_to_string(entry.path().join("comm")).ok()?.trim_end() == name).then_some(pid)
    })
    .collect()
}

/// Process ids whose command line holds `words`, in this order.
pub(crate) fn processes(words: &[&str]) -> Vec<i32> {
    let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let arguments: Vec<_> = line.split(|byte| *byte == 0).collect();
        arguments
            .windows(words.len())
            .any(|w| w.iter().zip(words).all(|(a, b)| *a == b.as_bytes()))
            .then_some(pid)
    })
    .collect()
}

/// Waits until `ready` gives something.
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} after a minute");
        sleep(Duration::from_millis(10));
    }
}

/// Fails if a worker, a temporary file, a pinned object or a loaded program is there.
pub(crate) fn nothing_left_behind() {
    release();
    // The kernel frees programs and processes a moment after the last reference goes.
    wait_for("end of all workers", || processes(&["worker"]).is_empty().then_some(()));
    wait_for("unloading of all programs", || loaded_programs().is_empty().then_some(()));
    for folder in ["/tmp", "/var/tmp", "/sys/fs/bpf"] {
        let files: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
        let ours: Vec<_> = files
            .iter()
            .filter(|file| {
                file.to_string_lossy().contains("zc") || file.to_string_lossy().contains(".tmp")
            })
            .collect();
        assert!(ours.is_empty(), "left behind: {ours:?}");
    }
}

/// Names of all loaded BPF programs, the first 15 bytes. The guest runs nothing else that loads any.
pub(crate) fn loaded_programs() -> Vec<String> {
    aya::programs::loaded_programs()
        .flatten()
        .map(|info| info.name_as_str().unwrap_or_default().to_owned())
        .collect()
}

/// How far the kernel hides its addresses, and keeps perf_event_open(2) to the privileged
/// (Documentation/admin-guide/sysctl/kernel.rst).
pub(crate) const KPTR_RESTRICT: &str = "/proc/sys/kernel/kptr_restrict";
pub(crate) const PERF_EVENT_PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// A setting of the kernel, changed for a while.
pub(crate) struct Setting(String, String);

/// Makes the setting that `file` shows `value`, until the result goes.
pub(crate) fn set(file: impl Into<String>, value: &str) -> Setting {
    let file = file.into();
    let before = fs::read_to_string(&file).expect("the kernel has it");
    fs::write(&file, value).expect("it can be changed");
    Setting(file, before)
}

/// Makes `bytes` the largest packet of a network device, until the result goes.
pub(crate) fn mtu(device: &str, bytes: u32) -> Setting {
    set(format!("/sys/class/net/{device}/mtu"), &bytes.to_string())
}

impl Drop for Setting {
    fn drop(&mut self) {
        fs::write(&self.0, self.1.trim()).expect("it can be changed back");
    }
}
