//! Files in and out: tar streams on raw disks.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use zc_guest::{OUTPUT_SERIAL, PAYLOAD_SERIAL};

/// The root disk answers first, since the kernel waits for it; the others may still be on their way.
const PATIENCE: Duration = Duration::from_secs(20);

/// Unpacks the files of this run into the root.
pub(crate) fn unpack_payload() -> Result<()> {
    let disk = find(PAYLOAD_SERIAL)?;
    let file = File::open(&disk).with_context(|| format!("cannot open {}", disk.display()))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    archive.set_preserve_permissions(true);
    archive.unpack("/").context("cannot unpack the payload")
}

/// Writes the wanted files to the output disk, each below its number in the list. A path that
/// does not exist is left out; the host notices.
pub(crate) fn hand_back(paths: &[OsString]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let disk = find(OUTPUT_SERIAL)?;
    let file = OpenOptions::new()
        .write(true)
        .open(&disk)
        .with_context(|| format!("cannot open {}", disk.display()))?;
    let mut archive = tar::Builder::new(BufWriter::with_capacity(1 << 20, file));
    archive.follow_symlinks(false);
    for (number, path) in paths.iter().enumerate() {
        let path = Path::new(path);
        let name = number.to_string();
        let added = match fs::metadata(path) {
            Err(_) => continue,
            Ok(metadata) if metadata.is_dir() => archive.append_dir_all(name, path),
            Ok(_) => File::open(path).and_then(|mut file| archive.append_file(name, &mut file)),
        };
        added.with_context(|| format!("cannot hand {} back", path.display()))?;
    }
    let mut file = archive.into_inner().context("cannot write the output disk")?;
    file.flush().context("cannot write the output disk")?;
    file.get_ref().sync_all().context("cannot write the output disk")
}

/// The disk with this serial number.
fn find(serial: &str) -> Result<PathBuf> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(disk) = look(serial).context("cannot read /sys/class/nvme")? {
            return Ok(disk);
        }
        if Instant::now() > deadline {
            bail!("no NVMe disk has the serial number {serial}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn look(serial: &str) -> std::io::Result<Option<PathBuf>> {
    for controller in fs::read_dir("/sys/class/nvme")? {
        let controller = controller?;
        let found = fs::read_to_string(controller.path().join("serial")).unwrap_or_default();
        let mut disk = controller.file_name();
        disk.push("n1");
        let disk = Path::new("/dev").join(disk);
        // The controller is there before its disk is.
        if found.trim() == serial && disk.exists() {
            return Ok(Some(disk));
        }
    }
    Ok(None)
}
