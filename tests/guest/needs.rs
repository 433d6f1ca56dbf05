//! What a test needs of the kernel that it runs on, asked of that kernel and not of its version.
//!
//! A test that cannot run ends with [`needs!`]; `cargo xtask test` counts it as ignored, and closes
//! with its reason.

use std::{fs, process::Command};

use zc::{
    kernel::btf::VMLINUX,
    probes::{catalogue::entry, resolve::resolve},
};
use zc_common::Site;

pub(crate) use crate::skip::{Need, needs};

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

/// A protocol above TCP, whose module is loaded if there is one.
pub(crate) fn ulp(name: &str) -> Need {
    const ALL: &str = "/proc/sys/net/ipv4/tcp_available_ulp";
    let _no_module = Command::new("/bin/busybox").args(["modprobe", "-q", name]).status();
    let all = fs::read_to_string(ALL).unwrap_or_default();
    if all.split_whitespace().any(|known| known == name) {
        Ok(())
    } else {
        Err(format!("the kernel has no {name} above TCP ({ALL})"))
    }
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

/// A kernel whose release begins so.
pub(crate) fn release(prefix: &str) -> Need {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    if release.starts_with(prefix) {
        Ok(())
    } else {
        Err(format!("the documents show {prefix}*, and this is {release}"))
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
