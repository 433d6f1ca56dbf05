//! Views of results. They compute nothing.

pub mod doctor;
pub mod lab;
pub mod output;
pub mod text;
