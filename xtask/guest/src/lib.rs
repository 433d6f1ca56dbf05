//! What the host (`xtask`) and its guest (`zc-init`) agree on: device names, the description of
//! the run, and the verdict line. Both sides use this one definition.

pub mod bench;
mod spec;
mod verdict;

pub use spec::{RunSpec, SpecError, Streams};
pub use verdict::Verdict;

/// Where the description of the run lies in the payload and in the guest.
pub const SPEC_PATH: &str = "/etc/zc-run";

/// The first process of the guest.
pub const INIT_PATH: &str = "/sbin/zc-init";

/// The directory on the root file system in which commands start.
pub const SCRATCH_DIR: &str = "/scratch";

/// Signature of the root disk's partition table. Disks are found by what they carry and never by
/// their number, because the kernel numbers NVMe controllers in the order in which they answer.
pub const ROOT_SIGNATURE: u32 = 0x7a63_0001;

/// NVMe serial number of the disk that carries the files of this run.
pub const PAYLOAD_SERIAL: &str = "zc-payload";

/// NVMe serial number of the disk on which files go back to the host.
pub const OUTPUT_SERIAL: &str = "zc-output";

/// NVMe serial number of a disk with an empty XFS, which shares blocks between files.
pub const XFS_SERIAL: &str = "zc-xfs";

/// Where tests in a guest leave reports as HTML and JSON, for a browser outside.
pub const PAGES_DIR: &str = "/scratch/pages";

/// Serial line of the kernel's log and of the verdict.
pub const CONSOLE_TTY: &str = "/dev/ttyS0";

/// Serial line of the command's standard output; in a terminal session, of everything.
pub const STDOUT_TTY: &str = "/dev/ttyS1";

/// Serial line of the command's standard error.
pub const STDERR_TTY: &str = "/dev/ttyS2";

/// What a test says on standard error when the kernel lacks something that it needs, followed by its
/// name, a colon, a space and the reason.
pub const SKIP: &str = "SKIP ";
