//! What the textbook says of the ways into the kernel.

use super::{Assertion, Claim, Decided, Evidence, Fact, Unobservable, evidence::warm};
use crate::{
    claims::textbook::TEXTBOOK,
    expect::{Quantity, Side::Sender},
};

pub(super) const T1: Claim = Claim {
    id: "T1",
    says: "a process enters the kernel in three ways: system call, exception, interrupt",
    who: TEXTBOOK,
    needs: &[warm("three-ways")],
    parts: &[
        Assertion {
            says: "a process that calls, touches new pages and is interrupted enters in each of these ways",
            decide: |evidence| {
                let (rounds, [calls, faults]) = entries(evidence)?;
                let interrupts = interrupts(evidence)?;
                let holds = calls.measured >= rounds.measured
                    && faults.measured == rounds.measured
                    && interrupts.measured > 0;
                Ok(Decided { holds, facts: vec![rounds, calls, faults, interrupts] })
            },
        },
        Assertion {
            says: "looking at the clock, which the vDSO answers, enters in none of them",
            decide: |evidence| {
                let (rounds, [calls, faults]) = entries(evidence)?;
                let holds = calls.measured == rounds.measured && faults.measured == rounds.measured;
                Ok(Decided { holds, facts: vec![rounds, calls, faults] })
            },
        },
    ],
};

/// How many system calls and first touches were made, and what was counted of each.
pub(crate) fn entries(evidence: &Evidence) -> Result<(Fact, [Fact; 2]), Unobservable> {
    let run = evidence.run(warm("three-ways"))?;
    let measured = run.bytes()?.div_ceil(super::CHUNK);
    let made =
        Fact { what: "system calls made, and pages touched for the first time".into(), measured };
    Ok((made, [run.fact(Sender, Quantity::Syscalls)?, run.fact(Sender, Quantity::PageFaults)?]))
}

/// Interrupts that hit the process in user mode: of all kinds, or of those that can be told here.
pub(crate) fn interrupts(evidence: &Evidence) -> Result<Fact, Unobservable> {
    let run = evidence.run(warm("three-ways"))?;
    let interrupts = &run.run.sender.switches.interrupts;
    let known =
        (!interrupts.kinds.is_empty()).then(|| interrupts.kinds.iter().map(|kind| kind.user).sum());
    let measured = interrupts.user.or(known);
    let measured = measured.ok_or_else(|| run.unobservable("interrupts are not counted"))?;
    Ok(run.of(Sender, "interrupts in user mode", measured))
}
