//! tee(2): what is in a pipe goes to two places, without a copy for either.

use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, Result},
    pipe::{SpliceFlags, pipe, splice, tee},
};

use crate::{
    expect::{Cost, term},
    probes::catalogue::Job,
    transfer::{Part, Plan, Source, Style, link::Link, pipe_size, receive, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "tee",
    how: "splice(2) file to pipe, tee(2) to a second pipe, splice(2) one to the socket, one to /dev/null",
    textbook_name: "zero copy",
    textbook: "the same pages in two pipes, 0 CPU copies",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: JOBS },
    receiver: Some(receive::TCP),
};

/// What goes to /dev/null is watched too: it has to be all of it.
const JOBS: &[Job] = &[
    Job::PageCacheRead,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
    Job::ThrowAway,
];

fn cost(plan: Plan) -> Cost {
    let rounds = plan.bytes.div_ceil(pipe_size::round(plan.chunk));
    Cost {
        kernel_to_kernel: plan.sent(),
        syscalls: term(4 * rounds, "4⌈N/min(c, pipe)⌉: splice in, tee, splice out twice"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    let discard = open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let (first, second) = (pipe()?, pipe()?);
    let chunk = pipe_size::fit(&first.1, work.chunk)?;
    pipe_size::fit(&second.1, work.chunk)?;
    let none = SpliceFlags::empty();
    let all = |asked: usize, got: usize| if got == asked { Ok(()) } else { Err(Errno::PIPE) };
    let mut sent = 0;
    while sent < work.bytes {
        let ask = work.next(work.bytes - sent).min(chunk);
        match splice(file, None, &first.1, None, ask, none)? {
            0 => return Err(Errno::NODATA),
            piped => all(ask, piped)?,
        }
        all(ask, tee(&first.0, &second.1, ask, none)?)?;
        all(ask, splice(&second.0, None, end, None, ask, none)?)?;
        all(ask, splice(&first.0, None, &discard, None, ask, none)?)?;
        sent += ask as u64;
    }
    Ok(sent)
}
