//! Kernel modules: the drivers of network cards, and those that the kernel asks for. Elsewhere udev and kmod
//! see to that.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Which program the kernel runs to load a module that it needs, as veth's for a veth device.
const KERNEL_CALLS: &str = "/proc/sys/kernel/modprobe";
const MODPROBE: &str = "/bin/modprobe";

const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// How the class of an Ethernet controller begins (PCI Code and ID Assignment Specification).
const ETHERNET: &str = "0x0200";

/// Lets the kernel load modules, and loads the drivers of all network cards.
pub(crate) fn load() -> Result<()> {
    // A kernel without modules has no such file.
    if !fs::exists(KERNEL_CALLS).unwrap_or(false) {
        return Ok(());
    }
    fs::write(KERNEL_CALLS, MODPROBE).with_context(|| format!("cannot write {KERNEL_CALLS}"))?;
    let devices =
        fs::read_dir(PCI_DEVICES).with_context(|| format!("cannot list {PCI_DEVICES}"))?;
    for device in devices {
        let device = device.with_context(|| format!("cannot list {PCI_DEVICES}"))?.path();
        if read(&device.join("class"))?.starts_with(ETHERNET) {
            load_driver(&device)?;
        }
    }
    Ok(())
}

fn load_driver(device: &Path) -> Result<()> {
    let alias = read(&device.join("modalias"))?;
    let mut modprobe = Command::new(MODPROBE);
    modprobe.args(["-q", alias.trim()]).stdout(Stdio::null());
    let status = modprobe.status().with_context(|| format!("cannot run {MODPROBE}"))?;
    if !status.success() {
        eprintln!("zc-init: the kernel has no driver for network card {}", alias.trim());
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
