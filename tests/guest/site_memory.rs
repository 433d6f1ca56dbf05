//! The sites of calls that name memory at both ends, or lend it: process_vm_readv(2),
//! process_vm_writev(2), vmsplice(2), each made to count a known number of bytes.

use std::{
    fs::File,
    io::{Read, Write},
    ptr,
};

use rustix::{
    fs::{CWD, Mode, mkfifoat},
    io::Errno,
    pipe::{IoSliceRaw, SpliceFlags, pipe, vmsplice},
    process::{Pid, getpid},
};
use zc_common::{
    IterClass::{None as NoIter, User},
    Site,
};

use crate::{
    counting::counting,
    mapping::{Mapping, PAGE},
    process_vm,
    site_kernel::Sharer,
    support::scratch,
};

const N: usize = 30_000;
const BYTES: u64 = 30_000;

#[test]
fn memory_of_another_process() {
    let (mut local, mut remote) = (vec![1; N], vec![2; N]);
    let child = Sharer::start();
    let child = Pid::from_raw(child.id()).map(|pid| (pid, child)).unwrap();
    counting(|counter| {
        for pid in [child.0, getpid()] {
            let counted = counter.count(|| {
                assert_eq!(process_vm::read(pid, &mut local, &raw const remote[..]), Ok(N));
                assert_eq!(process_vm::read(pid, &mut local[..7], &raw const remote[..7]), Ok(7));
            });
            counted.expect(&[(Site::ProcessRead, NoIter, BYTES + 7)]);
            let counted = counter.count(|| {
                assert_eq!(process_vm::write(pid, &local, &mut remote), Ok(N));
            });
            counted.expect(&[(Site::ProcessWrite, NoIter, BYTES)]);
        }
    });
}

/// What cannot be reached ends the copy; what was copied before counts.
#[test]
fn memory_that_is_not_there() {
    let mapping = Mapping::anonymous(3);
    mapping.write();
    let start = ptr::with_exposed_provenance::<u8>(usize::try_from(mapping.address()).unwrap());
    let beyond = |pages: usize| ptr::slice_from_raw_parts(start, pages * PAGE);
    mapping.cut(2);
    let mut local = vec![0; 4 * PAGE];
    counting(|counter| {
        let counted = counter.count(|| {
            let got = process_vm::read(getpid(), &mut local, beyond(4));
            assert_eq!(got, Ok(2 * PAGE));
        });
        counted.expect(&[(Site::ProcessRead, NoIter, 2 * PAGE as u64)]);
        let counted = counter.count(|| {
            let nowhere = ptr::slice_from_raw_parts(start.wrapping_add(2 * PAGE), PAGE);
            assert_eq!(process_vm::read(getpid(), &mut local, nowhere), Err(Errno::FAULT));
        });
        counted.expect(&[]);
    });
}

/// Lends `bytes` to a pipe.
fn lend(into: &File, bytes: &[u8], flags: SpliceFlags) -> rustix::io::Result<usize> {
    // SAFETY: the callers read the pages out again before they change.
    unsafe { vmsplice(into, &[IoSliceRaw::from_slice(bytes)], flags) }
}

/// Has a pipe written to `buffer`.
fn take(out: &File, buffer: &mut [u8], flags: SpliceFlags) -> rustix::io::Result<usize> {
    // SAFETY: the kernel writes to a buffer that nobody else has.
    unsafe { vmsplice(out, &[IoSliceRaw::from_slice_mut(buffer)], flags) }
}

#[test]
fn vmsplice_lends_pages_to_a_pipe_and_copies_out_of_one() {
    let (out, into) = pipe().map(|(out, into)| (File::from(out), File::from(into))).unwrap();
    let (none, dont_wait) = (SpliceFlags::empty(), SpliceFlags::NONBLOCK);
    let (payload, mut buffer) = (vec![1; 20 * PAGE + 1], vec![0; 20 * PAGE + 1]);
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(lend(&into, &payload[..N], none), Ok(N));
            assert_eq!((&out).read(&mut buffer).unwrap(), N);
        });
        counted.expect(&[(Site::VmspliceWrite, NoIter, BYTES), (Site::PipeRead, User, BYTES)]);
        let counted = counter.count(|| {
            assert_eq!((&into).write(&payload[..N]).unwrap(), N);
            // Two calls, the first of which ends inside a page.
            assert_eq!(take(&out, &mut buffer[..999], none), Ok(999));
            assert_eq!(take(&out, &mut buffer[999..], dont_wait), Ok(N - 999));
            assert_eq!(take(&out, &mut buffer, dont_wait), Err(Errno::AGAIN));
        });
        counted.expect(&[(Site::PipeWrite, User, BYTES), (Site::VmspliceRead, NoIter, BYTES)]);
        // A pipe has room for sixteen pages.
        let mut lent = 0;
        let counted = counter.count(|| {
            lent = lend(&into, &payload, dont_wait).unwrap();
            assert_eq!(lend(&into, &payload, dont_wait), Err(Errno::AGAIN));
            assert_eq!(take(&out, &mut buffer, none), Ok(lent));
        });
        assert!((15 * PAGE + 1..=16 * PAGE).contains(&lent), "{lent}");
        let lent = lent as u64;
        counted.expect(&[(Site::VmspliceWrite, NoIter, lent), (Site::VmspliceRead, NoIter, lent)]);
    });
}

/// A descriptor that is open for both is written to.
#[test]
fn vmsplice_to_a_fifo_open_for_reading_and_writing() {
    let folder = scratch();
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RWXU).unwrap();
    let fifo = File::options().read(true).write(true).open(&path).unwrap();
    let (payload, mut buffer) = (vec![1; N], vec![0; N]);
    counting(|counter| {
        let counted = counter.count(|| {
            assert_eq!(lend(&fifo, &payload, SpliceFlags::empty()), Ok(N));
            (&fifo).read_exact(&mut buffer).unwrap();
        });
        counted.expect(&[(Site::VmspliceWrite, NoIter, BYTES), (Site::PipeRead, User, BYTES)]);
    });
}
