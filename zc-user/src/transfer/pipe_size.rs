//! How large a pipe has to be for a chunk.

use std::os::fd::AsFd;

use rustix::{
    io::{Errno, Result},
    pipe::fcntl_setpipe_size,
};

/// The largest pipe that an unprivileged process may ask for by default, in bytes
/// (`fs.pipe-max-size`, pipe(7)).
const PIPE_MAX: u64 = 1 << 20;

/// x86-64's page size in bytes. A pipe slot refers to one page.
const PAGE: u64 = 4096;

/// Bytes that go through a pipe at once. One page of the pipe stays spare: a chunk that does not
/// start on a page boundary touches one page more than it fills.
pub(super) fn round(chunk: u64) -> u64 {
    chunk.min(PIPE_MAX - PAGE)
}

/// The size of a pipe that takes `chunk` bytes in one call, in bytes.
fn size(chunk: u64) -> u64 {
    (round(chunk) + PAGE).next_power_of_two().max(PAGE)
}

/// Makes `pipe` large enough for `chunk` bytes, as far as pipes go; how many to pass at once.
///
/// # Errors
/// The kernel's, as `F_SETPIPE_SZ` of fcntl(2) has them: the user has too many pages in pipes.
pub(super) fn fit(pipe: impl AsFd, chunk: usize) -> Result<usize> {
    let chunk = u64::try_from(chunk).map_err(|_| Errno::INVAL)?;
    fcntl_setpipe_size(pipe, usize::try_from(size(chunk)).map_err(|_| Errno::INVAL)?)?;
    usize::try_from(round(chunk)).map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipe_holds_a_chunk_at_any_offset() {
        for chunk in [1, PAGE - 1, PAGE, PAGE + 1, 64 << 10, (64 << 10) + 1, 16 << 20] {
            let slots = size(chunk) / PAGE;
            let most_pages = round(chunk).div_ceil(PAGE) + 1;
            assert!(slots >= most_pages, "{chunk}: {slots} slots, {most_pages} pages");
            assert!(size(chunk) <= PIPE_MAX);
        }
    }
}
