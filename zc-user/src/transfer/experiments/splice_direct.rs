//! splice(2) from a file that was opened with `O_DIRECT`.

use std::os::fd::AsFd;

use rustix::{fs::OFlags, io::Result, pipe::SpliceFlags};

use crate::{
    probes::catalogue::Job,
    transfer::{Part, Style, styles::splice, uncached::reopen, work::Work},
};

pub(super) const STYLE: Style = Style {
    name: "splice-direct",
    how: "splice(2) file opened with O_DIRECT to pipe, splice(2) pipe to socket",
    textbook: "there are no pages of the page cache to refer to",
    sender: Part { run, jobs: JOBS, ..splice::STYLE.sender },
    ..splice::STYLE
};

const JOBS: &[Job] = &[
    Job::DirectIo,
    Job::PageCacheRead,
    Job::SpliceRead,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];

fn run(work: &mut Work<'_>) -> Result<u64> {
    let direct = reopen(work.file()?, OFlags::RDONLY)?;
    splice::through_pipe(work, direct.as_fd(), SpliceFlags::empty())
}
