//! Rust's standard library, which zc itself is built with.

use std::{
    fs::File,
    io::{self, BufWriter},
};

use super::{
    super::{Assertion, Claim, Unobservable},
    Program, Seen,
    stage::Stage,
};

pub(in crate::claims) const RUST: Claim = Claim {
    id: "24",
    says: "Rust's std::io::copy copies in the kernel",
    who: "Rust's standard library",
    needs: &[],
    parts: &[
        Assertion {
            says: "file to file: no byte passes the memory of the process",
            decide: |evidence| evidence.program(&FILES)?.in_the_kernel(),
        },
        Assertion {
            says: "to a file behind a BufWriter: so it does",
            decide: |evidence| evidence.program(&BUFFERED)?.in_the_kernel(),
        },
    ],
};

pub(super) const FILES: Program = Program {
    name: "std::io::copy",
    observe: |stage: &Stage<'_>| copy(stage, "io::copy", &["f", "g"]),
};

pub(super) const BUFFERED: Program = Program {
    name: "std::io::copy to a BufWriter",
    observe: |stage: &Stage<'_>| copy(stage, "io::copy to a BufWriter", &["f", "g", "--buffered"]),
};

fn copy(stage: &Stage<'_>, who: &str, arguments: &[&str]) -> Result<Seen, Unobservable> {
    let zc =
        std::env::current_exe().map_err(|error| Unobservable::Lacking(format!("zc: {error}")))?;
    let zc = zc.to_str().ok_or_else(|| Unobservable::Lacking("zc's path is not UTF-8".into()))?;
    stage.copy(who.to_owned(), &[&[zc, "worker", "copy"], arguments].concat())
}

/// What `zc worker copy` does, to be looked at.
///
/// # Errors
/// Those of files.
pub fn copy_file(from: &std::path::Path, to: &std::path::Path, buffered: bool) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create_new(to)?);
    if buffered {
        io::copy(&mut from, &mut BufWriter::new(to))?;
    } else {
        io::copy(&mut from, &mut to)?;
    }
    Ok(())
}
