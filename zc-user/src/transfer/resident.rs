//! Pages of a file in the page cache, and what holds them there.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, UdpSocket},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Whether any of the first `size` bytes of `file` is in the page cache (mincore(2)). For a file
/// that this user may not write the kernel says yes to every page.
pub(super) fn any(file: &File, size: u64) -> io::Result<bool> {
    let length = usize::try_from(size).map_err(io::Error::other)?;
    let mut pages = vec![0_u8; length.div_ceil(rustix::param::page_size())];
    let start = {
        let nowhere = std::ptr::null_mut();
        // SAFETY: a new mapping at an address of the kernel's choice, never read through.
        unsafe { mmap(nowhere, length, ProtFlags::READ, MapFlags::SHARED, file, 0) }?
    };
    // SAFETY: the kernel writes a byte for each page of the mapping made above; there is one.
    let result = unsafe { libc::mincore(start, length, pages.as_mut_ptr()) };
    let answer = if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the whole mapping, which nothing refers to.
    unsafe { munmap(start, length) }?;
    // The other bits are reserved.
    answer.map(|()| pages.iter().any(|page| page & 1 == 1))
}

/// Has the network stack let go of pages that were sent by reference. A receiver leaves its
/// buffers to the CPU that made them, which frees them when it next receives something
/// (`skb_attempt_defer_free`, net/core/skbuff.c). So each CPU receives something.
pub(super) fn release_sent() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(socket.local_addr()?)?;
    let allowed = sched_getaffinity(None)?;
    let mut sent = Ok(());
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)) {
        let mut only = CpuSet::new();
        only.set(cpu);
        // Loopback receives on the CPU that sends.
        let send = || {
            sched_setaffinity(None, &only).map_err(io::Error::from).and_then(|()| socket.send(&[0]))
        };
        sent = sent.and(send().map(drop));
    }
    sched_setaffinity(None, &allowed)?;
    sent
}
