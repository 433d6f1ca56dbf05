//! Whether KVM can run a stock kernel here, found out by trying: a `/dev/kvm` that opens may still
//! hang or refuse.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::progress::Step;
use crate::signals;

/// A kernel gets through its boot in under a second with a KVM that works.
const PATIENCE: Duration = Duration::from_secs(8);

/// The kernel's last words when it finds no root: it has booted.
const BOOTED: &str = "Unable to mount root fs";

/// How guest instructions are executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Accel {
    /// By the processor.
    Kvm,
    /// By QEMU's emulation, and why not by the processor.
    Tcg(String),
    /// By emulation of one processor whose clocks count its instructions: each takes a nanosecond,
    /// and idle time is skipped. A cost measured so is exact, however busy the host is.
    Counted,
}

impl Accel {
    /// How many processors a guest can rely on.
    ///
    /// One under emulation. With two, one boot of about twenty ended in `Oops: int3` at a place
    /// that the kernel patches while it runs (`sched_clock_cpu`). QEMU's processors are threads of
    /// their own; most likely one executed the breakpoint of `text_poke_bp` after the other had
    /// taken it away. Attaching a probe patches code too.
    pub(crate) fn processors(&self) -> u32 {
        match self {
            Self::Kvm => 2,
            Self::Tcg(_) | Self::Counted => 1,
        }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kvm => formatter.write_str("KVM"),
            Self::Tcg(why) => write!(formatter, "emulation ({why})"),
            Self::Counted => formatter.write_str("emulation that counts instructions"),
        }
    }
}

/// The result of a trial is good until the machine restarts.
#[derive(Debug, Serialize, Deserialize)]
struct Trial {
    boot: String,
    accel: Accel,
}

/// The better one that works.
pub(crate) fn choose(cache: &Cache, qemu: &Path, kernel: &Path) -> Result<Accel> {
    let device = fs::File::options().read(true).write(true).open("/dev/kvm");
    if let Err(error) = device {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no /dev/kvm".to_owned(),
            _ => format!("/dev/kvm: {error}"),
        };
        return Ok(Accel::Tcg(why));
    }
    let _lock = cache.lock("kvm")?;
    let record = cache.path("kvm.json");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("cannot tell this boot of the machine from others")?;
    if let Some(trial) = fs::read(&record)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Trial>(&bytes).ok())
        .filter(|trial| trial.boot == boot)
    {
        return Ok(trial.accel);
    }
    let accel = if try_kvm(qemu, kernel)? {
        Accel::Kvm
    } else {
        Accel::Tcg(format!("/dev/kvm boots no kernel within {} s", PATIENCE.as_secs()))
    };
    let trial = Trial { boot, accel: accel.clone() };
    let json = serde_json::to_vec(&trial).context("cannot write the result of the trial of KVM")?;
    fs::write(&record, json).with_context(|| format!("cannot write {}", record.display()))?;
    Ok(accel)
}

/// Boots the kernel without a root file system until it says so.
fn try_kvm(qemu: &Path, kernel: &Path) -> Result<bool> {
    let _step = Step::new("trying whether KVM can run this kernel");
    let log = tempfile::NamedTempFile::new().context("cannot create a temporary file")?;
    let mut command = Command::new(qemu);
    command
        .args(["-accel", "kvm", "-cpu", "host", "-m", "256M", "-display", "none"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-kernel"])
        .arg(kernel)
        .args(["-append", "console=ttyS0 panic=-1 root=none", "-chardev"])
        .arg(super::qemu::file_device("c0", log.path()))
        .args(["-device", "isa-serial,chardev=c0"]);
    let mut child = super::qemu::dies_with_us(&mut command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", qemu.display()))?;
    let deadline = Instant::now() + PATIENCE;
    let mut ended = false;
    let mut booted = false;
    while !ended && !booted && Instant::now() < deadline && !signals::interrupted() {
        ended = child.try_wait().context("cannot wait for QEMU")?.is_some();
        booted =
            fs::read(log.path()).is_ok_and(|text| String::from_utf8_lossy(&text).contains(BOOTED));
        thread::sleep(Duration::from_millis(20));
    }
    if !ended {
        // It may have ended by itself just now, which is as good.
        let _gone = child.kill();
        child.wait().context("cannot wait for QEMU")?;
    }
    signals::check()?;
    Ok(booted)
}
