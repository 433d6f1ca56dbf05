//! The names of the kernel's functions, from `/proc/kallsyms`.

use std::{fmt, fs};

use crate::kernel::facts::setting;

/// No function of the kernel is as long, in bytes. What lies further behind the last function of a
/// module, or of the kernel, is in no function that is known.
const LONGEST: u64 = 64 << 10;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name. A module may choose any.
    pub name: &'a str,
    /// Its module; `None` for the kernel's own.
    pub module: Option<&'a str>,
}

impl fmt::Display for Symbol<'_> {
    /// As in `/proc/kallsyms`: `name [module]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module {
            Some(module) => write!(f, "{} [{module}]", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// A line of the file.
#[derive(Clone, Debug)]
struct Entry {
    address: u64,
    /// Whether it is a function.
    code: bool,
    name: String,
    module: Option<String>,
}

/// All functions, by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// By address; one for each.
    entries: Vec<Entry>,
    hidden: Option<String>,
}

impl Symbols {
    /// Reads what the kernel shows at the moment. The programs that it has loaded are in it, so zc's
    /// own have to be attached by then.
    pub fn of_kernel() -> Self {
        match fs::read("/proc/kallsyms") {
            Ok(file) => {
                let restricted = setting("kernel/kptr_restrict");
                Self::parse(&String::from_utf8_lossy(&file), restricted.as_deref())
            }
            Err(error) => Self {
                entries: Vec::new(),
                hidden: Some(format!("stacks have no names: cannot read /proc/kallsyms: {error}")),
            },
        }
    }

    /// From the lines of the file, and what `kernel.kptr_restrict` is.
    pub(super) fn parse(file: &str, restricted: Option<&str>) -> Self {
        let mut entries: Vec<_> = file.lines().filter_map(Entry::parse).collect();
        if entries.is_empty() {
            let restricted = restricted.unwrap_or("unknown");
            let hidden = format!(
                "stacks have no names: the kernel hides the addresses of its functions: be root or \
                 have CAP_SYSLOG, and set kernel.kptr_restrict to less than 2 (it is {restricted})"
            );
            return Self { entries, hidden: Some(hidden) };
        }
        // Stable: of several names for an address, the kernel lists the best one first
        // (compare_symbols, scripts/kallsyms.c). But a function goes before whatever else is there.
        entries.sort_by_key(|entry| (entry.address, !entry.code));
        entries.dedup_by_key(|entry| entry.address);
        Self { entries, hidden: None }
    }

    /// Why no function has a name, if so.
    pub fn hidden(&self) -> Option<&str> {
        self.hidden.as_deref()
    }

    /// The function that `address` lies in; `None` when it lies in none that is known.
    pub fn at(&self, address: u64) -> Option<Symbol<'_>> {
        let next = self.entries.partition_point(|entry| entry.address <= address);
        let found = self.entries.get(next.checked_sub(1)?)?;
        // A function ends where the next symbol begins, unless that is somebody else's.
        let bounded = self.entries.get(next).is_some_and(|next| next.module == found.module);
        if !found.code || !(bounded || address - found.address < LONGEST) {
            return None;
        }
        Some(Symbol { name: &found.name, module: found.module.as_deref() })
    }
}

impl Entry {
    /// `address type name`, and behind a tab `[module]`. A hidden address is 0.
    fn parse(line: &str) -> Option<Self> {
        let (symbol, module) = match line.split_once('\t') {
            Some((symbol, module)) => (symbol, Some(module)),
            None => (line, None),
        };
        let mut words = symbol.splitn(3, ' ');
        let address =
            u64::from_str_radix(words.next()?, 16).ok().filter(|address| *address != 0)?;
        let code = matches!(words.next()?, "t" | "T" | "w" | "W");
        let name = words.next()?.to_owned();
        let module = module.map(|module| {
            let bare = module.strip_prefix('[').and_then(|module| module.strip_suffix(']'));
            bare.unwrap_or(module).to_owned()
        });
        Some(Self { address, code, name, module })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
        ffffffff81000000 T _text\n\
        ffffffff81000000 T startup\n\
        ffffffff81000100 D data\n\
        ffffffff81000100 t read\n\
        ffffffff81000180 D more\n\
        ffffffff81000200 W write\n\
        ffffffffc0000000 t ext4_read\t[ext4]\n\
        ffffffffc0000300 t bpf_prog_1_x\t[bpf]\n";

    fn at(address: u64) -> Option<String> {
        Symbols::parse(FILE, None).at(address).map(|symbol| symbol.to_string())
    }

    #[test]
    fn an_address_is_in_the_function_that_begins_before_it() {
        assert_eq!(at(0xffff_ffff_80ff_ffff), None);
        assert_eq!(at(0xffff_ffff_8100_0000).as_deref(), Some("_text"));
        assert_eq!(at(0xffff_ffff_8100_00ff).as_deref(), Some("_text"));
        assert_eq!(at(0xffff_ffff_8100_0100).as_deref(), Some("read"));
        assert_eq!(at(0xffff_ffff_8100_0210).as_deref(), Some("write"));
        assert_eq!(at(0xffff_ffff_c000_02ff).as_deref(), Some("ext4_read [ext4]"));
    }

    #[test]
    fn what_lies_in_no_function_has_no_name() {
        assert_eq!(at(0xffff_ffff_8100_0180), None, "data");
        assert_eq!(at(0xffff_ffff_8101_0200), None, "far behind the kernel's last function");
        assert_eq!(at(0xffff_ffff_c001_0300), None, "far behind the last of all");
        assert_eq!(at(0), None);
    }

    #[test]
    fn hidden_addresses_have_a_reason() {
        let symbols = Symbols::parse("0000000000000000 T _text\n", Some("2"));
        assert_eq!(symbols.at(0xffff_ffff_8100_0000), None);
        let why = symbols.hidden().unwrap();
        assert!(why.contains("kernel.kptr_restrict to less than 2 (it is 2)"), "{why}");
        assert!(Symbols::parse(FILE, None).hidden().is_none());
    }
}
