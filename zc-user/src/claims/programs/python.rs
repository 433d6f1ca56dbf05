//! Python's standard library.

use super::{
    super::{Assertion, Claim},
    Program, Seen,
    peer::Peer,
    stage::Stage,
    trace::TCP,
};

pub(in crate::claims) const PYTHON: Claim = Claim {
    id: "23",
    says: "Python's shutil.copyfile copies in the kernel, and its socket.sendfile sends without a copy",
    who: "Python's documentation",
    needs: &[],
    parts: &[
        Assertion {
            says: "shutil.copyfile: the file gets to its copy without passing the memory of a process",
            decide: |evidence| evidence.program(&COPYFILE)?.in_the_kernel(),
        },
        Assertion {
            says: "socket.sendfile: the CPU copies no byte of the file in the sender",
            decide: |evidence| evidence.program(&SENDFILE)?.uncopied(TCP),
        },
    ],
};

/// Compiled modules are not kept: they would be written to files too.
const PYTHON3: [&str; 3] = ["python3", "-B", "-c"];

pub(super) const COPYFILE: Program = Program {
    name: "shutil.copyfile",
    observe: |stage: &Stage<'_>| {
        let who = stage.version(PYTHON3[0], "--version")?;
        let script = "import shutil; shutil.copyfile('f', 'g')";
        stage.copy(who, &[&PYTHON3[..], &[script]].concat())
    },
};

pub(super) const SENDFILE: Program = Program {
    name: "socket.sendfile",
    observe: |stage: &Stage<'_>| {
        let who = stage.version(PYTHON3[0], "--version")?;
        let sink = Peer::sink()?;
        let script = format!(
            "import socket\n\
             with socket.create_connection(('127.0.0.1', {})) as s, open('f', 'rb') as f:\n \
             s.sendfile(f)",
            sink.port
        );
        let trace = stage.trace(&[&PYTHON3[..], &[&script]].concat())?;
        Ok(Seen { who, payload: stage.check(&sink.result()?)?, trace })
    },
};
