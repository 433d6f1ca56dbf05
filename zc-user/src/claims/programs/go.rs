//! Go's io.Copy between two TCP connections.

use super::{
    super::{Assertion, Claim, Unobservable},
    Program, Seen,
    peer::Peer,
    stage::Stage,
};

pub(in crate::claims) const GO: Claim = Claim {
    id: "22",
    says: "Go's io.Copy between TCP sockets uses splice",
    who: "Go's net package",
    needs: &[],
    parts: &[
        Assertion {
            says: "from one TCPConn to another: each byte gets there by splice",
            decide: |evidence| evidence.program(&BARE)?.spliced(|spliced, all| spliced == all),
        },
        Assertion {
            says: "the CPU copies none of those that do",
            decide: |evidence| evidence.program(&BARE)?.spliced_uncopied(),
        },
        Assertion {
            says: "to a writer that wraps one: each byte gets there by splice",
            decide: |evidence| evidence.program(&WRAPPED)?.spliced(|spliced, all| spliced == all),
        },
    ],
};

const SOURCE: &str = r#"
package main

import (
	"io"
	"net"
	"os"
)

type wrapped struct{ io.Writer }

func dial(port string) *net.TCPConn {
	connection, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	return connection.(*net.TCPConn)
}

func main() {
	from, to := dial(os.Args[1]), dial(os.Args[2])
	var writer io.Writer = to
	if len(os.Args) > 3 {
		writer = wrapped{to}
	}
	if _, err := io.Copy(writer, from); err != nil {
		panic(err)
	}
	to.Close()
}
"#;

const BARE: Program = Program { name: "io.Copy", observe: |stage: &Stage<'_>| copy(stage, &[]) };
const WRAPPED: Program = Program {
    name: "io.Copy to a wrapper",
    observe: |stage: &Stage<'_>| copy(stage, &["wrapped"]),
};

fn copy(stage: &Stage<'_>, arguments: &[&str]) -> Result<Seen, Unobservable> {
    let who = stage.version("go", "version")?;
    stage.write("relay.go", SOURCE)?;
    let alone = ["env", "GO111MODULE=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0"];
    stage.run(&[&alone[..], &["go", "build", "-o", "relay", "relay.go"]].concat())?;
    let (source, sink) = (Peer::source(stage.payload()?)?, Peer::sink()?);
    let ports = [source.port, sink.port].map(|port| port.to_string());
    let relay = ["./relay", &ports[0], &ports[1]];
    let trace = stage.trace(&[&relay, arguments].concat())?;
    source.result()?;
    Ok(Seen { who, payload: stage.check(&sink.result()?)?, trace })
}
