//! What is probed in the kernel: the catalogue of sites, what the running kernel offers of it,
//! and attaching.

pub(crate) mod attach;
pub(crate) mod catalogue;
pub(crate) mod resolve;
