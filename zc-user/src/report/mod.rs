//! Views of results. They compute nothing.

pub mod architectures;
mod audit;
pub mod check;
pub mod claims;
pub mod doctor;
pub mod flamegraph;
pub mod html;
pub mod lab;
pub mod learn;
mod meters;
pub mod output;
pub mod stacks;
pub mod text;
pub mod trace;
