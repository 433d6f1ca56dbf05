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
                let ways = Ways::of(evidence)?;
                let [calls, faults, interrupts] = &ways.facts;
                let holds = calls.measured >= ways.rounds
                    && faults.measured == ways.rounds
                    && interrupts.measured > 0;
                Ok(ways.decided(holds))
            },
        },
        Assertion {
            says: "looking at the clock, which the vDSO answers, enters in none of them",
            decide: |evidence| {
                let ways = Ways::of(evidence)?;
                let holds = ways.facts[0].measured == ways.rounds;
                Ok(ways.decided(holds))
            },
        },
    ],
};

/// What was counted of a system call, a page fault and many looks at the clock a round.
struct Ways {
    rounds: u64,
    /// System calls, page faults, interrupts.
    facts: [Fact; 3],
}

impl Ways {
    fn of(evidence: &Evidence) -> Result<Self, Unobservable> {
        let run = evidence.run(warm("three-ways"))?;
        let interrupts = run.run.sender.switches.interrupts.user;
        let interrupts =
            interrupts.ok_or_else(|| run.unobservable("interrupts are not counted"))?;
        Ok(Self {
            rounds: run.bytes()?.div_ceil(super::CHUNK),
            facts: [
                run.fact(Sender, Quantity::Syscalls)?,
                run.fact(Sender, Quantity::PageFaults)?,
                run.of(Sender, "interrupts in user mode", interrupts),
            ],
        })
    }

    fn decided(self, holds: bool) -> Decided {
        let rounds =
            Fact { what: "system calls and first touches made".into(), measured: self.rounds };
        Decided { holds, facts: [vec![rounds], self.facts.into()].concat() }
    }
}
