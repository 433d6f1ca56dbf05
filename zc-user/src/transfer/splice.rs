//! splice(2) from the file into a pipe, and from the pipe into the socket.

use rustix::{
    io::{Errno, Result},
    pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice},
};

use super::{FILE_TO_TCP, Plan, Sending, Style};
use crate::expect::{Cost, NOTHING, term};

/// The largest pipe that an unprivileged process may ask for by default, in bytes
/// (`fs.pipe-max-size`, pipe(7)).
const PIPE_MAX: u64 = 1 << 20;

/// x86-64's page size in bytes. A pipe slot refers to one page.
const PAGE: u64 = 4096;

pub(super) const STYLE: Style = Style {
    name: "splice",
    how: "splice(2) file to pipe, splice(2) pipe to socket",
    textbook_name: "zero copy",
    textbook: "through a pipe, 0 CPU copies, 4 switches a chunk",
    send: transfer,
    cost,
    jobs: FILE_TO_TCP,
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: NOTHING,
        user_to_kernel: NOTHING,
        kernel_to_kernel: NOTHING,
        syscalls: term(
            2 * plan.bytes.div_ceil(round(plan.chunk)),
            "2⌈N/min(c, pipe)⌉: splice in, splice out",
        ),
    }
}

/// Bytes that go through the pipe at once. One page of the pipe stays spare: a chunk that does not
/// start on a page boundary touches one page more than it fills.
fn round(chunk: u64) -> u64 {
    chunk.min(PIPE_MAX - PAGE)
}

/// The size of a pipe that takes `chunk` bytes in one call, in bytes.
fn pipe_size(chunk: u64) -> u64 {
    (round(chunk) + PAGE).next_power_of_two().max(PAGE)
}

fn transfer(job: &mut Sending<'_>) -> Result<u64> {
    let chunk = round(job.chunk as u64);
    let (out, into) = pipe()?;
    fcntl_setpipe_size(&into, usize::try_from(pipe_size(chunk)).map_err(|_| Errno::INVAL)?)?;
    let mut sent = 0;
    while sent < job.bytes {
        let ask = usize::try_from(chunk.min(job.bytes - sent)).map_err(|_| Errno::INVAL)?;
        let piped = splice(job.file, None, &into, None, ask, SpliceFlags::empty())?;
        if piped == 0 {
            return Err(Errno::NODATA);
        }
        let mut left = piped;
        while left > 0 {
            match splice(&out, None, job.socket, None, left, SpliceFlags::empty())? {
                0 => return Err(Errno::PIPE),
                moved => left -= moved,
            }
        }
        sent += piped as u64;
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipe_holds_a_chunk_at_any_offset() {
        for chunk in [1, PAGE - 1, PAGE, PAGE + 1, 64 << 10, (64 << 10) + 1, 16 << 20] {
            let slots = pipe_size(chunk) / PAGE;
            let most_pages = round(chunk).div_ceil(PAGE) + 1;
            assert!(slots >= most_pages, "{chunk}: {slots} slots, {most_pages} pages");
            assert!(pipe_size(chunk) <= PIPE_MAX);
        }
    }
}
