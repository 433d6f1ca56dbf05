//! Kafka. zc does not run a broker yet.

use super::{
    super::{Assertion, Claim, Unobservable},
    Program,
    stage::Stage,
    trace::TCP,
};

pub(in crate::claims) const KAFKA: Claim = Claim {
    id: "28",
    says: "Kafka copies a fetch once, to the card, in plaintext, and saves no copy under TLS",
    who: "Kafka's documentation",
    needs: &[],
    parts: &[Assertion {
        says: "plaintext: the CPU copies no byte of a fetch in the broker",
        decide: |evidence| evidence.program(&BROKER)?.uncopied(TCP),
    }],
};

const BROKER: Program = Program {
    name: "kafka",
    observe: |stage: &Stage<'_>| {
        let version = stage.version("kafka-topics.sh", "--version")?;
        Err(Unobservable::Lacking(format!("{version}: zc cannot drive a broker yet")))
    },
};
