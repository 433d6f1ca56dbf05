//! A library's buffers around small records: one system call serves many library calls.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Take, Write},
};

use rustix::io::{Errno, Result, dup};

use super::OF_FILES;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, at_most},
    },
};

pub(super) const STYLE: Style = Style {
    name: "buffered",
    how: "records of at most 64 bytes to another file, through BufReader and BufWriter of c bytes",
    textbook_name: "buffered I/O",
    textbook: "one system call serves many library calls; 2 more copies are the library's, unseen here",
    source: Source::File,
    link: Link::File,
    sender: Part { run: transfer, cost, jobs: OF_FILES },
    receiver: None,
};

/// The largest record.
const RECORD: usize = 64;

/// A record's length: the buffer holds a whole number, so that it is passed on when it is full.
fn record(chunk: usize) -> usize {
    RECORD.min(1 << chunk.trailing_zeros())
}

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: read"),
        user_to_kernel: term(plan.bytes, "N: write"),
        syscalls: term(2 * plan.chunks(), "2⌈N/c⌉: read, write"),
        ..Cost::NOTHING
    }
}

/// A file to read and one to write, with their buffers.
struct Streams {
    from: BufReader<Take<File>>,
    to: BufWriter<File>,
}

thread_local! {
    /// Kept from the warm-up on: the first touches of new buffers would be page faults in the run.
    static STREAMS: RefCell<Option<Streams>> = const { RefCell::new(None) };
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    STREAMS.with_borrow_mut(|kept| {
        let streams = match kept {
            Some(streams) => streams,
            None => kept.insert(Streams::open(work)?),
        };
        streams.pass(work).map_err(|error| errno(&error))
    })
}

impl Streams {
    fn open(work: &Work<'_>) -> Result<Self> {
        let (from, to) = (File::from(dup(work.file()?)?), File::from(dup(work.end()?)?));
        Ok(Self {
            from: BufReader::with_capacity(work.chunk, from.take(0)),
            to: BufWriter::with_capacity(work.chunk, to),
        })
    }

    fn pass(&mut self, work: &mut Work<'_>) -> io::Result<u64> {
        self.from.get_mut().set_limit(work.bytes);
        let mut record = [0; RECORD];
        let length = self::record(work.chunk);
        let mut left = work.bytes;
        while left > 0 {
            let ask = at_most(length, left);
            self.from.read_exact(&mut record[..ask])?;
            self.to.write_all(&record[..ask])?;
            left -= ask as u64;
        }
        self.to.flush()?;
        work.moved.into = work.bytes - self.from.get_ref().limit();
        work.moved.out_of = work.bytes;
        Ok(work.bytes)
    }
}

/// The kernel's error, or the end of the file.
fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::NODATA)
}
