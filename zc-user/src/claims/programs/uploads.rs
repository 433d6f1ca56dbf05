//! Programs that many take for zero copy: rsync, and curl as it uploads.

use super::{
    super::{Assertion, Claim},
    Program, Seen,
    peer::Peer,
    stage::Stage,
    trace::{FILE, TCP},
};

pub(in crate::claims) const UPLOADS: Claim = Claim {
    id: "26",
    says: "rsync and curl's upload are zero copy",
    who: "folklore",
    needs: &[],
    parts: &[
        Assertion {
            says: "rsync: the CPU copies no byte of the file on its way into the other",
            decide: |evidence| evidence.program(&RSYNC)?.uncopied(FILE),
        },
        Assertion {
            says: "curl --upload-file: the CPU copies no byte of the file on its way into the socket",
            decide: |evidence| evidence.program(&CURL)?.uncopied(TCP),
        },
    ],
};

pub(super) const RSYNC: Program = Program {
    name: "rsync",
    observe: |stage: &Stage<'_>| {
        stage.copy(stage.version("rsync", "--version")?, &["rsync", "f", "g"])
    },
};

pub(super) const CURL: Program = Program {
    name: "curl",
    observe: |stage: &Stage<'_>| {
        let who = stage.version("curl", "--version")?;
        let server = Peer::upload()?;
        let url = format!("http://127.0.0.1:{}/f", server.port);
        let trace =
            stage.trace(&["curl", "--silent", "--noproxy", "*", "--upload-file", "f", &url])?;
        Ok(Seen { who, payload: stage.check(&server.result()?)?, trace })
    },
};
