//! A zc that is killed leaves nothing in the kernel.

use std::{collections::BTreeSet, fs};

use aya::programs::loaded_programs;
use rustix::process::Signal;

use crate::{
    held::Held,
    skip::needs,
    support::{Tracing, boundary, root, wait_for},
};

/// The programs that a process has loaded, by the numbers that the kernel gave them.
fn programs(pid: i32) -> BTreeSet<u32> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten();
    let infos = descriptors.filter_map(|descriptor| fs::read_to_string(descriptor.path()).ok());
    let ids = |info: String| {
        let id = info.lines().find_map(|line| line.strip_prefix("prog_id:"))?;
        id.trim().parse().ok()
    };
    infos.filter_map(ids).collect()
}

#[test]
fn a_killed_zc_leaves_no_program_and_its_target_alone() {
    needs!(root());
    let mut held = Held::new(|| {});
    let zc = Tracing::start(boundary("trace").args(["-p", &held.id()]));
    let its = programs(zc.pid().as_raw_nonzero().get());
    let left = || loaded_programs().flatten().filter(|program| its.contains(&program.id())).count();
    assert!(its.len() > 5 && left() == its.len(), "{its:?}");
    zc.signal(Signal::KILL);
    let output = zc.output();
    assert!(output.stdout.is_empty(), "no report of a run that did not end");
    // The kernel frees them a moment after the last reference goes.
    wait_for("unloading of all programs", || (left() == 0).then_some(()));
    held.go();
    held.ended();
    held.reap();
}
