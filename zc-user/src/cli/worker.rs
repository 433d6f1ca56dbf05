//! `zc worker`: what `zc lab` starts for each side, what becomes the command of `zc trace`, and what
//! `cargo xtask bench` measures.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;

use super::hold;
use crate::{
    claims::copy_file,
    expect::Side,
    target::exec,
    transfer::{self, worker},
};

/// Which side.
#[derive(Debug, Subcommand)]
pub(super) enum Role {
    /// Has the payload at first
    Sender(Part),
    /// Has it at last
    Receiver(Part),
    /// Waits at a gate and becomes a command
    Exec {
        /// Which gate, and as whom
        #[arg(long)]
        orders: String,
        /// The command
        #[arg(last = true, required = true)]
        argv: Vec<OsString>,
    },
    /// Counts a process and its children until stdin ends
    Hold {
        /// The process
        #[arg(long)]
        pid: u32,
        /// At the copy primitives too
        #[arg(long)]
        audit: bool,
    },
    /// Copies a file with the standard library, for `zc claims` to look at
    Copy {
        /// A file
        from: PathBuf,
        /// One that is not there yet
        to: PathBuf,
        /// Through a `BufWriter`
        #[arg(long)]
        buffered: bool,
    },
}

/// What both sides have to agree on. The rest comes over stdin.
#[derive(Debug, clap::Args)]
pub(super) struct Part {
    /// How
    #[arg(long)]
    style: String,
    /// The process that started it
    #[arg(long)]
    parent: i32,
    /// Bytes asked for in a call
    #[arg(long)]
    chunk: usize,
    /// Bytes of each run
    #[arg(long, value_delimiter = ',')]
    runs: Vec<u64>,
}

impl Part {
    fn serve(&self, role: Side) -> Result<()> {
        worker::run(self.parent, || {
            let style = transfer::known(&self.style).context("no such style")?;
            worker::serve(role, style, self.chunk, &self.runs)
        })
    }
}

/// Runs to the end or the first failure, which the parent is told.
pub(super) fn main(role: &Role) -> Result<()> {
    match role {
        Role::Sender(part) => part.serve(Side::Sender),
        Role::Receiver(part) => part.serve(Side::Receiver),
        Role::Exec { orders, argv } => exec::main(orders, argv),
        Role::Hold { pid, audit } => hold::main(*pid, *audit),
        Role::Copy { from, to, buffered } => Ok(copy_file(from, to, *buffered)?),
    }
}
