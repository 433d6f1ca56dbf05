//! Empty programs on given hooks: what being attached costs by itself.

use std::{
    ffi::{CStr, CString},
    io::{self, Write, copy, sink, stdin, stdout},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr::null,
};

use anyhow::{Context, Result};
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type};

use crate::hooks::Hook;

/// `r0 = 0; exit`, `include/uapi/linux/bpf.h`: an instruction is eight bytes, the first the opcode.
const PROGRAM: [u64; 2] = [0xb7, 0x95];

const LICENSE: &CStr = c"GPL";

/// Attaches an empty program to each hook, says `armed`, and detaches when stdin ends.
pub(crate) fn hold(hooks: &[Hook]) -> Result<()> {
    let attached = hooks
        .iter()
        .map(|hook| attach(hook).with_context(|| format!("cannot attach to {hook}")))
        .collect::<Result<Vec<_>>>()?;
    writeln!(stdout(), "armed")?;
    copy(&mut stdin().lock(), &mut sink())?;
    drop(attached);
    Ok(())
}

/// The program and its link.
fn attach(hook: &Hook) -> io::Result<[OwnedFd; 2]> {
    let tracing = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    let (kind, attach_type, target) = match hook {
        Hook::Raw(_) => (bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT as u32, 0, 0),
        Hook::Typed(_, id) => (tracing, bpf_attach_type::BPF_TRACE_RAW_TP as u32, *id),
        Hook::Function(attach_type, _, id) => (tracing, *attach_type, *id),
    };
    let mut attr = zeroed();
    attr.__bindgen_anon_3.prog_type = kind;
    attr.__bindgen_anon_3.expected_attach_type = attach_type;
    attr.__bindgen_anon_3.attach_btf_id = target;
    attr.__bindgen_anon_3.insns = PROGRAM.as_ptr().expose_provenance() as u64;
    attr.__bindgen_anon_3.insn_cnt = 2;
    attr.__bindgen_anon_3.license = LICENSE.as_ptr().expose_provenance() as u64;
    let program = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr)?;

    let name = match hook {
        Hook::Raw(name) => Some(CString::new(name.as_str())?),
        // The program knows its own target.
        Hook::Typed(..) | Hook::Function(..) => None,
    };
    let mut attr = zeroed();
    attr.raw_tracepoint.name =
        name.as_ref().map_or(null(), |name| name.as_ptr()).expose_provenance() as u64;
    attr.raw_tracepoint.prog_fd = program.as_raw_fd().cast_unsigned();
    let link = bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr)?;
    Ok([program, link])
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of plain C structs, for which all-zero bytes are valid and mean "not given".
    unsafe { std::mem::zeroed() }
}

/// A bpf(2) command that gives a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    let attr: *mut bpf_attr = attr;
    // SAFETY: the callers' pointers inside `attr` outlive the call, and so does `attr` itself.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<bpf_attr>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
