//! read(2) and write(2) with `O_DIRECT`: the disk moves the bytes to and from the program's memory.
//!
//! That goes in whole blocks. Where the payload ends inside one, the rest goes through the page cache.

use std::os::fd::BorrowedFd;

use rustix::{
    fs::OFlags,
    io::{Errno, Result, pread, pwrite, read, write},
};

use crate::{
    expect::{Cost, term},
    probes::catalogue::Job,
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        uncached::reopen,
        work::{Work, in_chunks, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "direct",
    how: "read(2) and write(2) with O_DIRECT, to another file",
    textbook_name: "direct I/O",
    textbook: "0 CPU copies: the disk reads and writes the program's memory",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: JOBS },
    receiver: None,
};

/// Those of [`OF_FILES`](super::OF_FILES), and the one that moves without a copy.
const JOBS: &[Job] = &[
    Job::DirectIo,
    Job::PageCacheRead,
    Job::BufferedWrite,
    Job::IomapWrite,
    Job::ShareBlocks,
    Job::PipeRead,
    Job::PipeWrite,
    Job::SkbOwn,
    Job::SkbGather,
];

/// Direct I/O is in whole blocks; this is a multiple of every common disk's.
const BLOCK: u64 = 4096;

/// Bytes in whole blocks, and bytes behind the last of them.
fn split(bytes: u64) -> (u64, u64) {
    (bytes - bytes % BLOCK, bytes % BLOCK)
}

/// Whole blocks in a call.
fn round(chunk: u64) -> u64 {
    split(chunk).0.max(BLOCK)
}

fn cost(plan: Plan) -> Cost {
    let (blocks, tail) = split(plan.bytes);
    let calls = 2 * blocks.div_ceil(round(plan.chunk));
    let syscalls = match tail {
        0 => term(calls, "2⌈N/⌊c⌋⌉: read, write; ⌊⌋ in blocks of 4096"),
        _ => term(calls + 2, "2⌈⌊N⌋/⌊c⌋⌉ + 2: the rest; ⌊⌋ in blocks of 4096"),
    };
    Cost {
        kernel_to_user: term(tail, "N mod 4096: the rest, read"),
        user_to_kernel: term(tail, "N mod 4096: the rest, written"),
        syscalls,
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    let (from, to) = (reopen(file, OFlags::RDONLY)?, reopen(end, OFlags::WRONLY)?);
    let (blocks, tail) = split(work.bytes);
    let chunk = usize(round(work.chunk as u64))?;
    let moved = in_chunks(blocks, chunk, |ask, _| {
        let got = read(&from, &mut work.buffer[..ask])?;
        if write(&to, &work.buffer[..got])? != got {
            return Err(Errno::NOSPC);
        }
        Ok(got)
    })?;
    // What the disk moved is no copy of the CPU's, and so not in `moved`.
    Ok(moved + rest(work, file, end, blocks, tail)?)
}

/// The rest of the last block, `tail` bytes from `at` on, through the page cache.
fn rest(
    work: &mut Work<'_>,
    file: BorrowedFd<'_>,
    end: BorrowedFd<'_>,
    at: u64,
    tail: u64,
) -> Result<u64> {
    let tail = usize(tail)?;
    in_chunks(tail as u64, tail, |ask, done| {
        let got = pread(file, &mut work.buffer[..ask], at + done)?;
        work.moved.into += got as u64;
        work.moved.out_of += pwrite(end, &work.buffer[..got], at + done)? as u64;
        Ok(got)
    })
}
