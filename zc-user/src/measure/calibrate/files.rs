//! Known transfers into files, through a pipe, and between a disk and the program's own memory.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::{MemfdFlags, OFlags, fstat, fstatfs, ioctl_ficlone, memfd_create, sendfile},
    io::{pwrite, read, write},
    pipe::pipe,
};
use zc_common::{IterClass, Site};

use super::{Known, Ways, at_most};
use crate::{
    measure::Sample,
    transfer::{payload::Payload, uncached::reopen},
};

/// Bytes of each known transfer; all different.
const WRITTEN: usize = 11_111;
const SENT_TO_FILE: usize = 22_222;
const PIPED: usize = 9_999;
/// Direct I/O is in whole blocks, of which this is a multiple on every common disk.
const BLOCK: usize = 4096;
const WRITTEN_DIRECTLY: usize = 3 * BLOCK;
const READ_DIRECTLY: usize = BLOCK;

/// XFS (`include/uapi/linux/magic.h`), whose buffered writes all go through iomap.
const XFS: rustix::fs::FsWord = 0x5846_5342;

/// Makes the known transfers of the sites that are `attached`.
pub(super) fn transfers(
    payload: &Payload,
    ways: Ways,
    attached: impl Fn(Site) -> bool,
    known: &mut Known,
) -> Result<()> {
    if attached(Site::PipeWrite) || attached(Site::PipeRead) {
        through_a_pipe(known).context("a pipe")?;
    }
    if attached(Site::GenericPerformWrite) || attached(Site::FileSpliceWrite) {
        // A file in memory takes the way of most file systems, whatever the payload lies on.
        let target = memfd_create("calibration", MemfdFlags::CLOEXEC)?;
        into(&target, Site::GenericPerformWrite, payload, ways, known).context("a memory file")?;
    }
    let on_xfs = fstatfs(&payload.file)?.f_type == XFS;
    if attached(Site::IomapWrite) && on_xfs {
        let target = tempfile::tempfile_in(&payload.folder);
        match target {
            Ok(target) => {
                into(&target, Site::IomapWrite, payload, ways, known).context("a file")?;
            }
            Err(error) => known.untried.push((Site::IomapWrite, format!("no new file: {error}"))),
        }
    }
    if attached(Site::RemapRange) {
        // Most file systems share nothing, and then nothing passes the site.
        let target = tempfile::tempfile_in(&payload.folder);
        if target.is_ok_and(|target| ioctl_ficlone(&target, &payload.file).is_ok()) {
            let whole = usize::try_from(fstat(&payload.file)?.st_size)?;
            known.add(Site::RemapRange, IterClass::None, whole);
        }
    }
    if attached(Site::DirectIo) || attached(Site::DirectSimpleRead) {
        let target = tempfile::tempfile_in(&payload.folder);
        match target.and_then(|target| Ok(reopen(&target, OFlags::RDWR)?)) {
            Ok(target) => to_the_disk_and_back(&target, known).context("direct I/O")?,
            Err(error) => {
                let why = format!("no new file for direct I/O: {error}");
                known.untried.extend(DIRECT.map(|site| (site, why.clone())));
            }
        }
    }
    Ok(())
}

fn through_a_pipe(known: &mut Known) -> Result<()> {
    let (out, into) = pipe()?;
    let mut buffer = vec![1; PIPED];
    ensure!(write(&into, &buffer)? == PIPED, "it is full too soon");
    ensure!(read(&out, &mut buffer)? == PIPED, "it is empty too soon");
    known.add(Site::PipeWrite, IterClass::User, PIPED);
    known.add(Site::PipeRead, IterClass::User, PIPED);
    Ok(())
}

/// From memory and from the payload into `target`, whose page cache is filled at `site`.
fn into(
    target: impl AsFd,
    site: Site,
    payload: &Payload,
    ways: Ways,
    known: &mut Known,
) -> Result<()> {
    ensure!(pwrite(&target, &vec![1; WRITTEN], 0)? == WRITTEN, "it is full too soon");
    known.add(site, IterClass::User, WRITTEN);
    let bytes = at_most(payload, SENT_TO_FILE);
    let mut offset = 0;
    while offset < bytes as u64 {
        let left = bytes - usize::try_from(offset)?;
        let sent = sendfile(&target, &payload.file, Some(&mut offset), left)?;
        ensure!(sent > 0, "the payload ended early: was it truncated?");
    }
    known.add(Site::FilemapSpliceRead, IterClass::None, bytes);
    if ways.read_fills_pipe {
        known.add(Site::FilemapRead, IterClass::Pipe, bytes);
    }
    known.add(Site::FileSpliceWrite, IterClass::None, bytes);
    known.add(site, IterClass::Kernel, bytes);
    Ok(())
}

fn to_the_disk_and_back(file: &OwnedFd, known: &mut Known) -> Result<()> {
    let mut memory = vec![1; WRITTEN_DIRECTLY + BLOCK];
    // A device takes whole blocks of memory, too.
    let start = memory.as_ptr().align_offset(BLOCK);
    let buffer = &mut memory[start..start + WRITTEN_DIRECTLY];
    // The descriptor stays at the beginning.
    ensure!(pwrite(file, buffer, 0)? == WRITTEN_DIRECTLY, "it is full too soon");
    ensure!(read(file, &mut buffer[..READ_DIRECTLY])? == READ_DIRECTLY, "it ended early");
    known.add(Site::DirectIo, IterClass::None, WRITTEN_DIRECTLY + READ_DIRECTLY);
    Ok(())
}

/// The sites of direct I/O.
const DIRECT: [Site; 2] = [Site::DirectIo, Site::DirectSimpleRead];

/// Which way the direct transfers went is the file system's and the kernel's choice: `sample` tells.
pub(super) fn settle(sample: &Sample, known: &mut Known) {
    let [way, short_way] = DIRECT.map(|site| (site, IterClass::None));
    let Some(moved) = known.bytes.get(&way).copied() else { return };
    let passed = |way| sample.sites.get(&way).map_or(0, |tally| tally.bytes);
    match (passed(way), passed(short_way)) {
        (0, 0) => {
            known.bytes.remove(&way);
            let why = "this file system does direct I/O in a way of its own";
            known.untried.extend(DIRECT.map(|site| (site, why.to_owned())));
        }
        (_, 0) => {}
        // A read of one extent may take the short way.
        _ => {
            known.bytes.insert(way, moved - READ_DIRECTLY as u64);
            known.bytes.insert(short_way, READ_DIRECTLY as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use zc_common::Tally;

    use super::*;
    use crate::measure::calibrate::{Miscount, miscounts};

    /// What is found where the two sites of direct I/O counted so much.
    fn found(counted: [u64; 2]) -> (Vec<Miscount>, usize) {
        let mut known = Known::default();
        known.add(Site::DirectIo, IterClass::None, WRITTEN_DIRECTLY + READ_DIRECTLY);
        let sites = DIRECT.into_iter().zip(counted).filter(|(_, bytes)| *bytes > 0);
        let sites = sites.map(|(site, bytes)| ((site, IterClass::None), Tally { calls: 1, bytes }));
        let sample = Sample { sites: sites.collect(), ..Sample::default() };
        settle(&sample, &mut known);
        (miscounts(&known.bytes, &sample, |_| true), known.untried.len())
    }

    #[test]
    fn a_direct_read_may_take_either_way_but_whole() {
        assert_eq!(found([16_384, 0]), (vec![], 0));
        assert_eq!(found([12_288, 4096]), (vec![], 0));
        assert_eq!(found([12_288, 4095]).0[0].site, Site::DirectSimpleRead);
        assert_eq!(found([16_384, 4096]).0[0].site, Site::DirectIo);
        assert_eq!(found([16_383, 0]).0[0].site, Site::DirectIo);
        // Neither was passed: nothing is known of them.
        assert_eq!(found([0, 0]), (vec![], 2));
    }
}
