use super::*;
use crate::{
    claims::programs::Programs,
    result::picture::tests::{only, run},
    transfer::style,
};

/// What the evidence says of a run of which `change` made the report.
fn seen(change: impl FnOnce(&mut LabReport)) -> Result<u64, Unobservable> {
    let mut report = only("read-send", run(style("read-send").unwrap()));
    change(&mut report);
    let mut evidence = Evidence::new(Programs::new(Default::default(), Default::default()));
    evidence.add(Circumstances::Warm, report);
    evidence.run(warm("read-send"))?.bytes()
}

#[test]
fn lost_counts_are_told_from_a_kernel_that_lets_nothing_be_seen() {
    assert!(seen(|_| ()).is_ok());
    let incomplete = |report: &mut LabReport| {
        report.complete = false;
        report.completeness.problems = vec!["why".into()];
    };
    let why = || "incomplete: why".to_owned();
    assert_eq!(seen(incomplete), Err(Unobservable::Lacking(why())));
    let lossy = |report: &mut LabReport| {
        incomplete(report);
        report.completeness.lost.unfollowed_children = 3;
    };
    assert_eq!(seen(lossy), Err(Unobservable::Lost(why())));
}

#[test]
fn what_a_machine_lacks_is_replaced_and_what_was_lost_is_not() {
    let mut evidence = Evidence::new(Programs::new(Default::default(), Default::default()));
    evidence.lacks(card("read-send"), "no card");
    evidence.lacks(cold_veth("read-send"), "no veth either");
    let needs = [card("read-send"), cold_veth("read-send")];
    let why = |evidence: &Evidence| evidence.first(&needs).map(|run| run.run.moved_bytes);
    assert_eq!(why(&evidence), Err(Unobservable::Lacking("no veth either".into())));
    evidence.runs.insert(needs[1], Ok(run(style("read-send").unwrap())));
    evidence.unwatched.insert(needs[1].how, BTreeSet::new());
    assert!(why(&evidence).is_ok());
    evidence.runs.insert(needs[0], Err(Unobservable::Lost("3".into())));
    assert_eq!(why(&evidence), Err(Unobservable::Lost("3".into())));
}
