//! Views of results. They compute nothing.

mod audit;
pub mod check;
pub mod doctor;
pub mod lab;
mod meters;
pub mod output;
pub mod text;
pub mod trace;
