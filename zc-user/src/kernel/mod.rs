//! What the running kernel is and allows.

pub(crate) mod bpf_info;
pub(crate) mod btf;
pub(crate) mod caps;
pub(crate) mod facts;
pub(crate) mod syscalls;
