//! The ways into the kernel, each on its own: a system call, an exception, an interrupt; and a call that
//! does not go there.

use std::time::{Duration, Instant};

use rustix::{io::Result, process::getppid};

use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        memory::{Fresh, PAGE},
        styles::BETWEEN_PROCESSES,
        work::{Work, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "three-ways",
    how: "for each chunk a getppid(2), a first touch of a page, some milliseconds of looking at the clock",
    textbook_name: "ways into the kernel",
    textbook: "system call, exception, interrupt",
    source: Source::Memory,
    link: Link::OwnMemory,
    sender: Part { run, cost, jobs: BETWEEN_PROCESSES },
    receiver: None,
};

/// How long the clock is looked at for each chunk: longer than a tick of the kernel's, of which there
/// are 100 a second at least.
const LOOK: Duration = Duration::from_millis(12);

fn cost(plan: Plan) -> Cost {
    Cost {
        syscalls: term(plan.chunks(), "⌈N/c⌉: getppid"),
        page_faults: term(plan.chunks(), "⌈N/c⌉: first touches"),
        ..Cost::NOTHING
    }
}

fn run(work: &mut Work<'_>) -> Result<u64> {
    let bytes = usize(work.bytes)?;
    let chunks = bytes.div_ceil(work.chunk);
    // In the empty run too, so that the calls here are part of the fixed cost.
    let mut fresh = Fresh::new(chunks.max(1) * PAGE)?;
    for chunk in 0..chunks {
        let _ = getppid();
        fresh.touch(chunk * PAGE);
        let start = Instant::now();
        while start.elapsed() < LOOK {}
    }
    work.hasher.update(&work.memory[..bytes]);
    Ok(work.bytes)
}
