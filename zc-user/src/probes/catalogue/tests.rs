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

/// A site as docs/sites.md shows it.
fn documented(row: &Entry) -> String {
    let words = |class| match (row.effect)(class) {
        Effect::Copy(direction) => format!("copy {}", arrow(direction)),
        Effect::Spared(direction) => format!("spared {}", arrow(direction)),
        Effect::Aside(direction) => format!("aside {}", arrow(direction)),
        Effect::Filled => "filled".to_owned(),
        Effect::Transformed => "transformed".to_owned(),
        Effect::Passed => "passed".to_owned(),
    };
    let mut effects: Vec<String> = Vec::new();
    for class in IterClass::ALL {
        if !effects.contains(&words(class)) {
            effects.push(words(class));
        }
    }
    let functions: Vec<_> = row.functions.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "| {} | {} | {} | {} |",
        functions.join(", "),
        row.meaning,
        effects.join(", "),
        row.source
    )
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::UserToKernel => "UK",
        KernelToUser => "KU",
        KernelToKernel => "KK",
    }
}

#[test]
fn every_site_is_documented_as_it_is() {
    let page = include_str!("../../../../docs/sites.md");
    let table: Vec<_> = SITES.iter().map(documented).collect();
    let missing: Vec<_> = table.iter().filter(|line| !page.contains(&***line)).collect();
    assert!(missing.is_empty(), "docs/sites.md needs these lines:\n{}", table.join("\n"));
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), SITES.len());
}
