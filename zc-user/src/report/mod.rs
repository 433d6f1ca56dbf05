//! Views of results. They compute nothing.

pub(crate) mod doctor;
pub(crate) mod lab;
pub(crate) mod output;
pub(crate) mod text;
