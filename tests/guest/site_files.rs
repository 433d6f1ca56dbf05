//! The sites of files, each made to count a known number of bytes.

use std::{
    fs::{self, File},
    io::{IoSlice, IoSliceMut, Read, Seek, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Advice, copy_file_range, fadvise, sendfile};
use zc_common::{
    IterClass::{Kernel, None as NoIter, Pipe, User},
    Site,
};

use crate::{
    counting::{Passed, counting},
    needs::{self, needs},
    support::{disk, scratch},
};

const N: usize = 100_000;
const BYTES: u64 = 100_000;

/// A file of `N` bytes in `folder`.
fn file_in(folder: &Path) -> PathBuf {
    let path = folder.join("file");
    fs::write(&path, vec![5; N]).unwrap();
    path
}

/// A new file there.
fn target_in(folder: &Path) -> File {
    File::options().write(true).create(true).truncate(true).open(folder.join("target")).unwrap()
}

/// Three calls that read the whole file once each.
fn read_thrice(file: &mut File, buffer: &mut [u8]) {
    assert_eq!(file.read_at(buffer, 0).unwrap(), N);
    file.rewind().unwrap();
    assert_eq!(file.read(buffer).unwrap(), N);
    // At the end there is nothing more.
    assert_eq!(file.read(buffer).unwrap(), 0);
    file.rewind().unwrap();
    let (one, other) = buffer.split_at_mut(1000);
    let mut parts = [IoSliceMut::new(one), IoSliceMut::new(other)];
    assert_eq!(file.read_vectored(&mut parts).unwrap(), N);
}

/// Three calls that write `N` bytes each.
fn write_thrice(file: &mut File, buffer: &[u8]) {
    file.rewind().unwrap();
    assert_eq!(file.write(buffer).unwrap(), N);
    assert_eq!(file.write_at(buffer, 7).unwrap(), N);
    let parts = [IoSlice::new(&buffer[..1000]), IoSlice::new(&buffer[1000..])];
    assert_eq!(file.write_vectored(&parts).unwrap(), N);
}

#[test]
fn page_cache_reads() {
    let folder = scratch();
    let mut file = File::open(file_in(folder.path())).unwrap();
    let mut buffer = vec![0; N + 10];
    counting(|counter| {
        let counted = counter.count(|| read_thrice(&mut file, &mut buffer));
        counted.expect(&[(Site::FilemapRead, User, 3 * BYTES)]);
        // The device fills the cache; nobody copies.
        let counted = counter.count(|| {
            file.sync_all().unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            fadvise(&file, 0, None, Advice::WillNeed).unwrap();
        });
        counted.expect(&[]);
    });
}

#[test]
fn memory_files() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut file = File::open(file_in(folder.path())).unwrap();
    let mut target = target_in(folder.path());
    let mut buffer = vec![0; N + 10];
    counting(|counter| {
        let counted = counter.count(|| read_thrice(&mut file, &mut buffer));
        counted.expect(&[(Site::ShmemRead, User, 3 * BYTES)]);
        let counted = counter.count(|| write_thrice(&mut target, &buffer[..N]));
        counted.expect(&[(Site::GenericPerformWrite, User, 3 * BYTES)]);
    });
}

#[test]
fn buffered_writes() {
    let folder = scratch();
    let mut target = target_in(folder.path());
    let buffer = vec![1; N];
    counting(|counter| {
        let counted = counter.count(|| write_thrice(&mut target, &buffer));
        counted.expect(&[(Site::GenericPerformWrite, User, 3 * BYTES)]);
    });
}

/// Memory that a device can be given.
#[repr(C, align(4096))]
struct Aligned([u8; 65536]);

#[test]
fn direct_reads_and_writes_are_not_copied() {
    const BLOCKS: u64 = 65536;
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![5; 65536]).unwrap();
    let mut options = File::options();
    let file = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(&path).unwrap();
    file.sync_all().unwrap();
    let mut buffer = Box::new(Aligned([0; 65536]));
    counting(|counter| {
        let counted = counter.count(|| assert_eq!(file.read_at(&mut buffer.0, 0).unwrap(), 65536));
        // From 7.1 on a read of one extent has a short way.
        let short = counter.function(Site::DirectSimpleRead).is_some()
            && counted.bytes(Site::DirectIo, NoIter) == 0;
        let way = if short { Site::DirectSimpleRead } else { Site::DirectIo };
        counted.expect(&[(way, NoIter, BLOCKS)]);
        let counted = counter.count(|| assert_eq!(file.write_at(&buffer.0, 0).unwrap(), 65536));
        counted.expect(&[(Site::DirectIo, NoIter, BLOCKS)]);
        // Past the end there is nothing to read.
        let counted = counter.count(|| assert_eq!(file.read_at(&mut buffer.0, BLOCKS).unwrap(), 0));
        counted.expect(&[]);
    });
}

#[test]
fn the_short_way_of_a_direct_read() {
    needs!(needs::site(Site::DirectSimpleRead));
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![5; 65536]).unwrap();
    let file = File::options().read(true).custom_flags(libc::O_DIRECT).open(&path).unwrap();
    file.sync_all().unwrap();
    let mut buffer = Box::new(Aligned([0; 65536]));
    counting(|counter| {
        let counted =
            counter.count(|| assert_eq!(file.read_at(&mut buffer.0[..4096], 0).unwrap(), 4096));
        counted.expect(&[(Site::DirectSimpleRead, NoIter, 4096)]);
    });
}

/// Reads all of a generated file; how many bytes there were.
fn read_all(path: &str, buffer: &mut [u8]) -> u64 {
    let mut file = File::open(path).unwrap();
    let mut total = 0;
    loop {
        match file.read(buffer).unwrap() {
            0 => return total,
            more => total += more as u64,
        }
    }
}

#[test]
fn generated_text() {
    let mut buffer = vec![0; 300];
    counting(|counter| {
        let mut bytes = 0;
        // One by `read`, one by `read_iter`.
        let counted = counter.count(|| {
            bytes =
                read_all("/proc/self/maps", &mut buffer) + read_all("/proc/mounts", &mut buffer);
        });
        assert!(bytes > 1000);
        counted.expect(&[(Site::SeqRead, User, bytes)]);
        let counted = counter.count(|| bytes = read_all("/proc/self/oom_score_adj", &mut buffer));
        assert_eq!(bytes, 2);
        counted.expect(&[(Site::SimpleRead, NoIter, 2)]);
    });
}

#[test]
fn zeros_are_filled_not_copied() {
    let mut buffer = vec![0; N];
    let mut zero = File::open("/dev/zero").unwrap();
    counting(|counter| {
        let counted = counter.count(|| assert_eq!(zero.read(&mut buffer).unwrap(), N));
        counted.expect(&[(Site::ZeroRead, NoIter, BYTES)]);
        let counted = counter.count(|| {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            assert_eq!(zero.read_vectored(&mut parts).unwrap(), N);
        });
        counted.expect(&[(Site::ZeroFill, User, BYTES)]);
    });
}

#[test]
fn what_goes_to_dev_null_is_not_copied() {
    let folder = scratch();
    let file = File::open(file_in(folder.path())).unwrap();
    let mut null = File::options().write(true).open("/dev/null").unwrap();
    let buffer = vec![0; N];
    counting(|counter| {
        let counted = counter.count(|| assert_eq!(null.write(&buffer).unwrap(), N));
        counted.expect(&[(Site::NullWrite, NoIter, BYTES)]);
        let counted = counter.count(|| {
            assert_eq!(null.write_vectored(&[IoSlice::new(&buffer)]).unwrap(), N);
        });
        counted.expect(&[(Site::NullWriteIter, User, BYTES)]);
        let filled = if counter.read_fills_pipe() { BYTES } else { 0 };
        let counted = counter.count(|| send_all(&file, &null, BYTES));
        counted.expect(&[
            (Site::FilemapSpliceRead, NoIter, BYTES),
            (Site::FilemapRead, Pipe, filled),
            (Site::NullSplice, NoIter, BYTES),
        ]);
    });
}

/// What no site sees stays unexplained: it is never taken for 0 copies.
#[test]
fn bytes_that_no_site_sees_leave_the_coverage_incomplete() {
    let mut random = File::open("/dev/urandom").unwrap();
    let mut buffer = vec![0; N];
    counting(|counter| {
        let counted = counter.count(|| random.read_exact(&mut buffer).unwrap());
        counted.expect_sites(&[]);
        assert_eq!(counted.coverage(), [BYTES, 0]);
    });
}

/// Sends so many bytes from the beginning of `file`.
fn send_all(file: &File, target: &File, bytes: u64) {
    let (mut offset, mut left) = (0, usize::try_from(bytes).unwrap());
    while left > 0 {
        left -= sendfile(target, file, Some(&mut offset), left).unwrap();
    }
}

/// From file to file the kernel copies once: the pages go into a pipe by reference, and the
/// target's write copies them.
fn from_file_to_file(copy: impl Fn(&File, &File, u64)) {
    let folder = scratch();
    let file = File::open(file_in(folder.path())).unwrap();
    counting(|counter| {
        let filled = if counter.read_fills_pipe() { BYTES } else { 0 };
        let counted = counter.count(|| copy(&file, &target_in(folder.path()), BYTES));
        counted.expect(&[
            (Site::FilemapSpliceRead, NoIter, BYTES),
            (Site::FilemapRead, Pipe, filled),
            (Site::FileSpliceWrite, NoIter, BYTES),
            (Site::GenericPerformWrite, Kernel, BYTES),
        ]);
    });
}

#[test]
fn sendfile_from_file_to_file() {
    from_file_to_file(send_all);
}

#[test]
fn copy_file_range_on_one_file_system() {
    from_file_to_file(|file, target, bytes| {
        let (mut offset, mut left) = (0, usize::try_from(bytes).unwrap());
        while left > 0 {
            left -= copy_file_range(file, Some(&mut offset), target, None, left).unwrap();
        }
    });
}

#[test]
fn buffered_writes_to_a_block_device() {
    // It carried the programs into this guest. What is written to it is thrown away with the guest.
    let disk = disk(zc_guest::PAYLOAD_SERIAL);
    let mut device = File::options().write(true).open(disk).unwrap();
    let buffer = vec![1; N];
    counting(|counter| {
        let counted = counter.count(|| write_thrice(&mut device, &buffer));
        // By iomap from 6.6 on.
        let iomap = counted.bytes(Site::IomapWrite, User) > 0;
        let way = if iomap { Site::IomapWrite } else { Site::GenericPerformWrite };
        let passed: [Passed; 1] = [(way, User, 3 * BYTES)];
        counted.expect(&passed);
    });
}
