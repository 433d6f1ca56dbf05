//! The result of `zc lab architectures`. docs/lab-json.md documents it as JSON.

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Copied, LabReport, Origin, RunReport, StyleReport};
use crate::{expect::Verdict, lab::Architecture, network::Facts};

/// The three architectures.
#[derive(Debug, Serialize)]
pub struct ArchitecturesReport {
    /// What made it, and where.
    #[serde(flatten)]
    pub origin: Origin,
    /// Whether everything that was relied on was seen and nothing was lost.
    pub complete: bool,
    /// The worst of their verdicts.
    pub verdict: Verdict,
    /// Payload, bytes.
    pub size_bytes: u64,
    /// Asked for in a call, bytes.
    pub chunk_bytes: u64,
    /// In the textbook's order.
    pub architectures: Vec<ArchitectureReport>,
}

/// One architecture.
#[derive(Debug, Serialize)]
pub struct ArchitectureReport {
    /// What the textbook calls it.
    pub name: &'static str,
    /// What the textbook says of it.
    pub textbook: &'static str,
    /// What the packets went over.
    pub network: Facts,
    /// The way of the bytes in the sender, from its disk to its network card.
    pub sender: Way,
    /// Why the problem is not complete; absent when it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Everything that the lab says of it.
    pub style: StyleReport,
}

/// What moved the sender's bytes, and how often it crossed into the kernel and back for it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Way {
    /// Read from a block device, by its DMA: bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_dma_bytes: Option<u64>,
    /// Copied by the CPU: bytes.
    pub cpu_copied_bytes: Copied<u64>,
    /// Copies of each payload byte by the CPU, in all directions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_copies_per_byte: Option<f64>,
    /// Handed to a network card for its DMA, headers included: bytes. 0 where none is on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nic_dma_bytes: Option<u64>,
    /// Of these, headers; 0 where no card is on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nic_header_bytes: Option<u64>,
    /// Crossings between user and kernel mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_switches: Option<u64>,
    /// System calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscalls: Option<u64>,
}

/// Headers of each buffer that goes to a card: Ethernet (14 bytes), IPv4 (20), TCP with time stamps (32),
/// as the kernel sends them unless it was told otherwise (`net.ipv4.tcp_timestamps`).
const HEADERS: u64 = 14 + 20 + 32;

/// Derives the report of `architecture` from the lab's of its style alone.
///
/// # Errors
/// When the lab ran no style.
pub fn architecture(
    architecture: &Architecture,
    mut report: LabReport,
) -> Result<ArchitectureReport> {
    let style = report.styles.pop().context("the lab ran no style")?;
    let run = style.run().context("read, send and sendfile are supported everywhere")?;
    Ok(ArchitectureReport {
        name: architecture.name,
        textbook: architecture.textbook,
        sender: way(run),
        network: report.plan.network,
        problems: report.completeness.problems,
        style,
    })
}

/// The way of the bytes in the sender of `run`.
pub fn way(run: &RunReport) -> Way {
    let side = &run.sender;
    let copied = side.copied;
    let copies = [copied.user_to_kernel, copied.kernel_to_user, copied.kernel_to_kernel];
    let copied_bytes = copies.into_iter().sum::<Option<u64>>();
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people; the bytes are exact")]
    let per_byte = |bytes: u64| bytes as f64 / run.moved_bytes as f64;
    let headers = side.switches.network_buffers.map(|buffers| buffers * HEADERS);
    Way {
        disk_dma_bytes: side.switches.block_io.map(|io| io.read_bytes),
        cpu_copied_bytes: copied,
        cpu_copies_per_byte: copied_bytes.map(per_byte),
        nic_dma_bytes: side.switches.network_bytes,
        nic_header_bytes: headers,
        mode_switches: side.mode_switches,
        syscalls: side.syscalls,
    }
}
