//! Execution breakpoints in the kernel, held in the processor's debug registers.
//!
//! aya opens such events too, but keeps the descriptor to itself, and with it the kernel's own count
//! of the hits.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use aya_obj::generated::{
    HW_BREAKPOINT_LEN_8, HW_BREAKPOINT_X, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF,
    PERF_FLAG_FD_CLOEXEC, perf_event_attr, perf_type_id,
};

/// Debug registers for breakpoints: four on x86 (`HBP_NUM`, arch/x86/include/uapi/asm/hw_breakpoint.h
/// takes it from the processor, which has had four since the 80386).
pub const REGISTERS: usize = 4;

/// Whose passes hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This thread's, and those of the threads and processes that it starts from now on; 0 is the
    /// calling thread.
    Thread(u32),
    /// Everybody's on this processor.
    Processor(u32),
}

/// An execution breakpoint; dropping it gives the register back.
pub struct Breakpoint(OwnedFd);

impl Breakpoint {
    /// Opens one at a kernel `address`, not counting yet (perf_event_open(2)).
    ///
    /// # Errors
    /// The kernel's. `ENOSPC`: all registers are taken. `EPERM`: it wants CAP_SYS_ADMIN for a
    /// breakpoint in its own code (`hw_breakpoint_parse`, kernel/events/hw_breakpoint.c). `EACCES`:
    /// kernel.perf_event_paranoid wants CAP_PERFMON. `EINVAL`: the code at `address` is on the
    /// blacklist of kprobes (`arch_build_bp_info`, arch/x86/kernel/hw_breakpoint.c). `ESRCH`: no
    /// such thread.
    pub fn open(address: u64, scope: Scope) -> io::Result<Self> {
        // SAFETY: a plain C struct for which all-zero bytes are valid.
        let mut attr: perf_event_attr = unsafe { std::mem::zeroed() };
        attr.type_ = perf_type_id::PERF_TYPE_BREAKPOINT as u32;
        attr.size = u32::try_from(size_of::<perf_event_attr>()).map_err(io::Error::other)?;
        attr.bp_type = HW_BREAKPOINT_X;
        attr.__bindgen_anon_1.sample_period = 1;
        attr.__bindgen_anon_3.bp_addr = address;
        // An execution breakpoint's length is that of a `long` (perf_event_open(2)).
        attr.__bindgen_anon_4.bp_len = u64::from(HW_BREAKPOINT_LEN_8);
        attr.set_disabled(1);
        attr.set_inherit(1);
        // Without a register it is in error for good, instead of waiting for one and missing hits.
        attr.set_pinned(1);
        let (thread, processor) = match scope {
            Scope::Thread(thread) => (i64::from(thread), -1),
            Scope::Processor(processor) => (-1, i64::from(processor)),
        };
        let no_group = -1_i64;
        // SAFETY: perf_event_open(2) reads `attr`, whose size is in it, and keeps nothing of it.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attr,
                thread,
                processor,
                no_group,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Runs `program`, of type `BPF_PROG_TYPE_PERF_EVENT`, at each hit, and starts counting.
    ///
    /// # Errors
    /// The kernel's (`perf_event_set_bpf_handler`, kernel/events/core.c): `EINVAL` when `program`
    /// is of another type, `EEXIST` when this breakpoint runs one already.
    pub fn start(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        self.ioctl(PERF_EVENT_IOC_SET_BPF, program.as_raw_fd())?;
        self.ioctl(PERF_EVENT_IOC_ENABLE, 0)
    }

    /// How often it hit, children included, as the kernel counts without any program.
    ///
    /// # Errors
    /// When it lost its register, and with it hits; else the kernel's of read(2).
    pub fn hits(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        // A pinned event in error reads as the end of a file.
        match rustix::io::read(self.0.as_fd(), &mut count)? {
            8 => Ok(u64::from_ne_bytes(count)),
            _ => Err(io::Error::other("the breakpoint lost its debug register")),
        }
    }

    fn ioctl(&self, request: u32, argument: RawFd) -> io::Result<()> {
        // SAFETY: both requests take an integer and touch no memory of ours.
        let result =
            unsafe { libc::ioctl(self.0.as_raw_fd(), libc::Ioctl::from(request), argument) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// How many breakpoints the calling thread could have at kernel addresses now, at most
/// [`REGISTERS`]; an error where it may not have any. `address` is any executable one.
///
/// # Errors
/// Those of [`Breakpoint::open`], but for `ENOSPC`, which ends the count.
pub fn free_registers(address: u64) -> io::Result<usize> {
    let mut open = Vec::new();
    while open.len() < REGISTERS {
        match Breakpoint::open(address, Scope::Thread(0)) {
            Ok(breakpoint) => open.push(breakpoint),
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(open.len())
}
