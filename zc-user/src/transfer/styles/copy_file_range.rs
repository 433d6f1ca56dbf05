//! copy_file_range(2): the kernel copies from file to file, or has the file system share blocks.

use rustix::{fs, io::Result};

use super::OF_FILES;
use crate::{
    expect::{Cost, NOTHING, Term, term},
    transfer::{
        Part, Plan, Sharing, Source, Style,
        link::Link,
        work::{Work, in_chunks},
    },
};

pub(super) const STYLE: Style = Style {
    name: "copy-file-range",
    how: "copy_file_range(2) from the file to another file",
    textbook_name: "in-kernel copy",
    textbook: "1 CPU copy inside the kernel, none where the file system shares blocks",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

/// A file system that can is asked to share blocks; what it cannot share goes from page cache to page
/// cache (`vfs_copy_file_range`, fs/read_write.c).
fn cost(plan: Plan) -> Cost {
    let (kernel_to_kernel, syscalls) = match plan.sharing {
        None => (
            term(plan.bytes, "N: page cache to page cache"),
            term(plan.chunks(), "⌈N/c⌉: copy_file_range"),
        ),
        Some(sharing) => shared(plan, sharing),
    };
    Cost { kernel_to_kernel, syscalls, ..Cost::NOTHING }
}

/// Bytes copied, and calls, where blocks are shared: whole ones from the start of one on, and the last
/// one of the file (`generic_remap_checks`, fs/remap_range.c). A call that is given more shares what it
/// can and returns.
fn shared(plan: Plan, Sharing { block, to_the_end }: Sharing) -> (Term, Term) {
    let Plan { bytes, chunk, .. } = plan;
    let whole = chunk - chunk % block;
    let rest = bytes % block;
    if whole == 0 {
        let last = chunk * plan.chunks().saturating_sub(1);
        let spared = if to_the_end && last.is_multiple_of(block) { bytes - last } else { 0 };
        let copied = term(bytes - spared, "N, less a last block: no call is given a whole one");
        return (copied, term(plan.chunks(), "⌈N/c⌉: copy_file_range"));
    }
    if to_the_end {
        let calls = bytes.saturating_sub(chunk).div_ceil(whole) + 1;
        return (NOTHING, term(calls, "⌈(N−c)/⌊c⌋⌉ + 1, ⌊⌋ in whole blocks"));
    }
    let calls = (bytes - rest).div_ceil(whole) + u64::from(rest > 0);
    (term(rest, "N mod block: the rest"), term(calls, "⌈⌊N⌋/⌊c⌋⌉ and the rest, ⌊⌋ in whole blocks"))
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    in_chunks(work.bytes, work.chunk, |ask, _| fs::copy_file_range(file, None, end, None, ask))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does, call by call: bytes copied, calls.
    fn call_by_call(bytes: u64, chunk: u64, Sharing { block, to_the_end }: Sharing) -> (u64, u64) {
        let (mut at, mut copied, mut calls) = (0, 0, 0);
        while at < bytes {
            let ask = chunk.min(bytes - at);
            let ends = to_the_end && at + ask == bytes;
            let shares = if ends { ask } else { ask - ask % block };
            let shares = if at % block == 0 { shares } else { 0 };
            at += if shares > 0 { shares } else { ask };
            copied += if shares > 0 { 0 } else { ask };
            calls += 1;
        }
        (copied, calls)
    }

    #[test]
    fn the_formulas_are_what_call_by_call_adds_up_to() {
        for to_the_end in [false, true] {
            let sharing = Sharing { block: 8, to_the_end };
            for (bytes, chunk) in (1..50).flat_map(|n| (1..40).map(move |c| (n, c))) {
                let plan = Plan { sharing: Some(sharing), ..Plan::plain(bytes, chunk) };
                let cost = cost(plan);
                assert_eq!(
                    (cost.kernel_to_kernel.value, cost.syscalls.value),
                    call_by_call(bytes, chunk, sharing),
                    "{plan:?}"
                );
            }
        }
    }
}
