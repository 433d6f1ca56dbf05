//! The running kernel's name and settings.

use std::fs;

use serde::Serialize;

/// The running kernel.
#[derive(Clone, Debug, Serialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub version: String,
    /// `uname -m`.
    pub architecture: String,
}

impl Kernel {
    /// Asks uname(2).
    pub fn running() -> Self {
        let uname = rustix::system::uname();
        let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
        Self {
            release: text(uname.release()),
            version: text(uname.version()),
            architecture: text(uname.machine()),
        }
    }
}

/// The active lockdown mode: `none`, `integrity` or `confidentiality`; `None` when the kernel has
/// no lockdown or does not show it (`/sys/kernel/security/lockdown`).
pub fn lockdown() -> Option<String> {
    let modes = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    active_mode(&modes)
}

/// A kernel setting under `/proc/sys/`, such as `kernel/perf_event_paranoid`.
pub fn setting(path: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{path}")).ok().map(|value| value.trim().to_owned())
}

/// Where tracefs is mounted.
pub fn tracefs() -> Option<&'static str> {
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .into_iter()
        .find(|folder| fs::metadata(format!("{folder}/events")).is_ok())
}

/// The address of a kernel symbol; `None` when it is absent or hidden (`kernel.kptr_restrict`).
pub fn symbol_address(name: &str) -> Option<u64> {
    let symbols = fs::read_to_string("/proc/kallsyms").ok()?;
    symbols.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        (words.nth(1)? == name && address != 0).then_some(address)
    })
}

fn active_mode(modes: &str) -> Option<String> {
    let (_, rest) = modes.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_active_lockdown_mode_is_the_bracketed_one() {
        assert_eq!(active_mode("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(active_mode(""), None);
    }
}
