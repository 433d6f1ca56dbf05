//! Claims about pipes, and about what passes between processes without one.

use super::{Assertion, Claim, Decided, evidence::warm};
use crate::expect::{
    Quantity::UserToKernel,
    Side::{Receiver, Sender},
};

pub(super) const VMSPLICE_MAPS: Claim = Claim {
    id: "6",
    says: "vmsplice maps user memory into a pipe without copying",
    who: "vmsplice(2)",
    needs: &[warm("vmsplice")],
    parts: &[Assertion {
        says: "no byte is copied on its way into the pipe",
        decide: |evidence| Decided::copies(evidence.run(warm("vmsplice"))?, Sender, [0, 0, 0]),
    }],
};

pub(super) const VMSPLICE_BACK_COPIES: Claim = Claim {
    id: "7",
    says: "vmsplice from a pipe to user memory copies",
    who: "vmsplice(2)",
    needs: &[warm("vmsplice-back")],
    parts: &[Assertion {
        says: "each byte is copied once from kernel to user",
        decide: |evidence| {
            Decided::copies(evidence.run(warm("vmsplice-back"))?, Receiver, [0, 1, 0])
        },
    }],
};

pub(super) const GIFT: Claim = Claim {
    id: "8",
    says: "SPLICE_F_GIFT lets the kernel take the page",
    who: "vmsplice(2)",
    needs: &[warm("vmsplice"), warm("vmsplice-gift")],
    parts: &[Assertion {
        says: "with the flag something is copied or called that is not without it, or the reverse",
        decide: |evidence| {
            let [plain, gift] = [warm("vmsplice"), warm("vmsplice-gift")].map(|n| evidence.run(n));
            let (plain, gift) = (plain?, gift?);
            let mut facts = Vec::new();
            let mut differs = false;
            for side in [Sender, Receiver] {
                let (without, with) = (plain.copied(side)?, gift.copied(side)?);
                differs |= without.iter().zip(&with).any(|(a, b)| a.measured != b.measured);
                facts.extend(without.into_iter().chain(with));
            }
            Ok(Decided { holds: differs, facts })
        },
    }],
};

pub(super) const TEE: Claim = Claim {
    id: "9",
    says: "tee does not copy",
    who: "tee(2)",
    needs: &[warm("tee")],
    parts: &[Assertion {
        says: "the payload goes to two places and no byte is copied for it",
        decide: |evidence| Decided::copies(evidence.run(warm("tee"))?, Sender, [0, 0, 0]),
    }],
};

pub(super) const PROCESS_VM: Claim = Claim {
    id: "18",
    says: "process_vm_readv transfers directly between processes",
    who: "process_vm_readv(2)",
    needs: &[warm("process-vm-readv"), warm("vmsplice-back")],
    parts: &[
        Assertion {
            says: "each byte is copied once",
            decide: |evidence| {
                let run = evidence.run(warm("process-vm-readv"))?;
                let receiver = Decided::copies(run, Receiver, [0, 1, 0])?;
                Ok(receiver.and(Decided::copies(run, Sender, [0, 0, 0])?))
            },
        },
        Assertion {
            says: "through a pipe it is copied twice",
            decide: |evidence| {
                let run = evidence.run(warm("vmsplice-back"))?;
                let sender = Decided::copies(run, Sender, [1, 0, 0])?;
                Ok(sender.and(Decided::copies(run, Receiver, [0, 1, 0])?))
            },
        },
    ],
};

pub(super) const PIPES_COPY_TWICE: Claim = Claim {
    id: "19",
    says: "pipes copy twice, vmsplice and splice do not",
    who: "mazzo.li",
    needs: &[warm("pipe"), warm("vmsplice-splice")],
    parts: &[
        Assertion {
            says: "through a pipe by write and read each byte is copied into the kernel and out of it",
            decide: |evidence| {
                // The writer has read the payload from a file before, which is no part of the claim.
                let run = evidence.run(warm("pipe"))?;
                let written = Decided::times(run, Sender, UserToKernel, 1)?;
                Ok(written.and(Decided::copies(run, Receiver, [0, 1, 0])?))
            },
        },
        Assertion {
            says: "vmsplice into a pipe and splice out of it copies nothing",
            decide: |evidence| {
                let run = evidence.run(warm("vmsplice-splice"))?;
                let sender = Decided::copies(run, Sender, [0, 0, 0])?;
                Ok(sender.and(Decided::copies(run, Receiver, [0, 0, 0])?))
            },
        },
    ],
};
