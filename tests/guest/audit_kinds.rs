//! What each kind of transfer copies by theory, the kernel's copy primitives copy: counted at the
//! leaves, apart from any site.

use std::{
    collections::{BTreeMap, BTreeSet},
    process,
};

use zc::{
    measure::{Engine, LeafWindow},
    probes::{
        attach::{Options, Probes},
        audit::prepare,
        catalogue::Direction,
        leaves::{Carries, LEAVES},
    },
    transfer::session::Window,
};
use zc_common::Group;

use crate::{
    support::{nothing_left_behind, scratch},
    theory::{Era, Kind, UNIX_IN_ONE_PIECE},
    transfers::Rig,
};

/// Whole blocks, and less than a datagram in one piece has.
const BYTES: usize = 8192;

/// Less than the kernel says of its version.
const GENERATED: usize = 60;

fn size(kind: Kind) -> usize {
    match kind {
        Kind::Generated => GENERATED,
        Kind::UnixSplice => UNIX_IN_ONE_PIECE,
        _ => BYTES,
    }
}

#[test]
fn leaves_copy_what_theory_says_of_each_kind() {
    let folder = scratch();
    let mut rig = Rig::new(folder.path()).unwrap();
    let no_site = BTreeSet::new();
    let options = Options { only: Some(&no_site), ..Options::default() };
    let mut probes = Probes::attach_with(&options).unwrap();
    let plan = prepare(&mut probes).unwrap();
    let mut engine = Engine::new(probes);
    let processes = [(process::id(), Group::traced(1).unwrap())];
    engine.watch(processes[0].0, processes[0].1).unwrap();
    let (mut copied, mut expected) = (BTreeMap::new(), BTreeMap::new());
    for kind in Kind::ALL {
        let bytes = size(kind);
        let [uk, ku, _] = kind.theory(Era::of_this_kernel(), bytes).copies;
        expected.insert(kind, [uk, ku].map(|copies| copies * bytes as u64));
        // Once in vain: a copy into memory that is not there yet is begun twice.
        rig.pass(kind, bytes).unwrap();
        for leaves in &plan.rounds {
            let mut window = LeafWindow::new(&mut engine, plan.method, leaves, &processes, None);
            window.open().unwrap();
            rig.pass(kind, bytes).unwrap();
            window.close().unwrap();
            let sample = window.counted().unwrap().samples.remove(&processes[0].1).unwrap();
            let sum = copied.entry(kind).or_insert([0; 2]);
            for ((leaf, class), tally) in sample.tallies {
                match LEAVES[leaf as usize].carries(class) {
                    Carries::Payload(Direction::UserToKernel) => sum[0] += tally.bytes,
                    Carries::Payload(Direction::KernelToUser) => sum[1] += tally.bytes,
                    _ => {}
                }
            }
        }
    }
    drop(engine);
    nothing_left_behind();
    assert_eq!(copied, expected);
}
