//! vmsplice(2) from memory into a pipe, splice(2) from the pipe to /dev/null: what is left of a pipe's
//! cost where nobody looks at the bytes.

use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, Result},
    pipe::{SpliceFlags, splice},
};

use crate::{
    expect::Cost,
    probes::catalogue::Job,
    transfer::{
        Part, Plan, Style,
        link::Link,
        styles::{pipe, vmsplice},
        work::Work,
    },
};

pub(super) const STYLE: Style = Style {
    name: "vmsplice-splice",
    how: "vmsplice(2) from memory into a pipe, splice(2) from it to /dev/null",
    textbook: "nobody looks at the bytes",
    link: Link::PipeToNowhere,
    receiver: Some(Part { run: receive, cost, jobs: JOBS }),
    ..vmsplice::STYLE
};

const JOBS: &[Job] = &[
    Job::PageCacheRead,
    Job::PipeWrite,
    Job::PipeRead,
    Job::VmspliceWrite,
    Job::VmspliceRead,
    Job::ThrowAway,
];

fn cost(plan: Plan) -> Cost {
    Cost { syscalls: pipe::a_round(plan, "⌈N/min(c, pipe)⌉: splice"), ..Cost::NOTHING }
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let end = work.end()?;
    let nowhere = open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut received = 0;
    while received < work.bytes {
        let ask = pipe::next(work, work.bytes - received);
        work.pace.until_put(received + ask as u64)?;
        if splice(end, None, &nowhere, None, ask, SpliceFlags::empty())? < ask {
            return Err(Errno::PIPE);
        }
        received += ask as u64;
        work.pace.take(received);
    }
    Ok(received)
}
