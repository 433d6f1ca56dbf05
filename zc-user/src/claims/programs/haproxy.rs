//! HAProxy between two TCP connections.

use super::{
    super::{Assertion, Claim, Unobservable},
    Program, Seen,
    peer::{Peer, free_port, send},
    stage::Stage,
};

pub(in crate::claims) const HAPROXY: Claim = Claim {
    id: "27",
    says: "HAProxy splices TCP",
    who: "HAProxy's documentation",
    needs: &[],
    parts: &[
        Assertion {
            says: "without an option for it: most bytes get from socket to socket by splice",
            decide: |evidence| evidence.program(&PLAIN)?.spliced(MOST),
        },
        Assertion {
            says: "with splice-auto: most bytes do",
            decide: |evidence| evidence.program(&AUTO)?.spliced(MOST),
        },
        Assertion {
            says: "with splice-request: every byte does",
            decide: |evidence| evidence.program(&REQUEST)?.spliced(|spliced, all| spliced == all),
        },
        Assertion {
            says: "the CPU copies none of those that do",
            decide: |evidence| evidence.program(&REQUEST)?.spliced_uncopied(),
        },
    ],
};

/// HAProxy takes the first bytes of a connection into a buffer, and decides then.
const MOST: fn(u64, u64) -> bool = |spliced, all| spliced > all / 2;

pub(super) const PLAIN: Program =
    Program { name: "haproxy", observe: |stage: &Stage<'_>| relay(stage, "") };
const AUTO: Program = Program {
    name: "haproxy with splice-auto",
    observe: |stage: &Stage<'_>| relay(stage, "option splice-auto"),
};
const REQUEST: Program = Program {
    name: "haproxy with splice-request",
    observe: |stage: &Stage<'_>| relay(stage, "option splice-request"),
};

fn relay(stage: &Stage<'_>, option: &str) -> Result<Seen, Unobservable> {
    let who = stage.version("haproxy", "-v")?;
    let (port, sink) = (free_port()?, Peer::sink()?);
    stage.write("haproxy.cfg", &configuration(port, sink.port, option))?;
    let haproxy = ["haproxy", "-db", "-f", "haproxy.cfg"];
    let payload = stage.payload()?;
    let (trace, ()) = stage.serve(&haproxy, port, || send(port, &payload))?;
    Ok(Seen { who, payload: stage.check(&sink.result()?)?, trace })
}

fn configuration(port: u16, to: u16, option: &str) -> String {
    format!(
        "global
           maxconn 100
         defaults
           mode tcp
           timeout connect 60s
           timeout client 60s
           timeout server 60s
         listen relay
           bind 127.0.0.1:{port}
           {option}
           server sink 127.0.0.1:{to}\n"
    )
}
