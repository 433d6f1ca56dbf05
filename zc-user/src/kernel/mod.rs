//! What the running kernel is and allows.

pub mod bpf_info;
pub mod breakpoint;
pub mod btf;
pub mod caps;
pub mod facts;
pub mod syscalls;
