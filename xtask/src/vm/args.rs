//! The command line of `cargo xtask vm`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::kernel::{self, KernelSpec};
use super::packages::PackageSet;
use super::payload::{self, Transfer};

/// What `cargo xtask vm` is asked for.
#[derive(Debug, Args)]
pub(crate) struct VmArgs {
    /// Kernel: 5.10, 6.1, 6.12, 7.3 (from Debian), or the path of a vmlinuz
    #[arg(long, value_name = "VERSION|PATH", default_value = kernel::DEFAULT, value_parser = KernelSpec::parser())]
    pub(crate) kernel: KernelSpec,

    /// Folder with the modules of a kernel given as a path
    #[arg(long, value_name = "DIR")]
    pub(crate) modules: Option<PathBuf>,

    /// Look for a newer version of the kernel even if the cached one is recent
    #[arg(long)]
    pub(crate) refresh: bool,

    /// Debian's packages in the guest too: those of the benchmark, or of the tests of real programs
    #[arg(long, value_name = "bench|programs", conflicts_with_all = ["modules", "refresh"], value_parser = PackageSet::parser(), hide_possible_values = true)]
    pub(crate) packages: Option<&'static PackageSet>,

    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(128..))]
    pub(crate) memory: u32,

    /// Processors of the guest [default: 2 with KVM, 1 under emulation]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) cpus: Option<u32>,

    /// Two network cards of this QEMU model, joined by a hub: vmxnet3, virtio-net-pci, e1000e (for which
    /// Debian's kernels for clouds have no driver)
    #[arg(long, value_name = "MODEL", value_parser = clap::builder::PossibleValuesParser::new(["vmxnet3", "virtio-net-pci", "e1000e"]), hide_possible_values = true)]
    pub(crate) nics: Option<String>,

    /// Seconds after which the guest is ended as failed [default: 600; none with --shell]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,

    /// Arguments added to the kernel's command line
    #[arg(
        long,
        value_name = "ARGS",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) append: String,

    /// Give a file or folder to the guest (repeatable)
    #[arg(long, value_name = "HOSTPATH:/GUESTPATH", value_parser = |text: &str| payload::parse_add(text))]
    pub(crate) add: Vec<Transfer>,

    /// Take a file or folder from the guest afterwards (repeatable)
    #[arg(long, value_name = "/GUESTPATH:HOSTPATH", value_parser = |text: &str| payload::parse_get(text))]
    pub(crate) get: Vec<Transfer>,

    /// Do without /bin/zc in the guest (nothing of zc is built)
    #[arg(long)]
    pub(crate) no_zc: bool,

    /// Show the kernel's whole log on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// An interactive shell on this terminal
    #[arg(long, conflicts_with = "command")]
    pub(crate) shell: bool,

    /// The command to run in the guest; its exit status becomes this program's
    #[arg(last = true, required_unless_present = "shell", value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
