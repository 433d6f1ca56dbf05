//! Files of one run, in and out, as tar streams on raw disks.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tar::{Builder, EntryType, Header};
use zc_guest::{RunSpec, SPEC_PATH};

/// Disks are whole multiples of this.
const GRANULE: u64 = 1 << 20;

/// Room for the files that come back; sparse.
const OUTPUT_SIZE: u64 = 16 << 30;

/// A file that goes into the guest, or comes back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) host: PathBuf,
    pub(crate) guest: PathBuf,
}

/// Writes the disk that the guest unpacks when it starts.
pub(crate) fn write(disk: &Path, spec: &RunSpec, files: &[Transfer]) -> Result<()> {
    let context = || format!("cannot write {}", disk.display());
    let file = File::create(disk).with_context(context)?;
    let mut archive = Builder::new(BufWriter::with_capacity(1 << 20, file));
    let bytes = spec.encode();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len().try_into().context("the command line is too long")?);
    header.set_mode(0o644);
    archive.append_data(&mut header, below_root(SPEC_PATH), &*bytes).with_context(context)?;
    for Transfer { host, guest } in files {
        add(&mut archive, host, &below_root(guest))
            .with_context(|| format!("cannot give {} to the guest", host.display()))?;
    }
    let mut file = archive.into_inner().with_context(context)?;
    file.flush().with_context(context)?;
    let file = file.get_ref();
    let length = file.metadata().with_context(context)?.len();
    file.set_len(length.next_multiple_of(GRANULE)).with_context(context)
}

/// Creates the empty disk for files that come back.
pub(crate) fn create_output(disk: &Path) -> Result<()> {
    let create = || File::create(disk)?.set_len(OUTPUT_SIZE);
    create().with_context(|| format!("cannot create {}", disk.display()))
}

/// Takes the files that came back to their places on the host.
pub(crate) fn read_output(disk: &Path, wanted: &[Transfer]) -> Result<()> {
    let context = || format!("cannot read {}", disk.display());
    let file = File::open(disk).with_context(context)?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    let mut missing: Vec<&Transfer> = wanted.iter().collect();
    for entry in archive.entries().with_context(context)? {
        let mut entry = entry.with_context(context)?;
        let path = entry.path().with_context(context)?.into_owned();
        let Some((transfer, below)) = place(&path, wanted) else {
            bail!("the guest sent a file that was not asked for: {}", path.display());
        };
        missing.retain(|candidate| *candidate != transfer);
        let target = if below.as_os_str().is_empty() {
            transfer.host.clone()
        } else {
            transfer.host.join(below)
        };
        entry.unpack(&target).with_context(|| format!("cannot write {}", target.display()))?;
    }
    if let Some(transfer) = missing.first() {
        bail!("the guest has no {}", transfer.guest.display());
    }
    Ok(())
}

/// Which request an entry answers, and where below it the entry lies: the first component of its
/// name is the number of the request.
fn place<'a>(entry: &Path, wanted: &'a [Transfer]) -> Option<(&'a Transfer, PathBuf)> {
    let mut components = entry.components();
    let Some(Component::Normal(number)) = components.next() else { return None };
    let transfer = wanted.get(number.to_str()?.parse::<usize>().ok()?)?;
    let below = components.as_path();
    // The guest may be misbehaving, and must not write elsewhere on the host.
    below
        .components()
        .all(|component| matches!(component, Component::Normal(_)))
        .then(|| (transfer, below.to_owned()))
}

/// Adds a file or a folder. Owners and times of the host mean nothing in the guest.
fn add(archive: &mut Builder<impl io::Write>, from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    let mut header = Header::new_gnu();
    header.set_mode(metadata.permissions().mode() & 0o7777);
    if metadata.is_dir() {
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        archive.append_data(&mut header, to, io::empty())?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            add(archive, &entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    header.set_entry_type(EntryType::Regular);
    header.set_size(metadata.len());
    archive.append_data(&mut header, to, File::open(from)?)
}

/// Tar names are relative; the guest unpacks them in its root.
fn below_root(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref().components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Reads `HOST:/GUEST`. A guest path that ends in `/` is a folder to put the file into.
pub(crate) fn parse_add(text: &str) -> Result<Transfer> {
    let Some(colon) = text.rfind(":/").filter(|&colon| colon > 0) else {
        bail!("expected HOSTPATH:/GUESTPATH, got {text:?}");
    };
    let host = PathBuf::from(&text[..colon]);
    let mut guest = PathBuf::from(&text[colon + 1..]);
    if text.ends_with('/') {
        guest.push(host.file_name().unwrap_or(OsStr::new("file")));
    }
    Ok(Transfer { host, guest })
}

/// Reads `/GUEST:HOST`.
pub(crate) fn parse_get(text: &str) -> Result<Transfer> {
    match text.split_once(':') {
        Some((guest, host)) if guest.starts_with('/') && !host.is_empty() => {
            Ok(Transfer { host: host.into(), guest: guest.into() })
        }
        _ => bail!("expected /GUESTPATH:HOSTPATH, got {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(host: &str, guest: &str) -> Transfer {
        Transfer { host: host.into(), guest: guest.into() }
    }

    #[test]
    fn pairs_of_paths_are_read() {
        assert_eq!(parse_add("a:b/c:/bin/x").unwrap(), transfer("a:b/c", "/bin/x"));
        assert_eq!(parse_add("d/x:/scratch/").unwrap(), transfer("d/x", "/scratch/x"));
        assert_eq!(parse_get("/scratch/x:out:1").unwrap(), transfer("out:1", "/scratch/x"));
        for bad in ["", "a", "a:b", ":/x"] {
            assert!(parse_add(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "/a", "a:b", "/a:"] {
            assert!(parse_get(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_payload_is_a_tar_of_whole_granules() {
        let dir = tempfile::tempdir().unwrap();
        let tool = dir.path().join("tool");
        fs::write(&tool, "bytes").unwrap();
        let disk = dir.path().join("disk");
        let spec = RunSpec { argv: vec!["tool".into()], ..RunSpec::default() };
        write(&disk, &spec, &[transfer(tool.to_str().unwrap(), "/bin/tool")]).unwrap();
        assert_eq!(fs::metadata(&disk).unwrap().len(), GRANULE);
        let mut archive = tar::Archive::new(File::open(&disk).unwrap());
        let names: Vec<PathBuf> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into()).collect();
        assert_eq!(names, [Path::new("etc/zc-run"), Path::new("bin/tool")]);
    }

    #[test]
    fn files_come_back_to_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        let mut archive = Builder::new(File::create(&disk).unwrap());
        for name in ["1", "0/a/b"] {
            let mut header = Header::new_gnu();
            header.set_size(4);
            header.set_mode(0o600);
            archive.append_data(&mut header, name, &b"data"[..]).unwrap();
        }
        archive.finish().unwrap();
        let at = |name: &str| Transfer { host: dir.path().join(name), guest: name.into() };
        fs::create_dir_all(dir.path().join("tree/a")).unwrap();
        let wanted = [at("tree"), at("file"), at("absent")];
        let error = read_output(&disk, &wanted).unwrap_err().to_string();
        assert_eq!(error, "the guest has no absent");
        assert_eq!(fs::read(dir.path().join("tree/a/b")).unwrap(), b"data");
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"data");
    }

    #[test]
    fn a_guest_cannot_write_elsewhere() {
        let wanted = [transfer("out", "/x")];
        assert!(place(Path::new("0/a"), &wanted).is_some());
        for bad in ["", "/0/a", "0/../a", "1/a", "x"] {
            assert_eq!(place(Path::new(bad), &wanted), None, "{bad:?}");
        }
    }
}
