//! The guest's kernel is the one that was asked for, and the tests can tell what it has.

use crate::needs::{self, needs};

#[test]
fn a_need_is_asked_of_the_kernel() {
    assert_eq!(needs::function("vfs_read"), Ok(()));
    let lack = needs::function("no_such_function").unwrap_err();
    assert_eq!(lack, "the kernel has no function no_such_function (/proc/kallsyms)");
}

#[test]
fn a_kernel_asked_to_be_preemptible_is() {
    needs!(needs::boot_argument("preempt=full"));
    assert_eq!(needs::full_preemption(), Ok(()));
}
