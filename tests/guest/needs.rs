//! What a test needs of the kernel that it runs on, asked of that kernel and not of its version.
//!
//! A test that cannot run ends with [`needs!`]; `cargo xtask test` counts it as ignored, and closes
//! with its reason.

use std::{fs, io::Write};

use zc::{
    kernel::btf::VMLINUX,
    probes::{catalogue::entry, resolve::resolve},
};
use zc_common::Site;

/// `Err` says what the kernel lacks and where that was seen.
pub(crate) type Need = Result<(), String>;

/// Ends the test as skipped unless the kernel has what it needs. For the test's own function only,
/// whose name it takes.
macro_rules! needs {
    ($need:expr) => {
        if let Err(lack) = $need {
            return $crate::needs::skip(std::any::type_name_of_val(&|| ()), &lack);
        }
    };
}
pub(crate) use needs;

/// Says that the test around `closure`, whose type's name this is, is skipped.
pub(crate) fn skip(closure: &str, lack: &str) {
    let name = closure.trim_end_matches("::{{closure}}");
    let name = name.split_once("::").map_or(name, |(_crate, name)| name);
    // One write of one line. The test runner keeps what `eprintln!` says of a test that passes.
    let line = format!("{}{name}: {}\n", zc_guest::SKIP, lack.replace('\n', " "));
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
}

/// A function of this name, traceable or not.
pub(crate) fn function(name: &str) -> Need {
    const SYMBOLS: &str = "/proc/kallsyms";
    let symbols = fs::read_to_string(SYMBOLS).expect("the kernel names its symbols");
    let found = symbols.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("t"))
            && words.next() == Some(name)
    });
    if found { Ok(()) } else { Err(format!("the kernel has no function {name} ({SYMBOLS})")) }
}

/// One of the functions that `site` is counted at, in the types that the kernel publishes.
pub(crate) fn site(site: Site) -> Need {
    match resolve().expect("the kernel publishes its types").functions[site as usize] {
        Some(_) => Ok(()),
        None => {
            let names = entry(site).functions.join(" or ");
            Err(format!("the kernel has no function {names} ({VMLINUX})"))
        }
    }
}

/// A kernel that was started with `argument`.
pub(crate) fn boot_argument(argument: &str) -> Need {
    const LINE: &str = "/proc/cmdline";
    let line = fs::read_to_string(LINE).expect("the kernel tells how it was started");
    if line.split_whitespace().any(|word| word == argument) {
        Ok(())
    } else {
        Err(format!("the kernel was not started with {argument} ({LINE})"))
    }
}

/// A kernel that may be preempted wherever it does not forbid it.
pub(crate) fn full_preemption() -> Need {
    preempts(&["(full)"])
}

/// The same, or not at once (`lazy`, 6.13 and later).
pub(crate) fn preemption() -> Need {
    preempts(&["(full)", "(lazy)"])
}

fn preempts(modes: &[&str]) -> Need {
    const MODE: &str = "/sys/kernel/debug/sched/preempt";
    // Kernels before 5.12 have no such file, nor any other way to change the mode.
    let all = fs::read_to_string(MODE).unwrap_or_else(|error| error.to_string());
    // The mode in force stands in parentheses.
    if modes.iter().any(|mode| all.contains(mode)) {
        Ok(())
    } else {
        Err(format!("the kernel is not fully preemptible ({MODE}: {})", all.trim()))
    }
}
