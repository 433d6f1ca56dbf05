//! Claims about copying a file to another, and about reading one.

use super::{
    Assertion, Claim, Decided, Evidence, Need, Unobservable,
    evidence::{cold, sharing, warm},
    textbook::TEXTBOOK,
};
use crate::expect::{Quantity::Syscalls, Side::Sender};

pub(super) const T2: Claim = Claim {
    id: "T2",
    says: "a user-process buffer makes one system call serve many library calls",
    who: TEXTBOOK,
    needs: &[warm("buffered"), warm("read-write-records")],
    parts: &[Assertion {
        says: "records of 64 bytes through buffers of 64 KiB take 1024 times fewer system calls than without",
        decide: |evidence| {
            let buffered = evidence.run(warm("buffered"))?.fact(Sender, Syscalls)?;
            let each = evidence.run(warm("read-write-records"))?.fact(Sender, Syscalls)?;
            let holds = each.measured == 1024 * buffered.measured;
            Ok(Decided { holds, facts: vec![buffered, each] })
        },
    }],
};

pub(super) const T4: Claim = Claim {
    id: "T4",
    says: "DMA moves the disk's data to memory without the CPU",
    who: TEXTBOOK,
    needs: &[cold("pread")],
    parts: &[Assertion {
        says: "of a file that is not in memory the disk delivers each byte once, and the CPU copies it once, to \
               the program",
        decide: |evidence| {
            let run = evidence.run(cold("pread"))?;
            let disk = run.disk_bytes()?;
            let from_disk = Decided { holds: disk.measured == run.bytes()?, facts: vec![disk] };
            Ok(Decided::copies(run, Sender, [0, 1, 0])?.and(from_disk))
        },
    }],
};

pub(super) const T5: Claim = Claim {
    id: "T5",
    says: "data in the kernel buffer is copied at once, else the process is suspended until it is there",
    who: TEXTBOOK,
    needs: &[warm("pread"), cold("pread-at-random")],
    parts: &[
        Assertion {
            says: "a file that is in memory is read without the disk, and without waiting",
            decide: |evidence| {
                let (disk, waits) = disk_and_waits(evidence, warm("pread"))?;
                let holds = disk.measured == 0 && waits.measured == 0;
                Ok(Decided { holds, facts: vec![disk, waits] })
            },
        },
        Assertion {
            says: "a file that is not is read from the disk, and the reader gives up the processor meanwhile",
            decide: |evidence| {
                let (disk, waits) = disk_and_waits(evidence, cold("pread-at-random"))?;
                let holds = disk.measured > 0 && waits.measured > 0;
                Ok(Decided { holds, facts: vec![disk, waits] })
            },
        },
    ],
};

/// Bytes that a run read from the disk, and how often it waited.
pub(crate) fn disk_and_waits(
    evidence: &Evidence,
    need: Need,
) -> Result<(super::Fact, super::Fact), Unobservable> {
    let run = evidence.run(need)?;
    let disk = run.disk_bytes()?;
    let switches = run.run.sender.switches.context_switches;
    let switches = switches.ok_or_else(|| run.unobservable("context switches are not counted"))?;
    // That the lab stops its processes around a run is no wait.
    let waits = switches.voluntary.saturating_sub(switches.stopped);
    Ok((disk, run.of(Sender, "waits (voluntary context switches)", waits)))
}

pub(super) const SENDFILE: Claim = Claim {
    id: "2",
    says: "sendfile is more efficient than read and write, as it copies within the kernel",
    who: "sendfile(2)",
    needs: &[warm("read-write"), warm("sendfile-file")],
    parts: &[
        Assertion {
            says: "with read and write each byte is copied twice",
            decide: |evidence| {
                Decided::copies(evidence.run(warm("read-write"))?, Sender, [1, 1, 0])
            },
        },
        Assertion {
            says: "sendfile to a file copies it once, in the kernel",
            decide: |evidence| {
                Decided::copies(evidence.run(warm("sendfile-file"))?, Sender, [0, 0, 1])
            },
        },
    ],
};

pub(super) const REFERENCES: Claim = Claim {
    id: "4",
    says: "splice's source is always page references",
    who: "folklore",
    needs: &[warm("splice"), warm("splice-direct")],
    parts: &[
        Assertion {
            says: "of a file in the page cache the pages go into the pipe",
            decide: |evidence| {
                let run = evidence.run(warm("splice"))?;
                own_pages(evidence, warm("splice")).map(|own| Decided {
                    holds: own.measured == 0,
                    facts: run.payload().into_iter().chain([own]).collect(),
                })
            },
        },
        Assertion {
            says: "and of a file that was opened with O_DIRECT",
            decide: |evidence| {
                let run = evidence.run(warm("splice-direct"))?;
                own_pages(evidence, warm("splice-direct")).map(|own| Decided {
                    holds: own.measured == 0,
                    facts: run.payload().into_iter().chain([own]).collect(),
                })
            },
        },
    ],
};

/// Bytes that went into the pipe by way of new pages of the pipe's own.
fn own_pages(evidence: &Evidence, need: Need) -> Result<super::Fact, Unobservable> {
    let run = evidence.run(need)?;
    let copied = run.at_site(Sender, "copy_splice_read", None)?;
    let filled = run.at_site(Sender, "filemap_splice_read", Some("pipe"))?;
    Ok(run.of(Sender, "bytes that went into the pipe in new pages", copied + filled))
}

pub(super) const MOVE: Claim = Claim {
    id: "5",
    says: "SPLICE_F_MOVE moves pages instead of copying them",
    who: "folklore",
    needs: &[warm("splice-file"), warm("splice-file-move")],
    parts: &[Assertion {
        says: "with the flag less is copied from a pipe to a file than without it",
        decide: |evidence| {
            let [without, with] =
                [evidence.run(warm("splice-file"))?, evidence.run(warm("splice-file-move"))?];
            let (without, with) = (without.copied(Sender)?, with.copied(Sender)?);
            let sum =
                |facts: &[super::Fact; 3]| facts.iter().map(|fact| fact.measured).sum::<u64>();
            let holds = sum(&with) < sum(&without);
            Ok(Decided { holds, facts: without.into_iter().chain(with).collect() })
        },
    }],
};

pub(super) const DIRECT: Claim = Claim {
    id: "15",
    says: "O_DIRECT skips the copy of the page cache",
    who: "open(2)",
    needs: &[warm("direct")],
    parts: &[Assertion {
        says: "no byte is copied when a file is read and written with it",
        decide: |evidence| Decided::copies(evidence.run(warm("direct"))?, Sender, [0, 0, 0]),
    }],
};

pub(super) const COPY_FILE_RANGE: Claim = Claim {
    id: "17",
    says: "copy_file_range lets the kernel do less",
    who: "coreutils 9",
    needs: &[
        warm("read-write"),
        warm("copy-file-range"),
        sharing("copy-file-range"),
        sharing("reflink"),
    ],
    parts: &[
        Assertion {
            says: "it copies each byte once at most, where read and write copy it twice",
            decide: |evidence| {
                let run = evidence.run(warm("copy-file-range"))?;
                let copied = run.copied(Sender)?;
                let once = copied.iter().map(|fact| fact.measured).sum::<u64>() <= run.bytes()?;
                let facts = run.payload().into_iter().chain(copied).collect();
                let twice = Decided::copies(evidence.run(warm("read-write"))?, Sender, [1, 1, 0])?;
                Ok(Decided { holds: once, facts }.and(twice))
            },
        },
        Assertion {
            says: "where the file system shares blocks nothing is copied, as for a reflink",
            decide: |evidence| {
                let none =
                    |style| Decided::copies(evidence.run(sharing(style))?, Sender, [0, 0, 0]);
                Ok(none("copy-file-range")?.and(none("reflink")?))
            },
        },
    ],
};
