//! Kernels that give zc less than this one does, made of this one.

use std::os::unix::process::CommandExt;

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};
use zc::{
    measure::Engine,
    probes::attach::{Breakdown, Options, Probes},
};
use zc_common::{Cell, Group};

use crate::{
    counts::everything,
    skip::needs,
    support::{boundary, root},
};

/// The number of a system call (arch/x86/entry/syscalls/syscall_64.tbl).
const RECVFROM: usize = 45;
const GETPPID: usize = 110;

/// As before 5.5, or where such programs are refused: tracepoints give bare numbers.
#[test]
fn tracepoints_without_types_count_the_same() {
    needs!(root());
    let breakdown = Some(Breakdown::of(64));
    let options = Options { boundary: true, typed: false, breakdown, ..Options::default() };
    let mut engine = Engine::new(Probes::attach_with(&options).unwrap());
    let mut held = everything();
    engine.watch(held.pid(), Group::FIRST).unwrap();
    engine.arm(&[Group::FIRST]).unwrap();
    held.go();
    held.ended();
    let sample = engine.disarm().unwrap().remove(&Group::FIRST).unwrap();
    held.reap();
    assert_eq!(sample.syscall_count(), 37);
    let calls = |number: usize| (sample.syscalls[&number].calls, sample.syscalls[&number].bytes);
    assert_eq!((calls(GETPPID), calls(RECVFROM)), ((7, 0), (5, 51_152)));
    assert_eq!(sample.tasks.exits, 1);
    let listed = engine.breakdown().unwrap();
    let returns = listed.cells.iter().filter(|(cell, _)| cell.what == Cell::RETURN);
    assert_eq!(returns.map(|(_, tally)| tally.calls).sum::<u64>(), 37);
    // Whose switches they are only the types tell.
    assert_eq!(sample.meters.context_switches, Default::default());
}

#[test]
fn a_kernel_that_does_not_publish_its_types_is_named_as_such() {
    needs!(root());
    let mut command = boundary("trace");
    let hide = || {
        // SAFETY: only system calls between fork and exec, in a process that has one thread.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount(c"none", c"/sys/kernel/btf", c"tmpfs", MountFlags::empty(), None)?;
        Ok(())
    };
    // SAFETY: system calls with constant arguments; nothing is allocated.
    unsafe { command.pre_exec(hide) };
    let output = command.args(["--", "true"]).output();
    needs!(output.as_ref().map(drop).map_err(|error| format!("no file can be hidden: {error}")));
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("/sys/kernel/btf/vmlinux") && said.contains("CONFIG_DEBUG_INFO_BTF"));
}
