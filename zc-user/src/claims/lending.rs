//! Claims about sending and receiving memory without a copy.

use super::{
    Assertion, Claim, Decided,
    evidence::{INTO_KERNEL, card, over_veth, warm},
};
use crate::expect::{
    Quantity::{KernelToUser, UserToKernel},
    Side::{Receiver, Sender},
};

pub(super) const ZEROCOPY: Claim = Claim {
    id: "10",
    says: "MSG_ZEROCOPY avoids the copy of a send, but not to the same machine",
    who: "the kernel's msg_zerocopy.rst",
    needs: &[card("zerocopy-send"), warm("zerocopy-send")],
    parts: &[
        Assertion {
            says: "over a card that gathers no byte is copied",
            decide: |evidence| Decided::copies(evidence.run(card("zerocopy-send"))?, Sender, [0, 0, 0]),
        },
        Assertion {
            says: "over loopback each is copied after all, in the kernel",
            decide: |evidence| Decided::copies(evidence.run(warm("zerocopy-send"))?, Sender, [0, 0, 1]),
        },
    ],
};

pub(super) const ZEROCOPY_VETH: Claim = Claim {
    id: "11",
    says: "MSG_ZEROCOPY works over veth",
    who: "its commit message",
    needs: &[over_veth("zerocopy-send")],
    parts: &[Assertion {
        says: "over a veth pair no byte is copied",
        decide: |evidence| {
            Decided::copies(evidence.run(over_veth("zerocopy-send"))?, Sender, [0, 0, 0])
        },
    }],
};

pub(super) const SEND_ZC: Claim = Claim {
    id: "12",
    says: "io_uring's SEND_ZC avoids the copy of a send",
    who: "liburing",
    needs: &[card("uring-send-zc"), warm("uring-send-zc")],
    parts: &[
        Assertion {
            says: "over a card that gathers no byte is copied",
            decide: |evidence| Decided::copies(evidence.run(card("uring-send-zc"))?, Sender, [0, 0, 0]),
        },
        Assertion {
            says: "the send itself copies nothing over loopback either; the receiver's copy comes later",
            decide: |evidence| Decided::copies(evidence.run(warm("uring-send-zc"))?, Sender, [0, 0, 1]),
        },
    ],
};

pub(super) const RECEIVE: Claim = Claim {
    id: "14",
    says: "TCP_ZEROCOPY_RECEIVE maps received pages instead of copying them",
    who: "its commit message",
    needs: &[warm("zerocopy-receive")],
    parts: &[Assertion {
        says: "over loopback most bytes are mapped",
        decide: |evidence| {
            let run = evidence.run(warm("zerocopy-receive"))?;
            let mapped = run.at_site(Receiver, "tcp_zerocopy_receive", None)?;
            let mapped = run.of(Receiver, "bytes mapped", mapped);
            let copied = run.fact(Receiver, KernelToUser)?;
            let holds = mapped.measured > copied.measured;
            Ok(Decided { holds, facts: vec![run.payload()?, mapped, copied] })
        },
    }],
};

pub(super) const REGISTERED: Claim = Claim {
    id: "13",
    says: "registered buffers remove copies",
    who: "folklore",
    needs: &[warm("uring-fixed")],
    parts: &[Assertion {
        says: "reading a file into a registered buffer copies nothing, not even in the kernel",
        decide: |evidence| {
            let run = evidence.run(warm("uring-fixed"))?;
            let copied = run.copied(Sender)?;
            // Sent from there each byte is copied into the socket, which is another matter.
            let read = copied.iter().filter(|fact| !fact.what.ends_with(INTO_KERNEL));
            let holds = read.map(|fact| fact.measured).sum::<u64>() == 0;
            let sent = Decided::times(run, Sender, UserToKernel, 1)?;
            Ok(Decided { holds, facts: copied.into() }.and(Decided { facts: Vec::new(), ..sent }))
        },
    }],
};
