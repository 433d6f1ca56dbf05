//! `cargo xtask claims`: public claims, decided on each kernel, and the documents that show them.

mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;
use zc_guest::{RunSpec, XFS_SERIAL};

use crate::build;
use crate::progress;
use crate::setup::{self, Part};
use crate::vm::kernel::KernelSpec;
use crate::vm::lanes::{AT_EASE, side_by_side};
use crate::vm::packages;
use crate::vm::payload::Transfer;
use crate::vm::{GATHERING_CARDS, Guest, Run, ZC_PATH};

/// For all claims on one kernel.
const DEADLINE: Duration = Duration::from_secs(1100);

/// What `zc claims` may take of it.
const TIMEOUT: &str = "1000";

/// Where a guest has a file system that shares blocks between files.
const SHARING: &str = "/run/sharing";

/// What the documents are called.
const TABLE: &str = "claims.md";
const REPORTS: &str = "claims.json";

/// What `cargo xtask claims` is asked for.
#[derive(Debug, Args)]
pub(crate) struct ClaimsArgs {
    /// Kernels to decide them on: versions or paths; all: every one that zc is made for
    #[arg(long, value_delimiter = ',', default_value = ALL, value_name = "KERNEL,…")]
    kernels: Vec<OsString>,

    /// Write claims.md and claims.json to this folder
    #[arg(long, default_value = "docs", value_name = "PATH")]
    output: PathBuf,

    /// Claims to decide; all by default
    #[arg(value_name = "CLAIM")]
    claims: Vec<OsString>,
}

/// The word for all of them.
const ALL: &str = "all";

/// `cargo xtask claims`: zero when every kernel has decided them and both documents are written.
pub(crate) fn command(args: &ClaimsArgs) -> Result<u8> {
    let kernels = kernels(&args.kernels)?;
    if !args.output.is_dir() {
        bail!("{} is no folder: give one to --output", args.output.display());
    }
    setup::ensure(&[Part::Linking, Part::Bpf, Part::Guests])?;
    let zc = build::static_program("zc", "zc")?;
    let guests = kernels
        .iter()
        .map(|kernel| Guest::prepare_with(kernel, &packages::PROGRAMS))
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let processors = guests.iter().map(Guest::processors).max().unwrap_or(1);
    let decide = |guest: &Guest| decide(guest, &zc, &args.claims);
    let reports = side_by_side(&guests, processors, AT_EASE, decide)?;
    progress::note(&format!("decided in {:.0} s", start.elapsed().as_secs_f64()));
    let write = |name: &str, text: String| {
        let path = args.output.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(TABLE, table::markdown(&reports)?)?;
    write(REPORTS, format!("{}\n", serde_json::to_string_pretty(&reports)?))?;
    progress::note(&format!("wrote {TABLE} and {REPORTS} to {}", args.output.display()));
    Ok(0)
}

fn kernels(words: &[OsString]) -> Result<Vec<KernelSpec>> {
    let mut kernels = Vec::new();
    for word in words {
        let all: Vec<OsString> = setup::KERNELS.iter().map(OsString::from).collect();
        let these = if word == ALL { &all[..] } else { std::slice::from_ref(word) };
        for kernel in these {
            kernels.push(KernelSpec::parse(kernel)?);
        }
    }
    Ok(kernels)
}

/// A script that mounts the disk with an XFS and becomes the command that is its arguments.
fn mounted() -> String {
    format!(
        "mkdir -p {SHARING} && for disk in /sys/block/nvme*; do \
         if grep -q {XFS_SERIAL} $disk/device/serial; then \
         mount -t xfs /dev/${{disk##*/}} {SHARING}; fi; done; exec \"$@\""
    )
}

/// The report of `zc claims` in `guest`.
fn decide(guest: &Guest, zc: &Path, claims: &[OsString]) -> Result<Value> {
    let mounted = mounted();
    let shell = ["/bin/busybox", "sh", "-c", &mounted, "claims"];
    let fixed = [ZC_PATH, "claims", "--json", "--timeout", TIMEOUT, "--sharing-dir", SHARING];
    let fixed = shell.into_iter().chain(fixed).map(OsString::from);
    let argv = fixed.chain(claims.iter().cloned()).collect();
    let run = Run {
        spec: RunSpec { argv, ..RunSpec::default() },
        add: vec![Transfer { host: zc.to_owned(), guest: ZC_PATH.into() }],
        nics: Some(GATHERING_CARDS.to_owned()),
        deadline: Some(DEADLINE),
        ..Run::default()
    };
    let (stdout, stderr) = guest.said(&run, "claims")?;
    let mut report: Value = serde_json::from_str(&stdout).with_context(|| {
        format!("zc claims on {} said no JSON: {}", guest.release(), stderr.trim())
    })?;
    // They are for pictures. What decided a claim stands beside it.
    report.as_object_mut().map(|report| report.remove("transfers"));
    Ok(report)
}
