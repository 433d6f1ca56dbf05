//! What is probed in the kernel: the catalogue of sites, what the running kernel offers of it,
//! and attaching.

pub mod attach;
pub mod audit;

pub mod catalogue;
pub mod leaves;
mod loader;
pub mod log;
pub mod meters;
pub mod misses;
pub mod resolve;
