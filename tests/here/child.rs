//! This test program as a command that zc starts: what a shell cannot do call by call.

use std::{env, fs::File, os::unix::fs::FileExt, process::Command, thread};

/// Tells the program to be such a command, and which file to read.
const FILE: &str = "ZC_HERE_READS";

/// How many threads read. Thread n reads n times, n × 100 bytes.
pub(crate) const THREADS: usize = 3;

/// The name of a thread.
pub(crate) fn name(n: usize) -> String {
    format!("reader {n}")
}

/// Makes `command` one that reads `file` with [`THREADS`] threads, by `pread64`, which nothing else
/// that it does calls but the loader of programs.
pub(crate) fn reading(command: &mut Command, file: &std::path::Path) {
    command.arg("--").arg(env::current_exe().expect("this program has a path"));
    command.args(["--ignored", "--exact", "child::reads", "--quiet"]).env(FILE, file);
}

#[test]
#[ignore = "the command that other tests start"]
fn reads() {
    let Some(path) = env::var_os(FILE) else { return };
    let file = File::open(path).unwrap();
    thread::scope(|scope| {
        for n in 1..=THREADS {
            let file = &file;
            let reads = move || {
                for _ in 0..n {
                    file.read_exact_at(&mut vec![0; n * 100], 0).unwrap();
                }
            };
            thread::Builder::new().name(name(n)).spawn_scoped(scope, reads).unwrap();
        }
    });
}
