//! Loads the BPF object and attaches it, recording what each probe became.

use std::{collections::BTreeMap, io, os::fd::AsFd};

use aya::{
    Btf, Ebpf, TestRun as _, include_bytes_aligned,
    programs::{FEntry, FExit, Program, ProgramError, RawTracePoint, RawTracePointRunOptions},
};
use serde::Serialize;
use zc_common::Site;

use super::{
    catalogue::{Aid, At, Entry, Job, SITES},
    loader,
    log::KernelLog,
    meters,
    misses::Misses,
    resolve::{Resolved, resolve},
};
use crate::kernel::{bpf_info, caps::Caps};

mod error;
mod options;
mod stacks;
pub(super) mod tracepoints;

pub use error::AttachError;
pub use options::{Breakdown, Options, Whom};
pub use stacks::StackRoom;

/// The kernel half, built by the build script.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/zc-ebpf"));

/// The program that [`Probes::set_group`] runs.
const SET_GROUP: &str = "set_group";

/// What became of a wanted probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// It counts.
    Attached {
        /// The kernel function.
        function: &'static str,
    },
    /// This kernel has no function of any of its names.
    Absent,
    /// The kernel has the function and refused the probe.
    Refused {
        /// The kernel function.
        function: &'static str,
        /// The kernel's own words.
        reason: String,
    },
    /// Attached, but a known transfer gave another number: not relied on.
    Miscounts {
        /// The kernel function.
        function: &'static str,
        /// Bytes of the known transfer.
        moved: u64,
        /// Bytes that were counted.
        counted: u64,
    },
    /// Left out on request.
    Disabled,
    /// Left out because nothing that is measured needs it.
    Unneeded,
}

/// Everything attached; dropping it detaches everything.
pub struct Probes {
    /// The loaded object.
    pub ebpf: Ebpf,
    /// By [`Site`].
    pub sites: Vec<Status>,
    /// By row of [`meters::METERS`].
    pub meters: Vec<Status>,
    /// By [`Site`]: its function in this kernel, attached or not.
    pub functions: [Option<&'static str>; Site::ALL.len()],
    skips_nested: bool,
    /// See [`Resolved::page_leaves_copy`].
    pub page_leaves_copy: bool,
    /// Whether the stack of each pass is taken.
    pub stacks: bool,
    /// What the programs log.
    pub log: KernelLog,
}

impl Probes {
    /// Loads and attaches the tracepoints and every site but `disabled`. A site that cannot be
    /// attached is recorded and the rest goes on.
    ///
    /// # Errors
    /// Those of [`Probes::attach_with`].
    pub fn attach(disabled: &[Site]) -> Result<Self, AttachError> {
        Self::attach_with(&Options { disabled, ..Options::default() })
    }

    /// The same with tables of other sizes.
    ///
    /// # Errors
    /// [`AttachError`]; a refused program is one only when it is a tracepoint's or `set_group`.
    pub fn attach_with(options: &Options<'_>) -> Result<Self, AttachError> {
        check_permission()?;
        let mut resolved = resolve()?;
        options.write(&mut resolved.layout);
        if options.breakdown.is_some() {
            std::mem::replace(&mut resolved.breakdown, Ok(()))?;
        }
        let mut ebpf = load(&resolved, options)?;
        let btf = &resolved.targets;
        tracepoints::load_only(&mut ebpf, SET_GROUP)?;
        if options.breakdown.is_some() {
            for name in ["own_pid", "translate_pid"] {
                tracepoints::load_only(&mut ebpf, name)?;
            }
            learn_registers(&mut ebpf)?;
        }
        tracepoints::attach(&mut ebpf, btf, options)?;
        let mut sites = attach_sites(&mut ebpf, btf, &resolved, options);
        let bare = !probes_functions(&sites);
        if bare {
            attach_instead(&mut ebpf, &mut sites);
        }
        let meters = meters::attach(&mut ebpf, btf, &resolved.meters, bare, options);
        let log = KernelLog::open(&mut ebpf);
        let Resolved { functions, skips_nested, page_leaves_copy, .. } = resolved;
        let stacks = options.stacks.is_some();
        Ok(Self { ebpf, sites, meters, functions, skips_nested, page_leaves_copy, stacks, log })
    }

    /// Loads and attaches a raw tracepoint only: all that the boundary tier needs.
    ///
    /// # Errors
    /// [`AttachError::Object`] or [`AttachError::Essential`], also where permission is missing.
    pub fn try_raw_tracepoint() -> Result<(), AttachError> {
        let mut ebpf = loader::without_btf().load(OBJECT)?;
        tracepoints::attach_bare(&mut ebpf)
    }

    /// Puts process `pid` into the group with this number; 0 for none.
    ///
    /// # Errors
    /// [`ProgramError::SyscallError`] when the kernel does not run it (`BPF_PROG_TEST_RUN`).
    pub fn set_group(&mut self, pid: u32, group: u8) -> Result<(), ProgramError> {
        self.run(SET_GROUP, [u64::from(pid), u64::from(group)])
    }

    /// Runs one of the programs that are loaded for it.
    ///
    /// # Errors
    /// As for [`Probes::set_group`].
    pub fn run(&mut self, name: &str, arguments: [u64; 2]) -> Result<(), ProgramError> {
        run(&mut self.ebpf, name, arguments)
    }

    /// Skipped runs of every loaded program since loading.
    ///
    /// # Errors
    /// Those of [`bpf_info::recursion_misses`].
    pub fn recursion_misses(&self) -> Result<Misses, io::Error> {
        let mut told = BTreeMap::new();
        for (name, program) in self.ebpf.programs() {
            if let Ok(fd) = program.fd() {
                let Some(misses) = bpf_info::recursion_misses(fd.as_fd())? else {
                    return Ok(if self.skips_nested { Misses::Untold } else { Misses::Never });
                };
                told.insert(name.to_owned(), misses);
            }
        }
        Ok(Misses::Told(told))
    }
}

/// Sizes the maps and loads the object.
fn load(resolved: &Resolved, options: &Options<'_>) -> Result<Ebpf, AttachError> {
    let mut loader = loader::without_btf();
    loader.map_max_entries("OWNERS", options.owner_slots);
    stacks::size(&mut loader, options.stacks);
    if let Some(Breakdown { cells, threads }) = options.breakdown {
        loader.map_max_entries("OWNER_TASKS", options.owner_slots);
        loader.map_max_entries("CALLS", options::thread_ids());
        loader.map_max_entries("CELLS", cells).map_max_entries("THREADS", threads);
    }
    Ok(loader.override_global("LAYOUT", &resolved.layout, true).load(OBJECT)?)
}

/// Runs a program that is loaded for it (`BPF_PROG_TEST_RUN`), in this process.
fn run(ebpf: &mut Ebpf, name: &str, arguments: [u64; 2]) -> Result<(), ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    let program: &mut RawTracePoint = program.try_into()?;
    let mut options = RawTracePointRunOptions::new();
    options.args[..2].copy_from_slice(&arguments);
    program.test_run(options).map(drop)
}

/// Lets the kernel half find out where tasks save their registers: any return of a system call tells.
fn learn_registers(ebpf: &mut Ebpf) -> Result<(), AttachError> {
    const LEARN: &str = "learn_registers";
    let refused = |reason| AttachError::Essential { kind: "program", name: LEARN, reason };
    tracepoints::attach_raw(ebpf, LEARN, tracepoints::TYPED).map_err(refused)?;
    let _parent = rustix::process::getppid();
    with_program(ebpf, LEARN, RawTracePoint::unload).map_err(refused)
}

/// Whether this process may trace at all.
///
/// # Errors
/// [`AttachError::Permission`], with the capabilities that are missing.
pub fn check_permission() -> Result<(), AttachError> {
    match Caps::of_self().missing() {
        Some(missing) => Err(AttachError::Permission(missing)),
        None => Ok(()),
    }
}

/// Whether any kernel function is probed, given the sites' `statuses`; else only tracepoints are left.
pub fn probes_functions(statuses: &[Status]) -> bool {
    let mut functions = SITES.iter().zip(statuses).filter(|(row, _)| row.at != At::Tracepoint);
    functions.any(|(_, status)| matches!(status, Status::Attached { .. }))
}

/// Whether every byte that does `job` is seen, given the sites' `statuses`; otherwise why not.
///
/// # Errors
/// The first of its sites that is not relied on and why, or that this kernel has none.
pub fn sees(statuses: &[Status], job: Job) -> Result<(), String> {
    let mut attached = false;
    let mut names: Vec<&str> = Vec::new();
    for (row, status) in SITES.iter().zip(statuses).filter(|(row, _)| row.job == job) {
        names.extend(row.functions);
        match status {
            Status::Attached { .. } => attached = true,
            Status::Absent => {}
            Status::Refused { function, reason } => {
                return Err(format!("the kernel refused {function}: {reason}"));
            }
            Status::Miscounts { function, moved, counted } => {
                return Err(format!(
                    "{function} does not count right here: {moved} bytes passed, {counted} counted"
                ));
            }
            Status::Disabled => return Err(format!("{} is disabled", row.program)),
            Status::Unneeded => return Err(format!("{} was not attached", row.program)),
        }
    }
    if attached {
        Ok(())
    } else {
        Err(format!("this kernel has no function {}", names.join(" or ")))
    }
}

fn attach_sites(
    ebpf: &mut Ebpf,
    btf: &Btf,
    resolved: &Resolved,
    options: &Options<'_>,
) -> Vec<Status> {
    let mut aids = BTreeMap::new();
    SITES
        .iter()
        .map(|row| {
            let Some(function) = resolved.functions[row.site as usize] else {
                return Status::Absent;
            };
            if options.disabled.contains(&row.site) || options.boundary {
                return Status::Disabled;
            }
            if row.at == At::Tracepoint {
                return Status::Unneeded;
            }
            if options.only.is_some_and(|jobs| !jobs.contains(&row.job)) {
                return Status::Unneeded;
            }
            match attach_site(ebpf, btf, row, function, &mut aids) {
                Ok(()) => Status::Attached { function },
                Err(reason) => Status::Refused { function, reason },
            }
        })
        .collect()
}

/// Attaches the sites that are tracepoints, where the kernel lets none of the others be attached.
fn attach_instead(ebpf: &mut Ebpf, statuses: &mut [Status]) {
    for (row, status) in SITES.iter().zip(statuses) {
        if let (At::Tracepoint, [name]) = (row.at, row.functions) {
            *status = match tracepoints::attach_raw(ebpf, row.program, name) {
                Ok(()) => Status::Attached { function: name },
                Err(reason) => Status::Refused { function: name, reason },
            };
        }
    }
}

/// Attaches what a site cannot do without, once for all sites, and then the site.
fn attach_site(
    ebpf: &mut Ebpf,
    btf: &Btf,
    row: &Entry,
    function: &'static str,
    aids: &mut BTreeMap<&'static str, Result<(), String>>,
) -> Result<(), String> {
    for Aid { program, function, at } in row.aids {
        aids.entry(program)
            .or_insert_with(|| attach_at(ebpf, btf, program, function, *at))
            .clone()
            .map_err(|reason| format!("its aid {function}: {reason}"))?;
    }
    attach_at(ebpf, btf, row.program, function, row.at)
}

/// Loads and attaches a program on a function.
pub(super) fn attach_at(
    ebpf: &mut Ebpf,
    btf: &Btf,
    program: &str,
    function: &str,
    at: At,
) -> Result<(), String> {
    match at {
        At::Entry => with_program(ebpf, program, |program: &mut FEntry| {
            program.load(function, btf)?;
            program.attach().map(drop)
        }),
        At::Exit => with_program(ebpf, program, |program: &mut FExit| {
            program.load(function, btf)?;
            program.attach().map(drop)
        }),
        At::Tracepoint => tracepoints::attach_raw(ebpf, program, function),
    }
}

/// Runs `attach` on the program called `name`; the error is the kernel's, in a line.
pub(super) fn with_program<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &str,
    attach: impl FnOnce(&mut P) -> Result<(), ProgramError>,
) -> Result<(), String>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
    P: 'a,
{
    let program = ebpf.program_mut(name).ok_or("the BPF object has no such program")?;
    let program: &mut P = program.try_into().map_err(|error: ProgramError| error.to_string())?;
    attach(program).map_err(|error| explain(&error))
}

/// The kernel's answer in one line: the errno, and the last line of a verifier's log that is not
/// about what verifying cost.
pub fn explain(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let said = log.lines().rev().find(|line| {
                let line = line.trim();
                let cost = ["processed ", "stack depth ", "subprog ", "verification time "];
                !line.is_empty() && !cost.iter().any(|about| line.starts_with(about))
            });
            match said {
                Some(line) => format!("{io_error}: {}", line.trim()),
                None => io_error.to_string(),
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        other => other.to_string(),
    }
}
