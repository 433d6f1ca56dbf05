//! Not root: nothing without capabilities, everything with the two that tracing needs.

use std::{
    fs::Permissions,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Output,
};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{
    support::{nothing_left_behind, scratch, status, stderr, stdout, zc},
    user::{Privilege, as_user},
};

#[test]
fn an_ordinary_user_is_told_which_capabilities_are_missing() {
    let output = as_user(zc(), Privilege::None).args(["lab", "--size", "64K"]).output().unwrap();
    nothing_left_behind();
    assert_eq!(status(&output), 2);
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_BPF and CAP_PERFMON") && said.contains("root"), "{said}");

    let doctor = as_user(zc(), Privilege::None).arg("doctor").output().unwrap();
    assert_eq!(status(&doctor), 2);
    assert!(stdout(&doctor).contains("CAP_BPF and CAP_PERFMON missing"), "{}", stdout(&doctor));
    // Not the other thing that EPERM may mean.
    assert!(!stdout(&doctor).contains("locked memory"), "{}", stdout(&doctor));
}

/// A lab with the two capabilities, and at most so many bytes of locked memory.
fn lab_of_a_user(locked: Option<u64>) -> Output {
    let folder = scratch();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let mut command = as_user(zc(), Privilege::Tracing);
    let limit = Rlimit { current: locked, maximum: locked };
    // SAFETY: one system call between fork and exec.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Memlock, limit)?)) };
    let output =
        command.args(["lab", "--size", "1M", "--dir"]).arg(folder.path()).output().unwrap();
    nothing_left_behind();
    output
}

/// Up to 5.10 maps count as locked memory, and too little of it is named; later kernels do not ask
/// (`bpf_charge_memlock`).
#[test]
fn two_capabilities_are_enough() {
    let mut output = lab_of_a_user(Some(64 << 10));
    if status(&output) != 0 {
        let said = stderr(&output);
        assert_eq!((status(&output), said.lines().count()), (2, 1), "{said}");
        assert!(said.contains("65536 bytes") && said.contains("ulimit -l"), "{said}");
        output = lab_of_a_user(None);
    }
    assert_eq!(status(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("verified; complete"));
}
