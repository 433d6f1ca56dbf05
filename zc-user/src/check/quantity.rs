//! What can be asked about: the table of quantities, and where their numbers come from.

use super::{error::quoted, number::Number};
use crate::{kernel::syscalls, nearest::nearest, probes::catalogue::SITES};

/// Why a quantity has no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is no quantity of that name.
    Unknown,
    /// There is, and it was not observed: why, in words that an observed process may have chosen.
    NotObserved(String),
}

/// What was measured.
pub trait Quantities {
    /// The number of the quantity `name`, in the unit that [`QUANTITIES`] gives.
    ///
    /// # Errors
    /// [`Missing`], where there is no number. What was not observed is never 0.
    fn get(&self, name: &str) -> Result<Number, Missing>;
}

/// A row of the table of quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// What expressions call it. `NAME` stands for the name of a system call, or of a site.
    pub name: &'static str,
    /// What one of it is.
    pub unit: &'static str,
    /// One line for people.
    pub meaning: &'static str,
}

const fn row(name: &'static str, unit: &'static str, meaning: &'static str) -> Quantity {
    Quantity { name, unit, meaning }
}

/// Every quantity. `zc check --list-quantities` prints it, docs/check.md shows it.
#[rustfmt::skip]
pub const QUANTITIES: [Quantity; 30] = [
    row("moved", "bytes", "what the program moved: for each process, the larger of what came in and what went out"),
    row("copied", "bytes", "copied by the CPU, in all three directions"),
    row("user_to_kernel", "bytes", "copied by the CPU from the processes into the kernel"),
    row("kernel_to_user", "bytes", "copied by the CPU from the kernel into the processes"),
    row("kernel_to_kernel", "bytes", "copied by the CPU inside the kernel, on the processes' behalf"),
    row("copies_per_byte", "ratio", "`copied / moved`"),
    row("mode_switches", "switches", "crossings between user and kernel mode: two a system call, two a page fault in user mode"),
    row("switches_per_mib", "switches per MiB", "`mode_switches` for each MiB of `moved`"),
    row("page_faults.user", "faults", "taken in user mode"),
    row("page_faults.kernel", "faults", "taken in kernel mode, inside a copy: no mode switch"),
    row("context_switches.voluntary", "switches", "the task gave the CPU away: it waited"),
    row("context_switches.involuntary", "switches", "the CPU was taken from the task"),
    row("interrupts.user", "interrupts", "hit the program in user mode"),
    row("block_io.read_bytes", "bytes", "asked of block devices"),
    row("block_io.written_bytes", "bytes", "given to block devices"),
    row("network_bytes", "bytes", "handed to network devices that are backed by hardware, headers included"),
    row("syscalls", "calls", "system calls that returned"),
    row("syscalls.NAME.calls", "calls", "those of one system call, as in `syscalls.sendfile.calls`"),
    row("syscalls.NAME.failed", "calls", "those of one system call that returned an error"),
    row("syscalls.NAME.bytes", "bytes", "what one system call says that it moved"),
    row("syscalls.NAME.copied", "bytes", "copied by the CPU inside one system call"),
    row("sites.NAME.bytes", "bytes", "what passed one site, as in `sites.filemap_read.bytes`; docs/sites.md lists them"),
    row("sites.NAME.calls", "calls", "passes of one site"),
    row("sent.bytes", "bytes", "what went to sockets"),
    row("sent.copied", "bytes", "copied by the CPU to send it, also later in the network stack"),
    row("sent.copies_per_byte", "ratio", "`sent.copied / sent.bytes`"),
    row("received.bytes", "bytes", "what came from sockets"),
    row("received.copied", "bytes", "copied by the CPU to receive it"),
    row("received.copies_per_byte", "ratio", "`received.copied / received.bytes`"),
    row("coverage", "ratio", "how much of what system calls say that they moved was seen at a site; anything but 1 is incomplete"),
];

/// A name that is none, and where it goes wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownName {
    /// Bytes of the name before what is wrong.
    pub(super) offset: usize,
    /// What is wrong, harmless.
    pub(super) message: String,
}

/// Says whether `name` is the name of a quantity.
pub(super) fn validate(name: &str) -> Result<(), UnknownName> {
    if QUANTITIES.iter().any(|row| row.name == name && !row.is_pattern()) {
        return Ok(());
    }
    let mut segments = name.splitn(3, '.');
    let (Some(first), Some(middle), Some(last)) =
        (segments.next(), segments.next(), segments.next())
    else {
        return Err(unknown(name));
    };
    let lasts = QUANTITIES.iter().filter_map(|row| {
        row.name.strip_prefix(first)?.strip_prefix(".NAME.").filter(|last| !last.is_empty())
    });
    let lasts: Vec<_> = lasts.collect();
    let names: Vec<&str> = match first {
        "syscalls" => syscalls::names().collect(),
        "sites" => SITES.iter().map(|row| row.program).collect(),
        _ => return Err(unknown(name)),
    };
    let what = if first == "sites" { "a site" } else { "a system call" };
    if !names.contains(&middle) {
        let message = not_one_of(middle, what, nearest(middle, names));
        return Err(UnknownName { offset: first.len() + 1, message });
    }
    if !lasts.contains(&last) {
        let message = format!("{} is not counted of {what}: {}", quoted(last), lasts.join(", "));
        return Err(UnknownName { offset: first.len() + middle.len() + 2, message });
    }
    Ok(())
}

impl Quantity {
    /// Whether its name has a part that is chosen: the name of a system call, or of a site.
    pub fn is_pattern(&self) -> bool {
        self.name.contains(".NAME.")
    }
}

fn unknown(name: &str) -> UnknownName {
    let near = nearest(name, QUANTITIES.iter().map(|row| row.name));
    UnknownName { offset: 0, message: not_one_of(name, "a quantity", near) }
}

/// That `name` is not `what`, and what it may have meant to be.
pub(super) fn not_one_of(name: &str, what: &str, near: Option<&str>) -> String {
    let near = near.map(|near| format!(": did you mean '{near}'?")).unwrap_or_default();
    format!("{} is not {what}{near}", quoted(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_table_are_names() {
        for row in QUANTITIES {
            let call = row.name.replace("syscalls.NAME", "syscalls.sendfile");
            let name = call.replace("sites.NAME", "sites.__pskb_pull_tail");
            assert_eq!(validate(&name), Ok(()), "{name}");
            assert_eq!(row.is_pattern(), name != row.name);
        }
    }

    #[test]
    fn a_misspelt_name_suggests_the_nearest_where_it_goes_wrong() {
        for (name, offset, says) in [
            ("copies_per_bite", 0, "'copies_per_bite' is not a quantity: did you mean 'copies_per"),
            ("syscalls.sendfil.bytes", 9, "is not a system call: did you mean 'sendfile'?"),
            ("syscalls.sendfile.speed", 18, "'speed' is not counted of a system call: calls, fail"),
            ("syscalls.NAME.bytes", 9, "'NAME' is not a system call"),
            ("sites.filemap_reed.bytes", 6, "is not a site: did you mean 'filemap_read'?"),
            ("sites.filemap_read.copied", 19, "'copied' is not counted of a site: bytes, calls"),
            ("sites..bytes", 6, "'' is not a site"),
            ("syscalls.read.bytes.more", 14, "'bytes.more' is not counted"),
            ("syscalls.read", 0, "is not a quantity"),
            ("zzz", 0, "'zzz' is not a quantity"),
            ("page_faults.user.x", 0, "did you mean 'page_faults.user'?"),
        ] {
            let error = validate(name).unwrap_err();
            assert_eq!(error.offset, offset, "{name}");
            assert!(error.message.contains(says), "{name}: {}", error.message);
        }
        assert!(!validate("zzz").unwrap_err().message.contains("did you mean"));
    }

    /// The table of docs/check.md, row by row.
    #[test]
    fn every_quantity_is_documented_as_it_is() {
        let page = include_str!("../../../docs/check.md");
        let section = page.split("## Quantities").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>();
        let table = QUANTITIES
            .map(|Quantity { name, unit, meaning }| format!("| `{name}` | {unit} | {meaning} |"));
        assert_eq!(rows, table, "docs/check.md needs these lines:\n{}", table.join("\n"));
    }
}
