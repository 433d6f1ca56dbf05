//! Whether the audit tier's probe is to be had: an execution breakpoint on a copy primitive.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

use aya_obj::generated::{PERF_FLAG_FD_CLOEXEC, perf_event_attr};

use super::TierReport;
use crate::{kernel::facts::symbol_address, result::Tier};

/// The primitive that is tried (`lib/iov_iter.c`).
const LEAF: &str = "_copy_to_iter";

/// `PERF_TYPE_BREAKPOINT`, include/uapi/linux/perf_event.h.
const TYPE_BREAKPOINT: u32 = 5;

/// `HW_BREAKPOINT_X`, include/uapi/linux/hw_breakpoint.h.
const BREAKPOINT_EXECUTE: u32 = 4;

/// Opens the breakpoint on this process and closes it again.
pub(super) fn try_audit() -> TierReport {
    let (works, answer) = match symbol_address(LEAF) {
        None => (false, "its address is not in /proc/kallsyms (see kernel.kptr_restrict)".into()),
        Some(address) => match open(address) {
            Ok(_) => (true, "opened".into()),
            Err(error) => (false, error.to_string()),
        },
    };
    TierReport {
        tier: Tier::Audit,
        works,
        probe: "hardware execution breakpoint on _copy_to_iter",
        answer,
    }
}

fn open(address: u64) -> io::Result<OwnedFd> {
    // SAFETY: a plain C struct for which all-zero bytes are valid.
    let mut attr: perf_event_attr = unsafe { std::mem::zeroed() };
    attr.type_ = TYPE_BREAKPOINT;
    attr.size = u32::try_from(size_of::<perf_event_attr>()).map_err(io::Error::other)?;
    attr.bp_type = BREAKPOINT_EXECUTE;
    attr.__bindgen_anon_1.sample_period = 1;
    attr.__bindgen_anon_3.bp_addr = address;
    // An execution breakpoint's length is that of a `long` (perf_event_open(2)).
    attr.__bindgen_anon_4.bp_len = 8;
    attr.set_disabled(1);
    let (this_process, any_cpu, no_group) = (0, -1, -1);
    // SAFETY: perf_event_open(2) reads `attr`, whose size is in it, and keeps nothing of it.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            this_process,
            any_cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
