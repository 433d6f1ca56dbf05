//! A transfer that claims and labs for learners rest on, with the numbers that a picture of it shows.

use serde::Serialize;

use super::{
    Copied, RunReport, SideReport,
    meters::BlockIo,
    picture::{Picture, lab},
};
use crate::{claims::Circumstances, transfer::known};

/// One of them.
#[derive(Debug, Serialize)]
pub struct TransferReport {
    /// The style.
    pub style: &'static str,
    /// How it was run.
    pub how: Circumstances,
    /// Bytes that the receiver got.
    pub moved_bytes: u64,
    /// The sending process.
    pub sender: MovedReport,
    /// The receiving process, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<MovedReport>,
    /// Copies on nobody's account, for the whole machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineMoved>,
    /// All that was measured of it.
    #[serde(skip)]
    pub run: RunReport,
    /// What no meter could count, and why.
    #[serde(skip)]
    unmetered: Vec<String>,
}

/// What one process did, of what [`SideReport`] has and under the same keys.
#[derive(Clone, Debug, Serialize)]
pub struct MovedReport {
    /// CPU-copied bytes.
    pub copied: Copied<u64>,
    /// The same for each payload byte.
    pub copies_per_byte: Copied<f64>,
    /// Crossings between user and kernel mode caused by system calls and page faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_switches: Option<u64>,
    /// The same for each MiB of payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_switches_per_mib: Option<f64>,
    /// What the process asked of block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_io: Option<BlockIo>,
    /// Bytes that its sockets handed to network cards, with headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_bytes: Option<u64>,
}

/// Copies on nobody's account.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MachineMoved {
    /// Payload bytes copied inside the kernel.
    pub kernel_to_kernel: u64,
}

impl From<&SideReport> for MovedReport {
    fn from(side: &SideReport) -> Self {
        Self {
            copied: side.copied,
            copies_per_byte: side.copies_per_byte,
            mode_switches: side.mode_switches,
            mode_switches_per_mib: side.mode_switches_per_mib,
            block_io: side.switches.block_io,
            network_bytes: side.switches.network_bytes,
        }
    }
}

impl TransferReport {
    /// Of a style's run, with what its report says that no meter could count.
    pub fn new(
        style: &'static str,
        how: Circumstances,
        run: &RunReport,
        unmetered: &[String],
    ) -> Self {
        let machine = run.machine.as_ref();
        Self {
            style,
            how,
            moved_bytes: run.moved_bytes,
            sender: (&run.sender).into(),
            receiver: run.receiver.as_ref().map(MovedReport::from),
            machine: machine.map(|m| MachineMoved { kernel_to_kernel: m.kernel_to_kernel }),
            run: run.clone(),
            unmetered: unmetered.to_vec(),
        }
    }

    /// Its picture, if bytes had a way to go; `base` is its place in the report's JSON.
    pub fn picture(&self, base: &str) -> Option<Picture> {
        let style = known(self.style)?;
        let (path, unmetered) = (self.how.path(), &self.unmetered[..]);
        let picture = lab::picture(&lab::Input { style, run: &self.run, base, path, unmetered });
        Some(picture).filter(|picture| !picture.arrows.is_empty())
    }
}
