//! Pages that a ring of io_uring lends to a socket, and whose the copies are that the kernel takes of
//! them.

use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    process,
};

use io_uring::{IoUring, cqueue, opcode::SendZc, types::Fd};
use zc::measure::{Engine, Sample, sockopt};
use zc_common::{
    Group,
    IterClass::{Paged, User},
    Site,
};

use crate::{
    counting::counting,
    needs::{self, needs},
};

const N: usize = 30_000;
const BYTES: u64 = 30_000;

/// A ring, and a connection that it lends pages to.
struct Lender {
    ring: IoUring,
    near: TcpStream,
    far: TcpStream,
    payload: Vec<u8>,
}

impl Lender {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        Self { ring: IoUring::new(2).unwrap(), near, far, payload: vec![3; N] }
    }

    /// SEND_ZC, until the pages are free again.
    fn lend(&mut self) {
        let bytes = u32::try_from(N).unwrap();
        let send = SendZc::new(Fd(self.near.as_raw_fd()), self.payload.as_ptr(), bytes).build();
        // SAFETY: the payload is there until both completions are, below.
        unsafe { self.ring.submission().push(&send) }.unwrap();
        self.ring.submit().unwrap();
        self.far.read_exact(&mut vec![0; N]).unwrap();
        self.ring.submit_and_wait(2).unwrap();
        let sent = self.ring.completion().next().unwrap();
        assert!(cqueue::more(sent.flags()) && usize::try_from(sent.result()) == Ok(N));
        assert!(cqueue::notif(self.ring.completion().next().unwrap().flags()));
    }
}

/// What this process and nobody in particular did in `work`.
fn count(engine: &mut Engine, work: impl FnOnce(&mut Engine, Group)) -> [Sample; 2] {
    let own = Group::traced(1).unwrap();
    engine.watch(process::id(), own).unwrap();
    engine.arm(&[own, Group::MACHINE]).unwrap();
    work(engine, own);
    let mut counted = engine.disarm().unwrap();
    [own, Group::MACHINE].map(|group| counted.remove(&group).unwrap())
}

fn copied(sample: &Sample) -> u64 {
    sample.sites.get(&(Site::SkbCopyUbufs, Paged)).map_or(0, |tally| tally.bytes)
}

#[test]
fn a_ring_s_copies_are_its_owner_s_and_of_a_ring_that_is_no_longer_traced_nobody_s() {
    needs!(needs::function("io_sendmsg_zc"));
    let (own, machine, nobody) = counting(|counter| {
        counter.unskipped(|engine| {
            loop {
                let mut lender = Lender::new();
                let [own, machine] = count(engine, |_, _| lender.lend());
                let nobody = count(engine, |engine, own| {
                    engine.watch(process::id(), Group::MACHINE).unwrap();
                    lender.lend();
                    engine.watch(process::id(), own).unwrap();
                });
                // What is sent again is copied again.
                if sockopt::sent_again(lender.near.as_fd()).unwrap() == 0 {
                    return (own, machine, nobody);
                }
            }
        })
    });
    assert_eq!(own.sites[&(Site::SkbZerocopyIterStream, User)].bytes, BYTES);
    assert_eq!([copied(&own), copied(&machine)], [BYTES, 0]);
    assert_eq!(nobody.each_ref().map(copied), [0, BYTES]);
}
