//! sendfile(2) to a socket of TLS: the kernel encrypts out of the file's pages.

use rustix::{fs::sendfile, io::Result};

use crate::{
    expect::{Cost, Term, term},
    probes::catalogue::Job,
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        tls,
        work::{Work, in_chunks},
    },
};

pub(super) const STYLE: Style = Style {
    name: "sendfile-tls",
    how: "sendfile(2) from the file to a socket whose records the kernel encrypts",
    textbook_name: "zero copy",
    textbook: "no copy to user space and back for TLS: encryption by the kernel, 0 CPU copies",
    source: Source::File,
    link: Link::Tcp,
    sender: Part { run: transfer, cost, jobs: JOBS },
    receiver: Some(tls::RECEIVER),
};

const JOBS: &[Job] = &[
    Job::PageCacheRead,
    Job::MessageSend,
    Job::Encrypt,
    Job::TcpSend,
    Job::TcpHandOn,
    Job::TcpZerocopy,
    Job::SkbOwn,
    Job::SkbGather,
];

/// To encrypt is to read each byte and to write it anew, once, but no copy.
fn cost(plan: Plan) -> Cost {
    let Plan { bytes, chunk, .. } = plan;
    let kernel_to_kernel = match plan.sent() {
        Term { value: 0, formula } => term(0, formula),
        _ => term(tls::sealed(bytes, chunk), "N + 29 a record: no gather DMA"),
    };
    let calls = bytes.div_ceil(tls::round(chunk));
    Cost {
        kernel_to_kernel,
        syscalls: term(calls, "⌈N/min(c, 32 KiB)⌉: sendfile"),
        ..Cost::NOTHING
    }
}

fn transfer(work: &mut Work<'_>) -> Result<u64> {
    let (file, end) = (work.file()?, work.end()?);
    tls::encrypt(end)?;
    let most = work.next(tls::round(work.chunk as u64));
    in_chunks(work.bytes, most, |ask, _| sendfile(end, file, None, ask))
}
