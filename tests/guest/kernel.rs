//! The guest's kernel is the one that was asked for, and the tests can tell what it has.

use std::fs;

use crate::needs::{self, needs};

#[test]
fn a_need_is_asked_of_the_kernel() {
    assert_eq!(needs::function("vfs_read"), Ok(()));
    let lack = needs::function("no_such_function").unwrap_err();
    assert_eq!(lack, "the kernel has no function no_such_function (/proc/kallsyms)");
}

#[test]
fn a_kernel_asked_to_be_preemptible_is() {
    let line = fs::read_to_string("/proc/cmdline").unwrap();
    let asked = line.split_whitespace().any(|word| word == "preempt=full");
    let lack = "the kernel was not started with preempt=full (/proc/cmdline)";
    needs!(if asked { Ok(()) } else { Err(lack.to_owned()) });
    assert_eq!(needs::full_preemption(), Ok(()));
}
