//! What the descriptors of the task on the CPU refer to. Each step is a helper call: descriptors lie
//! in an array, where the verifier loses track of types.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use zc_common::Kind;

use crate::{layout::layout, memory::peek, target::answer, task::field};

/// The type in `i_mode` (include/uapi/linux/stat.h).
const S_IFMT: u16 = 0o170_000;

/// `i_flags` of an inode without a place in a file system (`S_ANON_INODE`, include/linux/fs.h, 6.15
/// and later; before, its mode has no type).
const S_ANON_INODE: u32 = 1 << 19;

/// include/linux/socket.h.
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// include/uapi/linux/in.h.
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;

/// The file opened for writing (`FMODE_WRITE`, include/linux/fs.h).
const FMODE_WRITE: u32 = 2;

#[inline(always)]
fn at<T: Copy>(base: u64, offset: u32) -> Option<T> {
    peek((base as *const u8).wrapping_add(offset as usize))
}

/// The `struct file` of a descriptor (`files_lookup_fd_raw`, include/linux/fdtable.h).
#[inline(always)]
fn file(descriptor: u64) -> Option<u64> {
    let files: u64 = field(layout!(task_files));
    let table: u64 = at(files, layout!(files_fdt))?;
    let descriptor = descriptor & 0xffff_ffff;
    if descriptor >= u64::from(at::<u32>(table, layout!(fdt_max_fds))?) {
        return None;
    }
    let array: u64 = at(table, layout!(fdt_fd))?;
    let file: u64 = peek((array as *const u8).wrapping_add(descriptor as usize * 8))?;
    (file != 0).then_some(file)
}

/// Whether a descriptor was opened for writing.
#[inline(always)]
pub(crate) fn is_writable(descriptor: u64) -> bool {
    let mode = file(descriptor).and_then(|file| at::<u32>(file, layout!(file_mode)));
    mode.unwrap_or(0) & FMODE_WRITE != 0
}

/// What a descriptor refers to, a [`Kind`].
#[inline(always)]
pub(crate) fn kind_of(descriptor: u64) -> u64 {
    kind(descriptor).unwrap_or(Kind::Unknown) as u64
}

#[inline(always)]
fn kind(descriptor: u64) -> Option<Kind> {
    let file = file(descriptor)?;
    let inode: u64 = at(file, layout!(file_inode))?;
    let mode: u16 = at(inode, layout!(inode_mode))?;
    Some(match mode & S_IFMT {
        0o100_000 => {
            let flags: u32 = at(inode, layout!(inode_flags))?;
            if flags & S_ANON_INODE == 0 { Kind::File } else { Kind::Anonymous }
        }
        0o040_000 => Kind::Folder,
        0o060_000 => Kind::BlockDevice,
        0o020_000 => Kind::CharacterDevice,
        0o010_000 => Kind::Pipe,
        0o140_000 => socket(file)?,
        0 => Kind::Anonymous,
        _ => Kind::Unknown,
    })
}

#[inline(always)]
fn socket(file: u64) -> Option<Kind> {
    let socket: u64 = at(file, layout!(file_private))?;
    let sock: u64 = at(socket, layout!(socket_sk))?;
    Some(match at::<u16>(sock, layout!(sock_family))? {
        AF_UNIX => Kind::Unix,
        AF_INET | AF_INET6 => match at::<u16>(sock, layout!(sock_protocol))? {
            IPPROTO_TCP => Kind::Tcp,
            IPPROTO_UDP => Kind::Udp,
            _ => Kind::Socket,
        },
        _ => Kind::Socket,
    })
}

/// PID namespaces lie inside each other at most so deep (`MAX_PID_NS_LEVEL`,
/// include/linux/pid_namespace.h).
const LEVELS: u32 = 33;

/// Run from user space with a pidfd and the process id that it stands for there: gives that process's
/// id in the initial PID namespace, and 0 where it is not to be found.
#[raw_tracepoint]
fn translate_pid(ctx: RawTracePointContext) {
    let (pidfd, expected): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    answer(translate(pidfd, (expected & 0xffff_ffff) as u32).unwrap_or(0));
}

/// A pidfd's `struct pid` is the file's private data, with pidfs the inode's (`pidfd_pid`,
/// kernel/fork.c, fs/pidfs.c). What looks like one must number the process as expected somewhere.
#[inline(always)]
fn translate(pidfd: u64, expected: u32) -> Option<u32> {
    let file = file(pidfd)?;
    let inode: u64 = at(file, layout!(file_inode))?;
    for pid in [at(file, layout!(file_private))?, at(inode, layout!(inode_private))?] {
        if let Some(found) = outermost(pid, expected) {
            return Some(found);
        }
    }
    None
}

#[inline(always)]
fn outermost(pid: u64, expected: u32) -> Option<u32> {
    let level: u32 = at(pid, layout!(pid_level))?;
    for n in 0..LEVELS {
        if n > level {
            break;
        }
        if at::<u32>(pid, layout!(pid_numbers) + n * layout!(upid_size))? == expected {
            return at(pid, layout!(pid_numbers));
        }
    }
    None
}
