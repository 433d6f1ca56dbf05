//! `zc trace` of what the network stack copies after the call that sent it.

use std::{process::id, thread};

use crate::{
    support::scratch,
    theory::Kind,
    tracing::{Traced, Tracer, flows, unskipped},
    transfers::Rig,
};

const BYTES: usize = 48_000;
const PASSES: usize = 3;

/// Lends pages to a TCP connection of this process. A segment that is sent again is copied again:
/// then all is done once more.
fn lend() -> Traced {
    loop {
        let folder = scratch();
        let mut rig = Rig::new(folder.path()).unwrap();
        let before = rig.sent_again();
        let tracer = Tracer::start(&["--json", "--threads", "-p", &id().to_string()]);
        let sender = thread::Builder::new().name("sender".into());
        let rig = sender
            .spawn(move || {
                (0..PASSES).for_each(|_| rig.pass(Kind::ZerocopyTcp, BYTES).unwrap());
                rig
            })
            .unwrap();
        let rig = rig.join().unwrap();
        let traced = Traced::of(tracer.interrupt());
        if rig.sent_again() == before {
            return traced;
        }
    }
}

#[test]
fn trace_sees_lent_pages_copied_later() {
    let traced = unskipped(lend);
    traced.expect_complete();
    let threads = traced.report.process("zc-tests")["threads"].as_array().unwrap();
    let sender = threads.iter().find(|thread| thread["name"] == "sender").unwrap();
    assert_eq!(
        flows(sender),
        [
            "0 (network stack):  → , KK 144000, copied later by skb_copy_ubufs",
            "3 recvfrom: TCP → memory, 144000 bytes, KU 144000, one copy by simple_copy_to_iter",
            "3 sendto: memory → TCP, 144000 bytes, zero-copy",
        ]
    );
}
