//! The tracepoints that every count needs, and the kinds of program that go on tracepoints.

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, RawTracePoint},
};

use super::{AttachError, Options, with_program};

/// The one with typed arguments, which is passed most often.
pub(in crate::probes) const TYPED: &str = "sys_exit";

/// The same with bare arguments, for kernels that refuse the first.
const BARE: &str = "raw_sys_exit";

/// With bare arguments; program, tracepoint.
const RAW: [(&str, &str); 5] = [
    ("page_fault_user", "page_fault_user"),
    ("page_fault_kernel", "page_fault_kernel"),
    ("process_fork", "sched_process_fork"),
    ("process_exec", "sched_process_exec"),
    ("process_exit", "sched_process_exit"),
];

/// Attaches all of them, and what the options add.
pub(super) fn attach(ebpf: &mut Ebpf, btf: &Btf, options: &Options<'_>) -> Result<(), AttachError> {
    let typed = if options.typed {
        attach_typed(ebpf, btf, options.return_program(), TYPED)
    } else {
        Err("left out".to_owned())
    };
    if let Err(typed) = typed {
        attach_raw(ebpf, BARE, TYPED).map_err(|bare| AttachError::Essential {
            kind: "tracepoint",
            name: TYPED,
            reason: format!("{typed}; with bare arguments: {bare}"),
        })?;
    }
    for (program, tracepoint) in RAW {
        attach_essential_raw(ebpf, program, tracepoint)?;
    }
    options.tracepoints().iter().try_for_each(|name| attach_essential_raw(ebpf, name, name))
}

/// Attaches only what shows that the boundary tier works.
pub(super) fn attach_bare(ebpf: &mut Ebpf) -> Result<(), AttachError> {
    attach_essential_raw(ebpf, BARE, TYPED)
}

/// Loads a program that is run from user space.
pub(super) fn load_only(ebpf: &mut Ebpf, name: &'static str) -> Result<(), AttachError> {
    with_program(ebpf, name, RawTracePoint::load).map_err(|reason| AttachError::Essential {
        kind: "program",
        name,
        reason,
    })
}

fn attach_essential_raw(
    ebpf: &mut Ebpf,
    program: &str,
    name: &'static str,
) -> Result<(), AttachError> {
    attach_raw(ebpf, program, name).map_err(|reason| AttachError::Essential {
        kind: "raw tracepoint",
        name,
        reason,
    })
}

/// Loads and attaches a program on a tracepoint, with bare arguments.
pub(in crate::probes) fn attach_raw(
    ebpf: &mut Ebpf,
    program: &str,
    tracepoint: &str,
) -> Result<(), String> {
    with_program(ebpf, program, |program: &mut RawTracePoint| {
        program.load()?;
        program.attach(tracepoint).map(drop)
    })
}

/// Loads and attaches a program on a tracepoint, with arguments whose types it knows.
pub(in crate::probes) fn attach_typed(
    ebpf: &mut Ebpf,
    btf: &Btf,
    program: &str,
    tracepoint: &str,
) -> Result<(), String> {
    with_program(ebpf, program, |program: &mut BtfTracePoint| {
        program.load(tracepoint, btf)?;
        program.attach().map(drop)
    })
}
