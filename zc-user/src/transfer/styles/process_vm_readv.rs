//! process_vm_readv(2): the receiver takes the payload out of the sender's memory.

use std::io::IoSliceMut;

use nix::{
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};
use rustix::{
    io::{Errno, Result},
    process::{PTracer, set_ptracer},
};

use super::BETWEEN_PROCESSES;
use crate::{
    expect::{Cost, term},
    transfer::{
        Part, Plan, Source, Style,
        link::Link,
        work::{Work, usize},
    },
};

pub(super) const STYLE: Style = Style {
    name: "process-vm-readv",
    how: "process_vm_readv(2) from the sender's memory into the receiver's",
    textbook_name: "one copy",
    textbook: "from process to process, where a pipe needs two copies",
    source: Source::Memory,
    link: Link::ProcessMemory,
    sender: Part { run: offer, cost: |_| Cost::NOTHING, jobs: BETWEEN_PROCESSES },
    receiver: Some(Part { run: receive, cost, jobs: BETWEEN_PROCESSES }),
};

fn cost(plan: Plan) -> Cost {
    Cost {
        kernel_to_user: term(plan.bytes, "N: process_vm_readv"),
        syscalls: term(plan.chunks(), "⌈N/c⌉: process_vm_readv"),
        ..Cost::NOTHING
    }
}

/// Lets the receiver in, where Yama keeps siblings out of each other
/// (Documentation/admin-guide/LSM/Yama.rst), and does nothing more.
fn offer(work: &mut Work<'_>) -> Result<u64> {
    match set_ptracer(PTracer::Any) {
        // Without Yama nobody has to be let in.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    work.pace.put(work.bytes);
    Ok(work.bytes)
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    work.pace.until_put(work.bytes)?;
    let (process, address) = work.pace.announced();
    let process = Pid::from_raw(i32::try_from(process).map_err(|_| Errno::SRCH)?);
    let start = usize::try_from(address).map_err(|_| Errno::FAULT)?;
    let mut received = 0;
    while received < work.bytes {
        let len = work.next(work.bytes - received);
        let base = start + usize(received)?;
        let mut local = [IoSliceMut::new(&mut work.buffer[..len])];
        let got = process_vm_readv(process, &mut local, &[RemoteIoVec { base, len }])
            .map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
        work.hasher.update(&work.buffer[..got]);
        work.moved.into += got as u64;
        received += got as u64;
    }
    Ok(received)
}
