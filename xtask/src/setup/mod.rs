//! Makes a machine ready, idempotently, and says each thing that it installs. Every other command
//! asks for just the parts that it needs.

pub(crate) mod browser;
mod llvm;
mod packages;
pub(crate) mod toolchain;

use anyhow::Result;

use crate::progress;
use crate::vm::Guest;
use crate::vm::kernel::{self, KernelSpec};
use crate::vm::packages::PROGRAMS;

/// The kernels that `cargo xtask test` and `cargo xtask lab` boot.
pub(crate) const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "7.3"];

/// What is missing where there is no browser.
pub(crate) const NO_BROWSER: &str =
    "no Chromium, and no package that has one: install chromium to have reports tested in it";

/// A part of what the project needs of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A linker and static C libraries.
    Linking,
    /// What compiles and links the BPF programs.
    Bpf,
    /// rustfmt and clippy.
    Lints,
    /// What makes and runs guests.
    Guests,
}

/// `cargo xtask setup`.
pub(crate) fn command() -> Result<u8> {
    ensure(&[Part::Linking, Part::Bpf, Part::Lints, Part::Guests])?;
    if browser::ensure()?.is_none() {
        progress::note(NO_BROWSER);
    }
    for kernel in KERNELS {
        Guest::prepare(&KernelSpec::parse(kernel.as_ref())?, None, false)?;
    }
    Guest::prepare_with(&KernelSpec::parse(kernel::DEFAULT.as_ref())?, &PROGRAMS)?;
    progress::note(&format!("everything is in place (guest kernels {})", KERNELS.join(", ")));
    Ok(0)
}

/// Installs what is missing of these parts.
pub(crate) fn ensure(parts: &[Part]) -> Result<()> {
    let bpf = parts.contains(&Part::Bpf);
    let linker = !bpf || llvm::linker_is_installed()?;
    let mut wanted = packages::missing(parts);
    if !linker && llvm::installed().is_none() {
        wanted.push(llvm::package()?);
    }
    packages::install(&wanted)?;
    if bpf {
        toolchain::ensure_rust_src()?;
    }
    if !linker {
        llvm::install_linker()?;
    }
    if parts.contains(&Part::Lints) {
        toolchain::ensure_lints()?;
    }
    Ok(())
}
