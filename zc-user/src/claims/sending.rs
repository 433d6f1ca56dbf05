//! Claims about sending a file.

use super::{Assertion, Claim, Decided, evidence::warm};
use crate::expect::Side::Sender;

pub(super) const MMAP: Claim = Claim {
    id: "1",
    says: "mmap and write saves one copy over read and write",
    who: "Linux Journal 2003",
    needs: &[warm("read-send"), warm("mmap-send")],
    parts: &[
        Assertion {
            says: "with read and send each byte is copied out of the kernel and into it",
            decide: |evidence| Decided::copies(evidence.run(warm("read-send"))?, Sender, [1, 1, 0]),
        },
        Assertion {
            says: "sent from a mapping it is copied into the kernel only",
            decide: |evidence| Decided::copies(evidence.run(warm("mmap-send"))?, Sender, [1, 0, 0]),
        },
    ],
};

pub(super) const SPLICE: Claim = Claim {
    id: "3",
    says: "splice moves data without copying between kernel and user space",
    who: "splice(2)",
    needs: &[warm("splice"), warm("splice-file")],
    parts: &[
        Assertion {
            says: "file to pipe to socket: no byte is copied, not even in the kernel",
            decide: |evidence| Decided::copies(evidence.run(warm("splice"))?, Sender, [0, 0, 0]),
        },
        Assertion {
            says: "file to pipe to file: none between kernel and user space, each once in the kernel",
            decide: |evidence| {
                Decided::copies(evidence.run(warm("splice-file"))?, Sender, [0, 0, 1])
            },
        },
    ],
};

pub(super) const TLS: Claim = Claim {
    id: "16",
    says: "TLS in the kernel with sendfile avoids copies to and from user space",
    who: "nginx",
    needs: &[warm("sendfile-tls")],
    parts: &[
        Assertion {
            says: "no byte is copied, not even in the kernel",
            decide: |evidence| {
                Decided::copies(evidence.run(warm("sendfile-tls"))?, Sender, [0, 0, 0])
            },
        },
        Assertion {
            says: "the CPU reads each byte once all the same, to encrypt it",
            decide: |evidence| {
                let run = evidence.run(warm("sendfile-tls"))?;
                let encrypted = run.at_site(Sender, "crypto_aead_encrypt", None)?;
                Ok(Decided {
                    holds: encrypted == run.bytes()?,
                    facts: vec![
                        run.payload()?,
                        run.of(Sender, "bytes encrypted in the kernel", encrypted),
                    ],
                })
            },
        },
    ],
};
