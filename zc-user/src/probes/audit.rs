//! Watching the leaves of the running kernel, for an audit.

use std::{
    fs,
    io::{self, ErrorKind},
    os::fd::AsFd,
};

use aya::{
    Ebpf,
    programs::{KProbe, PerfEvent, Program},
};
use thiserror::Error;
use zc_common::{Group, Leaf};

use super::{
    attach::{Probes, with_program},
    leaves::{Absent, Found, Method, find},
    misses::Misses,
};
use crate::kernel::{
    breakpoint::{Breakpoint, REGISTERS, Scope, free_registers},
    facts::setting,
};

/// Why there can be no audit. Each says what to do.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The leaves are not there.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// Their addresses are not to be had.
    #[error(
        "the kernel hides the addresses of its functions: be root or have CAP_SYSLOG, and set \
         kernel.kptr_restrict to 1 (it is {0})"
    )]
    Hidden(String),
    /// CAP_PERFMON is not enough for it (`hw_breakpoint_parse`, kernel/events/hw_breakpoint.c).
    #[error("the kernel lets only CAP_SYS_ADMIN set breakpoints in its code: run it as root")]
    Permission,
    /// Others hold them all.
    #[error(
        "none of the processor's {REGISTERS} debug registers is free: end the debugger, or the perf \
         events of type mem:, that hold them"
    )]
    NoRegister,
    /// The kernel says something else.
    #[error(
        "the kernel refused a breakpoint on {function}: {error} (kernel.perf_event_paranoid is {paranoid})"
    )]
    Refused {
        /// The leaf.
        function: &'static str,
        /// The kernel's answer.
        error: io::Error,
        /// The setting.
        paranoid: String,
    },
    /// Neither method: the breakpoints' error, then the kernel's answer to the kprobe.
    #[error("{0} (no kprobes before that: {1})")]
    Neither(Box<Self>, String),
    /// The leaf's program does not load.
    #[error("the kernel refused the program of the audit for {function}: {reason}")]
    Program {
        /// The leaf.
        function: &'static str,
        /// The kernel's answer.
        reason: String,
    },
    /// The process is gone.
    #[error("cannot list the threads of process {pid}: {error}")]
    Threads {
        /// Its id.
        pid: u32,
        /// Why.
        error: io::Error,
    },
}

impl AuditError {
    fn refused(function: &'static str, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM) => Self::Permission,
            Some(libc::ENOSPC) => Self::NoRegister,
            _ => {
                let paranoid = setting("kernel/perf_event_paranoid");
                Self::Refused { function, error, paranoid: paranoid.unwrap_or_default() }
            }
        }
    }
}

/// What an audit watches, and when.
#[derive(Clone, Debug)]
pub struct AuditPlan {
    /// How.
    pub method: Method,
    /// Leaves that are watched at once, each in one round: a round is one more run of the transfer.
    pub rounds: Vec<Vec<Found>>,
    /// Debug registers that were free, for breakpoints.
    pub registers: Option<usize>,
    /// The kernel's answer to the kprobe that was tried first, where it refused.
    pub kprobe_refused: Option<String>,
}

/// Finds the leaves and loads their programs into `probes`: as kprobes where the kernel takes them,
/// else as breakpoints, dealt out to the free registers.
///
/// # Errors
/// [`AuditError::Absent`] when a leaf that an audit needs is not there, [`AuditError::Neither`]
/// when the kernel takes neither kprobes nor breakpoints.
pub fn prepare(probes: &mut Probes) -> Result<AuditPlan, AuditError> {
    let found = find(probes.page_leaves_copy)?;
    // Losses that nobody tells of would leave every audit incomplete.
    let told = matches!(probes.recursion_misses(), Ok(Misses::Told(_)));
    let kprobes = if told {
        attach_kprobes(&mut probes.ebpf, &found)
    } else {
        Err("this kernel does not tell which kprobes it skips".into())
    };
    let refused = match kprobes {
        Err(refused) => refused,
        Ok(()) => {
            let rounds = vec![found];
            let method = Method::Kprobe;
            return Ok(AuditPlan { method, rounds, registers: None, kprobe_refused: None });
        }
    };
    match load_breakpoints(&mut probes.ebpf, &found) {
        Err(error) => Err(AuditError::Neither(Box::new(error), refused)),
        Ok(registers) => Ok(AuditPlan {
            method: Method::Breakpoint,
            rounds: found.chunks(registers).map(<[Found]>::to_vec).collect(),
            registers: Some(registers),
            kprobe_refused: Some(refused),
        }),
    }
}

/// Puts a kprobe on all `leaves` or, when the kernel refuses one, on none: the error is then the
/// kernel's, in a line.
///
/// # Errors
/// The first leaf that the kernel refused, and its answer.
pub fn attach_kprobes(ebpf: &mut Ebpf, leaves: &[Found]) -> Result<(), String> {
    for (number, found) in leaves.iter().enumerate() {
        let program = Method::Kprobe.program(found.entry);
        let attached = with_program(ebpf, &program, |program: &mut KProbe| {
            program.load()?;
            program.attach(found.function, 0).map(drop)
        });
        if let Err(reason) = attached {
            for found in &leaves[..=number] {
                let program = Method::Kprobe.program(found.entry);
                // The last one may not have got as far as being loaded.
                let _ = with_program(ebpf, &program, KProbe::unload);
            }
            return Err(format!("{}: {reason}", found.function));
        }
    }
    Ok(())
}

/// Loads the programs that breakpoints on `leaves` run; how many registers are free for them.
fn load_breakpoints(ebpf: &mut Ebpf, leaves: &[Found]) -> Result<usize, AuditError> {
    let mut free = 0;
    for found in leaves {
        let function = found.function;
        if free == 0 {
            free = free_registers(address(found)?)
                .map_err(|error| AuditError::refused(function, error))?;
        }
        if free == 0 {
            return Err(AuditError::NoRegister);
        }
        let program = Method::Breakpoint.program(found.entry);
        with_program(ebpf, &program, PerfEvent::load)
            .map_err(|reason| AuditError::Program { function, reason })?;
    }
    Ok(free)
}

fn address(found: &Found) -> Result<u64, AuditError> {
    let hidden = || {
        let setting = setting("kernel/kptr_restrict");
        AuditError::Hidden(setting.unwrap_or_else(|| "not there".into()))
    };
    found.address.ok_or_else(hidden)
}

/// A breakpoint on one leaf, hit by one process.
pub struct Watch {
    /// The group of that process.
    pub group: Group,
    /// The leaf.
    pub leaf: Leaf,
    function: &'static str,
    breakpoint: Breakpoint,
}

impl Watch {
    /// How often it was hit, by the kernel's own count.
    ///
    /// # Errors
    /// [`AuditError::Refused`] when the breakpoint lost its register or cannot be read.
    pub fn hits(&self) -> Result<u64, AuditError> {
        self.breakpoint.hits().map_err(|error| AuditError::refused(self.function, error))
    }
}

/// Sets breakpoints on `leaves` in every thread of each process, and in what those start from now on.
///
/// # Errors
/// [`AuditError::Threads`] when a process is gone, [`AuditError::Hidden`] when a leaf has no
/// address, [`AuditError::Program`] when its program was not loaded before ([`prepare`]). By the
/// kernel's answer to a breakpoint: [`AuditError::NoRegister`] for `ENOSPC`,
/// [`AuditError::Permission`] for `EPERM`, [`AuditError::Refused`] for any other, as `ESRCH` when a
/// thread ended.
pub fn watch(
    ebpf: &Ebpf,
    leaves: &[Found],
    processes: &[(u32, Group)],
) -> Result<Vec<Watch>, AuditError> {
    let mut watches = Vec::new();
    for &(pid, group) in processes {
        let threads = threads(pid).map_err(|error| AuditError::Threads { pid, error })?;
        for (found, thread) in leaves.iter().flat_map(|leaf| threads.iter().map(move |t| (leaf, t)))
        {
            let refused = |error| AuditError::refused(found.function, error);
            let breakpoint =
                Breakpoint::open(address(found)?, Scope::Thread(*thread)).map_err(refused)?;
            let unloaded = || AuditError::Program {
                function: found.function,
                reason: "it is not loaded".into(),
            };
            let program = Method::Breakpoint.program(found.entry);
            let Some(Program::PerfEvent(program)) = ebpf.program(&program) else {
                return Err(unloaded());
            };
            let program = program.fd().map_err(|_| unloaded())?;
            breakpoint.start(program.as_fd()).map_err(refused)?;
            let (leaf, function) = (found.entry.leaf, found.function);
            watches.push(Watch { group, leaf, function, breakpoint });
        }
    }
    Ok(watches)
}

/// The thread ids of a process.
fn threads(pid: u32) -> io::Result<Vec<u32>> {
    let number = |name: &str| name.parse().map_err(|_| io::Error::from(ErrorKind::InvalidData));
    fs::read_dir(format!("/proc/{pid}/task"))?
        .map(|entry| number(&entry?.file_name().to_string_lossy()))
        .collect()
}
