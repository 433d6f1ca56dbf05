//! Builds with cargo: what runs in a guest is static.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::process;
use crate::progress::Step;

/// The one target of guest programs. Named explicitly even where it is the host, so that their
/// flags do not reach build scripts and their artifacts lie apart from the host's.
pub(crate) const GUEST_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The root of the workspace.
pub(crate) fn workspace() -> Result<PathBuf> {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set: run this as `cargo xtask`")?;
    let root = Path::new(&manifest_dir).parent().context("xtask lies outside of a workspace")?;
    Ok(root.to_owned())
}

/// The cargo that runs this, working in the workspace.
pub(crate) fn cargo() -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()?);
    Ok(command)
}

/// The directory that cargo builds in.
pub(crate) fn target_dir() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => Ok(dir.into()),
        None => Ok(workspace()?.join("target")),
    }
}

/// Builds one static program, which runs in guests as it does here, and returns its path.
pub(crate) fn static_program(package: &str, program: &str) -> Result<PathBuf> {
    let mut command = cargo()?;
    command.args(["build", "--release", "--package", package, "--bin", program]);
    let step = Step::new(format!("building {program}"));
    let mut programs = executables(as_static(&mut command), &step)?;
    programs.retain(|found| found.target.name == program);
    one(programs, program)
}

/// Adds what makes a cargo command build static programs.
pub(crate) fn as_static(command: &mut Command) -> &mut Command {
    command
        .args(["--target", GUEST_TARGET, "--message-format=json-render-diagnostics"])
        // This variable wins over every other source of flags.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
}

/// An executable that cargo built.
#[derive(Debug, Deserialize)]
pub(crate) struct Executable {
    pub(crate) executable: PathBuf,
    pub(crate) target: Target,
}

/// The cargo target that it was built from.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

/// Runs a cargo command with JSON messages; the executables that it built.
pub(crate) fn executables(command: &mut Command, step: &Step) -> Result<Vec<Executable>> {
    let messages = process::checked(command, Some(step))?;
    Ok(parse_executables(&String::from_utf8_lossy(&messages)))
}

/// The only one of them.
pub(crate) fn one(found: Vec<Executable>, wanted: &str) -> Result<PathBuf> {
    match <[Executable; 1]>::try_from(found) {
        Ok([only]) => Ok(only.executable),
        Err(found) => bail!("cargo built {} programs for {wanted}, expected one", found.len()),
    }
}

/// Messages without an executable have `null` there and do not parse as one.
fn parse_executables(messages: &str) -> Vec<Executable> {
    messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"a"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"zc"},"executable":"/t/zc"}
{"reason":"build-finished","success":true}"#;

    #[test]
    fn executables_are_found_in_cargos_messages() {
        let found = parse_executables(MESSAGES);
        assert_eq!(found[0].target.kind, ["bin"]);
        assert_eq!(one(found, "zc").unwrap(), Path::new("/t/zc"));
        assert!(one(parse_executables(""), "zc").is_err());
    }
}
