//! Parts of the Rust toolchain.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::packages::{self, Package};
use crate::process;
use crate::progress::{self, Step};

/// Where Debian's matched compiler and sources go.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The source of `core`, which is compiled for the BPF target.
pub(crate) fn ensure_rust_src() -> Result<()> {
    if has_rust_src("rustc") || has_rust_src(DEBIAN_RUSTC) {
        return Ok(());
    }
    let why = match add_components(&["rust-src"]) {
        Ok(()) if has_rust_src("rustc") => return Ok(()),
        Ok(()) => "it is not where the compiler in use looks".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    progress::note(&format!("rustup cannot add rust-src, trying Debian's instead: {why}"));
    let matched = ["rustc-web", "cargo-web", "rust-web-src"];
    let wanted = matched.map(|name| Package::new(name, "rust-src", "rust-src", "rust-src"));
    packages::install(&wanted)
        .context("the source of Rust's core library is needed for the BPF target")
}

/// rustfmt and clippy.
pub(crate) fn ensure_lints() -> Result<()> {
    let missing: Vec<&str> = [("rustfmt", "rustfmt"), ("clippy", "clippy-driver")]
        .into_iter()
        .filter(|(_, program)| {
            let asked = process::capture(Command::new(program).arg("--version"), None);
            !asked.is_ok_and(|finished| finished.status.success())
        })
        .map(|(component, _)| component)
        .collect();
    if missing.is_empty() { Ok(()) } else { add_components(&missing) }
}

/// Whether the toolchain in use can build `core` for another target.
pub(crate) fn has_rust_src(rustc: &str) -> bool {
    let asked = process::checked(Command::new(rustc).args(["--print", "sysroot"]), None);
    asked.is_ok_and(|sysroot| {
        Path::new(String::from_utf8_lossy(&sysroot).trim())
            .join("lib/rustlib/src/rust/library/core/Cargo.toml")
            .exists()
    })
}

fn add_components(names: &[&str]) -> Result<()> {
    progress::note(&format!("installing {} (rustup)", names.join(", ")));
    let step = Step::new("adding to the Rust toolchain");
    let mut command = Command::new("rustup");
    process::checked(command.args(["component", "add"]).args(names), Some(&step)).map(drop)
}
