//! `cargo xtask check`: format and lints, warnings being errors.

use anyhow::Result;

use crate::build;
use crate::process;
use crate::progress::{self, Step};
use crate::setup::{self, Part};

const BPF_TARGET: &str = "bpfel-unknown-none";

/// Runs all checks; the first that fails ends it.
pub(crate) fn command() -> Result<u8> {
    setup::ensure(&[Part::Linking, Part::Bpf, Part::Lints])?;
    format()?;
    lint_host()?;
    lint_bpf()?;
    Ok(0)
}

fn format() -> Result<()> {
    let mut command = build::cargo()?;
    command.args(["fmt", "--all", "--check"]);
    process::checked(&mut command, Some(&Step::new("checking the format"))).map(drop)
}

fn lint_host() -> Result<()> {
    let mut command = build::cargo()?;
    command
        .args(["clippy", "--workspace", "--exclude", "zc-ebpf", "--all-targets"])
        .args(["--", "--deny", "warnings"]);
    process::checked(&mut command, Some(&Step::new("linting the host's crates"))).map(drop)
}

/// The kernel half compiles for its own target only, with a `core` built for it, which needs the
/// compiler's unstable `-Z build-std`.
fn lint_bpf() -> Result<()> {
    if !setup::toolchain::has_rust_src("rustc") {
        // Debian's compiler, which builds them then, has no clippy beside it.
        progress::note(
            "skipped: linting the BPF programs, since clippy's toolchain has no rust-src",
        );
        return Ok(());
    }
    let mut command = build::cargo()?;
    command
        .args(["clippy", "--package", "zc-ebpf", "--release"])
        .args(["--target", BPF_TARGET, "-Z", "build-std=core", "--target-dir"])
        .arg(build::target_dir()?.join("bpf-lint"))
        .args(["--", "--deny", "warnings"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg=bpf_target_arch=\"x86_64\"");
    process::checked(&mut command, Some(&Step::new("linting the BPF programs"))).map(drop)
}
