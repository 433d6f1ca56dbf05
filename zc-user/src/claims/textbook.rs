//! What the textbook says of a server that sends a file.

use super::{
    Assertion, Claim, Decided, Evidence, Fact, Need, Unobservable,
    evidence::{card, card_without_gather},
};
/// Who says it.
pub(super) const TEXTBOOK: &str = "the owner's textbook (2020)";

pub(super) const T8: Claim = Claim {
    id: "T8",
    says: "ordinary remote copy (read and send) takes 4 copies, 4 switches, and the CPU makes all 4 copies",
    who: TEXTBOOK,
    needs: &[card("read-send")],
    parts: &[
        Assertion {
            says: "each byte is moved 4 times: from the disk, to the program, to the socket, to the card",
            decide: |evidence| moved(evidence, card("read-send"), 4),
        },
        Assertion {
            says: "4 mode switches for each chunk",
            decide: |evidence| switches_a_chunk(evidence, card("read-send"), 4),
        },
        Assertion {
            says: "the CPU makes 4 copies of each byte",
            decide: |evidence| by_cpu(evidence, card("read-send"), 4),
        },
    ],
};

pub(super) const T9: Claim = Claim {
    id: "T9",
    says: "a first zero copy takes 3 copies, 2 switches, and the CPU makes 1 of the copies",
    who: TEXTBOOK,
    needs: &[card_without_gather("sendfile")],
    parts: &[
        Assertion {
            says: "each byte is moved 3 times: from the disk, in the kernel, to the card",
            decide: |evidence| moved(evidence, card_without_gather("sendfile"), 3),
        },
        Assertion {
            says: "2 mode switches for each chunk",
            decide: |evidence| switches_a_chunk(evidence, card_without_gather("sendfile"), 2),
        },
        Assertion {
            says: "the CPU makes 1 copy of each byte",
            decide: |evidence| by_cpu(evidence, card_without_gather("sendfile"), 1),
        },
    ],
};

pub(super) const T10: Claim = Claim {
    id: "T10",
    says: "full zero copy takes no copy by the CPU and no switch: the card reads memory by descriptors",
    who: TEXTBOOK,
    needs: &[card("sendfile")],
    parts: &[
        Assertion {
            says: "the CPU makes no copy in the sender",
            decide: |evidence| by_cpu(evidence, card("sendfile"), 0),
        },
        Assertion {
            says: "no mode switch",
            decide: |evidence| switches_a_chunk(evidence, card("sendfile"), 0),
        },
    ],
};

/// Whether the CPU copied each byte so often.
fn by_cpu(evidence: &Evidence, need: Need, times: u64) -> Result<Decided, Unobservable> {
    let run = evidence.run(need)?;
    let (bytes, fact) = (run.bytes()?, run.cpu_bytes()?);
    Ok(Decided { holds: fact.measured == times * bytes, facts: vec![run.payload()?, fact] })
}

/// Whether disk, CPU and card together moved each byte so often, headers apart.
fn moved(evidence: &Evidence, need: Need, times: u64) -> Result<Decided, Unobservable> {
    let run = evidence.run(need)?;
    let facts = vec![run.payload()?, run.disk_bytes()?, run.cpu_bytes()?, run.card_bytes()?];
    let moved: u64 = facts[1..].iter().map(|fact| fact.measured).sum();
    Ok(Decided { holds: moved == times * run.bytes()?, facts })
}

/// Whether there were so many mode switches for each chunk.
fn switches_a_chunk(evidence: &Evidence, need: Need, times: u64) -> Result<Decided, Unobservable> {
    let run = evidence.run(need)?;
    let chunks = run.bytes()?.div_ceil(super::CHUNK);
    let fact = run.mode_switches()?;
    let holds = fact.measured == times * chunks;
    let chunks = Fact { what: "chunks".into(), measured: chunks };
    Ok(Decided { holds, facts: vec![chunks, fact] })
}
