//! Files on a file system that writes by iomap and shares blocks between files.

use std::{collections::BTreeMap, fs, path::Path};

use rustix::fs::{copy_file_range, ioctl_ficlone};
use zc_common::{
    IterClass::{None as NoIter, User},
    Site,
};

use crate::{
    counting::counting,
    report::Lab,
    support::{disk, lab, sh},
};

/// Where it is mounted, until dropped.
pub(crate) struct Mounted(tempfile::TempDir);

impl Mounted {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in("/run").unwrap();
        let disk = disk(zc_guest::XFS_SERIAL);
        sh(&format!("mount -t xfs {} {}", disk.display(), folder.path().display()));
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        sh(&format!("umount {}", self.path().display()));
    }
}

/// Bytes copied, from user to kernel, from kernel to user, inside the kernel; system calls.
type Cost = ([u64; 3], u64);

/// Runs `zc lab` on the styles of `costs` with `arguments`, and compares.
fn assert_costs(costs: &[(&str, Cost)], bytes: u64, arguments: &[&str]) -> Lab {
    let styles: Vec<_> = costs.iter().map(|(style, _)| *style).collect();
    let (status, report) = lab(&[&styles, arguments].concat());
    let counted: BTreeMap<_, _> = report
        .styles
        .iter()
        .map(|style| {
            let run = style.run.as_ref().expect("it is supported");
            assert_eq!((run.moved_bytes, run.hash_ok), (bytes, true), "{}", style.style);
            let copied = run.sender.copied.all().map(|bytes| bytes.expect("it is seen"));
            (&*style.style, (copied, run.sender.syscalls.expect("they are seen")))
        })
        .collect();
    assert_eq!(counted, costs.iter().copied().collect());
    let verdict = (&*report.verdict, report.complete, &*report.completeness.calibration);
    assert_eq!(verdict, ("verified", true, "passed"), "{:?}", report.completeness);
    assert_eq!(status, 0);
    report
}

#[test]
fn what_shares_blocks_copies_nothing_and_what_writes_copies_by_iomap() {
    let disk = Mounted::new();
    let folder = disk.path().to_str().unwrap();
    const N: u64 = 1 << 20;
    let report = assert_costs(
        &[
            ("reflink", ([0, 0, 0], 1)),
            ("copy-file-range", ([0, 0, 0], 16)),
            ("read-write", ([N, N, 0], 32)),
            ("sendfile-file", ([0, 0, N], 16)),
            ("splice-file", ([0, 0, N], 32)),
            ("direct", ([0, 0, 0], 32)),
        ],
        N,
        &["--audit", "--size", "1M", "--dir", folder],
    );
    for style in &report.styles {
        let audit = style.audit.as_ref().expect("it is audited");
        assert_eq!(audit.verdict, "verified", "{}: {:?}", style.style, audit.lines);
    }
}

#[test]
fn blocks_are_shared_whole_but_for_the_last_of_a_file() {
    let disk = Mounted::new();
    let folder = disk.path().to_str().unwrap();
    // 18 calls that share 4 blocks each, and one that shares to the end.
    let styles = [("reflink", ([0, 0, 0], 1)), ("copy-file-range", ([0, 0, 0], 19))];
    let odd = ["--size", "300001", "--chunk", "20000", "--dir", folder];
    assert_costs(&styles, 300_001, &odd);
    // No call is given a whole block, but the last one the end of the file, from a block's start on.
    let styles = [("copy-file-range", ([0, 0, 8192], 9))];
    let small = ["--size", "8692", "--chunk", "1024", "--dir", folder];
    assert_costs(&styles, 8692, &small);
    // Two blocks are shared, and what is then no whole one is copied. A clone takes the file whole.
    let file = disk.path().join("file");
    fs::write(&file, vec![7; 100_000]).unwrap();
    let styles = [("reflink", ([0, 0, 0], 1)), ("copy-file-range", ([0, 0, 1808], 2))];
    let part = ["--size", "10000", "--file", file.to_str().unwrap()];
    assert_costs(&styles, 10_000, &part);
}

#[test]
fn shared_blocks_pass_their_site_once_for_both_ends() {
    const N: usize = 100_000;
    const BYTES: u64 = 100_000;
    let disk = Mounted::new();
    fs::write(disk.path().join("file"), vec![7; N]).unwrap();
    let file = fs::File::open(disk.path().join("file")).unwrap();
    let buffer = vec![1; N];
    let target = || fs::File::create(disk.path().join("target")).unwrap();
    counting(|counter| {
        let counted = counter.count_prepared(target, |target| {
            assert_eq!(copy_file_range(&file, Some(&mut 0), target, None, N).unwrap(), N);
        });
        counted.expect(&[(Site::RemapRange, NoIter, BYTES)]);
        // It returns no number of bytes.
        let counted = counter.count_prepared(target, |target| {
            ioctl_ficlone(target, &file).unwrap();
        });
        counted.expect_sites(&[(Site::RemapRange, NoIter, BYTES)]);
        assert_eq!(counted.coverage(), [0, 2 * BYTES]);
        let counted = counter.count_prepared(target, |target| {
            assert_eq!(rustix::io::write(target, &buffer).unwrap(), N);
        });
        counted.expect(&[(Site::IomapWrite, User, BYTES)]);
    });
}
