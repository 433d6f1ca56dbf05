//! `zc worker`: what `zc lab` starts for each side, what becomes the command of `zc trace`, and what
//! `cargo xtask bench` measures.

use std::{ffi::OsString, net::SocketAddr};

use anyhow::{Context, Result};
use clap::Subcommand;

use super::hold;
use crate::{
    target::exec,
    transfer::{self, worker},
};

/// Which side.
#[derive(Debug, Subcommand)]
pub(super) enum Role {
    /// Sends the file on stdin
    Sender {
        /// How
        #[arg(long)]
        style: String,
        /// Where to
        #[arg(long)]
        peer: SocketAddr,
        #[command(flatten)]
        common: Common,
    },
    /// Receives and hashes
    Receiver {
        /// Where; 0 lets the kernel choose
        #[arg(long)]
        port: u16,
        #[command(flatten)]
        common: Common,
    },
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
}

/// What both sides have to agree on.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
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

/// Runs to the end or the first failure, which the parent is told.
pub(super) fn main(role: &Role) -> Result<()> {
    match role {
        Role::Sender { style, peer, common } => worker::run(common.parent, || {
            let style = transfer::style(style).context("no such style")?;
            worker::send(style, *peer, common.chunk, &common.runs)
        }),
        Role::Receiver { port, common } => {
            worker::run(common.parent, || worker::receive_all(*port, common.chunk, &common.runs))
        }
        Role::Exec { orders, argv } => exec::main(orders, argv),
        Role::Hold { pid, audit } => hold::main(*pid, *audit),
    }
}
