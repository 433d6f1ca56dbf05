//! What is watched: a command that zc starts, or processes that are there already.

pub mod cgroup;
pub mod command;
pub mod exec;
pub mod find;
pub mod processes;
pub mod signals;
pub mod started;
pub mod user;

mod pidfd;
mod stat;
