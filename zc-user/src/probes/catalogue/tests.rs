//! Each row says what it means without counting a byte twice.

use super::*;
use Direction::{KernelToKernel, KernelToUser};

#[test]
fn rows_stand_in_counter_order() {
    for (row, site) in SITES.iter().zip(Site::ALL) {
        assert_eq!(row.site, site);
    }
}

#[test]
fn each_program_stands_in_one_row() {
    let programs: std::collections::BTreeSet<_> = SITES.iter().map(|row| row.program).collect();
    assert_eq!(programs.len(), SITES.len());
}

#[test]
fn only_a_page_cache_read_into_a_pipe_is_free() {
    let read = |class| (entry(Site::FilemapRead).effect)(class);
    assert_eq!(read(IterClass::User), Effect::Copy(KernelToUser));
    assert_eq!(read(IterClass::Kernel), Effect::Copy(KernelToKernel));
    assert_eq!(read(IterClass::Pipe), Effect::Passed);
    assert_eq!(
        (entry(Site::SimpleCopyToIter).effect)(IterClass::Pipe),
        Effect::Copy(KernelToKernel)
    );
}

#[test]
fn what_may_run_in_a_softirq_is_no_end_of_a_call() {
    for row in SITES.iter().filter(|row| row.context == Context::Any) {
        assert!(
            IterClass::ALL.iter().all(|class| (row.end)(*class) == End::Inner),
            "{}",
            row.program
        );
    }
}

#[test]
fn headers_are_no_payload() {
    let gather = |class| (entry(Site::SkbCopyBits).effect)(class);
    assert_eq!(gather(IterClass::Paged), Effect::Copy(KernelToKernel));
    assert_eq!(gather(IterClass::Linear), Effect::Aside(KernelToKernel));
}

/// Inside a TCP send the pages are counted by the send; elsewhere by nobody.
#[test]
fn pages_handed_to_a_socket_are_subtracted_only_from_a_send_that_counted_them() {
    let row = entry(Site::SkbSpliceFromIter);
    assert_eq!((row.effect)(IterClass::Kernel), Effect::Spared(KernelToKernel));
    assert_eq!((row.end)(IterClass::Kernel), End::Inner);
    assert_eq!((row.effect)(IterClass::None), Effect::Passed);
    assert_eq!((row.end)(IterClass::None), End::Sink);
}
