//! The file that is sent.

use std::{
    env,
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use rustix::{
    fs::{Advice, FallocateFlags, fadvise, fallocate, fstatfs, fsync, ioctl_ficlone},
    io::Errno,
};
use thiserror::Error;

use super::{Sharing, resident, work::at_most};
use crate::report::text::bytes as human;

/// Why there is nothing to send. Each says what to do.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// `--file` cannot be opened.
    #[error("cannot open {path}: {source}: give a regular file that you may read", path = .path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// `--file` is a folder, device, pipe or socket.
    #[error("{path} is not a regular file: give one", path = .0.display())]
    NotRegular(PathBuf),
    /// `--file` has no bytes.
    #[error("{path} is empty: give a file with at least one byte", path = .0.display())]
    Empty(PathBuf),
    /// `--size` is larger than the file.
    #[error("{path} has {has} bytes, fewer than --size {asked}: give a smaller --size", path = .path.display())]
    TooSmall {
        /// As given.
        path: PathBuf,
        /// Bytes in the file.
        has: u64,
        /// Bytes asked for.
        asked: u64,
    },
    /// Pages of it cannot be dropped from the page cache.
    #[error(
        "somebody else holds pages of the payload in the page cache, mapped or locked: leave --cold out, or give another --file"
    )]
    StaysWarm,
    /// The file lives in memory.
    #[error("{path} is on {kind}, which has no disk below its pages: give {option} on a disk", path = .path.display())]
    InMemory {
        /// The file or folder.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
        /// The option that chooses another.
        option: &'static str,
    },
    /// The file system may read in a way that no site sees.
    #[error("{path} is on a file system (type {magic:#x}) whose reads zc may not see: give {option} on ext4, xfs or btrfs", path = .path.display())]
    Unknown {
        /// The file or folder.
        path: PathBuf,
        /// `f_type` of statfs(2).
        magic: u64,
        /// The option that chooses another.
        option: &'static str,
    },
    /// The payload cannot be made.
    #[error("cannot make a payload of {} in {folder}: {source}: free some space, or give a smaller --size or another --dir", human(*.size), folder = .folder.display())]
    Make {
        /// Where.
        folder: PathBuf,
        /// Bytes wanted.
        size: u64,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Reading it failed.
    #[error("cannot read the payload: {0}")]
    Read(#[from] io::Error),
}

/// An open file, its length in bytes and the hash of its content.
pub struct Payload {
    /// Open for reading. Unlinked when zc made it, so that nothing is left behind.
    pub file: File,
    /// Bytes to send, from the start.
    pub size: u64,
    /// BLAKE3 of those bytes, in hexadecimal.
    pub hash: String,
    /// The folder that it lies in.
    pub folder: PathBuf,
}

impl Payload {
    /// The first `size` bytes of the file at `path`; all of it by default.
    ///
    /// # Errors
    /// [`PayloadError::Open`], [`NotRegular`](PayloadError::NotRegular),
    /// [`Empty`](PayloadError::Empty) or [`TooSmall`](PayloadError::TooSmall) for the file,
    /// [`InMemory`](PayloadError::InMemory) or [`Unknown`](PayloadError::Unknown) for its file
    /// system, [`Read`](PayloadError::Read) when it cannot be read.
    pub fn open(path: &Path, size: Option<u64>) -> Result<Self, PayloadError> {
        let owned = || path.to_path_buf();
        // Asked before opening: opening a pipe would wait for its other end.
        let open = |source| PayloadError::Open { path: owned(), source };
        if !std::fs::metadata(path).map_err(open)?.is_file() {
            return Err(PayloadError::NotRegular(owned()));
        }
        let file = File::open(path).map_err(open)?;
        let has = file.metadata()?.len();
        if has == 0 {
            return Err(PayloadError::Empty(owned()));
        }
        let size = size.unwrap_or(has);
        if size > has {
            return Err(PayloadError::TooSmall { path: owned(), has, asked: size });
        }
        on_disk(&file, path, "a --file")?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self::hashed(file, size, folder.unwrap_or(Path::new(".")).to_path_buf())
    }

    /// A new unlinked file of `size` bytes in `folder`, or where temporary files go.
    ///
    /// # Errors
    /// [`PayloadError::Make`] when the folder takes no file or has no room for it,
    /// [`InMemory`](PayloadError::InMemory) or [`Unknown`](PayloadError::Unknown) for its file
    /// system, [`Read`](PayloadError::Read) when it cannot be read back.
    pub fn make(folder: Option<&Path>, size: u64) -> Result<Self, PayloadError> {
        let folder = folder.map_or_else(default_folder, Path::to_path_buf);
        let make = |source| PayloadError::Make { folder: folder.clone(), size, source };
        let mut file = tempfile::tempfile_in(&folder).map_err(make)?;
        on_disk(&file, &folder, "a --dir")?;
        fill(&mut file, size).map_err(make)?;
        // Disk space may be found missing only now.
        fsync(&file).map_err(|errno| make(errno.into()))?;
        Self::hashed(file, size, folder)
    }

    fn hashed(mut file: File, size: u64, folder: PathBuf) -> Result<Self, PayloadError> {
        file.rewind()?;
        let mut hasher = blake3::Hasher::new();
        // Reading it also fills the page cache: the warm start.
        io::copy(&mut Read::by_ref(&mut file).take(size), &mut hasher)?;
        Ok(Self { file, size, hash: hasher.finalize().to_hex().to_string(), folder })
    }

    /// How its file system shares blocks with another file, as it does when asked to; none where it does
    /// not, or where no other file can be made.
    pub fn sharing(&self) -> Option<Sharing> {
        let other = tempfile::tempfile_in(&self.folder).ok()?;
        ioctl_ficlone(&other, &self.file).ok()?;
        let block = fstatfs(&self.file).ok()?.f_bsize;
        let length = self.file.metadata().ok()?.len();
        Some(Sharing { block: u64::try_from(block).ok()?, to_the_end: self.size == length })
    }

    /// Drops this file, and no other, from the page cache (posix_fadvise(2)).
    ///
    /// # Errors
    /// [`PayloadError::Read`] when the kernel refuses to write the file back, to drop its pages, to
    /// tell which remain, or to send the packets that free sent ones; [`PayloadError::StaysWarm`] when
    /// pages remain all the same.
    pub fn make_cold(&self) -> Result<(), PayloadError> {
        // Dirty pages are not dropped.
        fsync(&self.file).map_err(io::Error::from)?;
        for _ in 0..DROPS {
            fadvise(&self.file, 0, None, Advice::DontNeed).map_err(io::Error::from)?;
            if !resident::any(&self.file, self.size)? {
                return Ok(());
            }
            // A page that was sent by reference stays while a socket buffer holds it.
            resident::release_sent()?;
            sleep(DROP_AGAIN);
        }
        Err(PayloadError::StaysWarm)
    }
}

/// How often a payload is dropped from the page cache, and how long to wait in between. What
/// somebody else has mapped or locked stays for good.
const DROPS: u32 = 200;
const DROP_AGAIN: Duration = Duration::from_millis(10);

/// Where a payload goes by default: the folder for temporary files, unless that is in memory.
fn default_folder() -> PathBuf {
    let usual = env::temp_dir();
    let in_memory = |folder: &Path| {
        rustix::fs::statfs(folder).is_ok_and(|fs| memory_file_system(fs.f_type).is_some())
    };
    if in_memory(&usual) { PathBuf::from("/var/tmp") } else { usual }
}

fn on_disk(file: &File, path: &Path, option: &'static str) -> Result<(), PayloadError> {
    let magic = fstatfs(file).map_err(io::Error::from)?.f_type;
    let path = path.to_path_buf();
    match memory_file_system(magic) {
        Some(kind) => Err(PayloadError::InMemory { path, kind, option }),
        None if READ_BY_FILEMAP.contains(&magic) => Ok(()),
        None => Err(PayloadError::Unknown { path, magic: magic.cast_unsigned(), option }),
    }
}

/// File systems whose buffered reads go through `filemap_read` (`include/uapi/linux/magic.h`).
/// On another one its counter would stay 0, and 0 would pass for a measurement.
const READ_BY_FILEMAP: [rustix::fs::FsWord; 6] = [
    // ext2, ext3, ext4; XFS; Btrfs; F2FS.
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    // NFS; overlayfs, which hands the read to one of the others.
    0x6969,
    0x794c_7630,
];

/// The name of a file system that lives in memory only (`include/uapi/linux/magic.h`).
fn memory_file_system(magic: rustix::fs::FsWord) -> Option<&'static str> {
    match magic {
        0x0102_1994 => Some("tmpfs"),
        0x8584_58f6 => Some("ramfs"),
        0x9584_58f6 => Some("hugetlbfs"),
        _ => None,
    }
}

/// Writes `size` bytes that do not repeat (xorshift64), so that a chunk lost, doubled or swapped
/// changes the hash.
///
/// # Errors
/// As where the disk is full.
pub(crate) fn fill(file: &mut File, size: u64) -> io::Result<()> {
    // A disk that is too small is found full at once, where the file system can tell.
    match fallocate(&*file, FallocateFlags::empty(), 0, size) {
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = size;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.to_le_bytes();
        let take = at_most(word.len(), left);
        out.write_all(&word[..take])?;
        left -= take as u64;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_payload_has_its_size_and_hash() {
        let folder = env::current_dir().unwrap();
        let payload = Payload::make(Some(&folder), 1001).unwrap();
        assert_eq!(payload.file.metadata().unwrap().len(), 1001);
        let again = Payload::make(Some(&folder), 1001).unwrap();
        assert_eq!(payload.hash, again.hash);
        assert_ne!(payload.hash, Payload::make(Some(&folder), 1000).unwrap().hash);
    }

    #[test]
    fn each_wrong_file_has_its_error() {
        let folder = env::current_dir().unwrap();
        assert!(matches!(
            Payload::open(&folder.join("no-such-file"), None),
            Err(PayloadError::Open { .. })
        ));
        assert!(matches!(Payload::open(&folder, None), Err(PayloadError::NotRegular(_))));
        assert!(matches!(
            Payload::open(Path::new("/dev/null"), None),
            Err(PayloadError::NotRegular(_))
        ));
        let empty = tempfile::NamedTempFile::new_in(&folder).unwrap();
        assert!(matches!(Payload::open(empty.path(), None), Err(PayloadError::Empty(_))));
        let mut small = tempfile::NamedTempFile::new_in(&folder).unwrap();
        small.write_all(b"abc").unwrap();
        assert!(matches!(
            Payload::open(small.path(), Some(4)),
            Err(PayloadError::TooSmall { has: 3, asked: 4, .. })
        ));
        assert_eq!(Payload::open(small.path(), Some(2)).unwrap().size, 2);
    }

    #[test]
    fn a_cold_payload_has_no_page_in_memory() {
        let payload = Payload::make(Some(&env::current_dir().unwrap()), 100_000).unwrap();
        assert!(resident::any(&payload.file, payload.size).unwrap(), "it was hashed just now");
        payload.make_cold().unwrap();
        assert!(!resident::any(&payload.file, payload.size).unwrap());
    }
}
