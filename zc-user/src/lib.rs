//! `zc` counts, inside the kernel with eBPF, how many times the CPU copies each byte that a program
//! moves and how often the program crosses between user and kernel mode.
//!
//! A library so that the integration tests can drive the engine itself; people use the program.

pub mod check;
pub mod claims;
pub mod cli;
pub mod doctor;
pub mod expect;
pub mod kernel;
pub mod lab;
pub mod learn;
pub mod measure;
mod nearest;
pub mod network;
pub mod probes;
pub mod report;
pub mod result;
pub mod stacks;
pub mod target;
pub mod trace;
pub mod transfer;
