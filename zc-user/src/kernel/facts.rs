//! The running kernel's name and settings.

use std::{collections::HashMap, fs};

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

/// The addresses of those kernel symbols of `names` that exist, `None` where the kernel hides them
/// (`kernel.kptr_restrict`).
pub fn symbol_addresses<'a>(names: &[&'a str]) -> HashMap<&'a str, Option<u64>> {
    addresses_in(&fs::read_to_string("/proc/kallsyms").unwrap_or_default(), names)
}

/// Lines of `/proc/kallsyms`: address, type, name, and the module where it is of one. A hidden
/// address is 0. Two functions may have one name: the first is the kernel's own.
fn addresses_in<'a>(symbols: &str, names: &[&'a str]) -> HashMap<&'a str, Option<u64>> {
    let mut found = HashMap::new();
    for line in symbols.lines() {
        let mut words = line.split(' ');
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let Some(&wanted) = names.iter().find(|wanted| **wanted == name)
            && let Ok(address) = u64::from_str_radix(address, 16)
        {
            found.entry(wanted).or_insert((address != 0).then_some(address));
        }
    }
    found
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

    #[test]
    fn hidden_and_absent_symbols_have_no_address() {
        let symbols = "\
            ffffffff81000010 T _text\n\
            0000000000000000 T hidden\n\
            ffffffff81000020 t one.cold\n\
            ffffffff81000030 t one\n\
            ffffffffc0000040 t one\t[module]\n";
        let found = addresses_in(symbols, &["hidden", "one", "absent"]);
        assert_eq!(found, HashMap::from([("one", Some(0xffff_ffff_8100_0030)), ("hidden", None)]));
    }
}
