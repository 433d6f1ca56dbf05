//! Socket options and messages that rustix does not have.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::net::SendFlags;

/// For a send(2) whose pages the socket borrows instead of copying them, once
/// [`allow_zerocopy`] was called (Documentation/networking/msg_zerocopy.rst).
pub const ZEROCOPY: SendFlags = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY.cast_unsigned());

/// Four-byte words that the filter loads.
const LOADS: u16 = 5;

/// `BPF_LD | BPF_W | BPF_ABS` and `BPF_RET | BPF_K` (include/uapi/linux/bpf_common.h).
const LOAD_WORD: u16 = 0x20;
const RETURN: u16 = 0x06;

/// Lets `socket` be sent from with [`ZEROCOPY`].
///
/// # Errors
/// The kernel's, as setsockopt(2) has them.
pub fn allow_zerocopy(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    set(socket, libc::SO_ZEROCOPY, &on)
}

/// Makes the kernel look at some bytes of every packet that `socket` receives, from `offset` bytes
/// after the start of the transport header on, with a classic BPF filter that then accepts the
/// packet (socket(7), `SO_ATTACH_FILTER`); how many bytes of each. The packet goes past it in a
/// softirq.
///
/// The payload of a TCP packet lies in pages, and the kernel copies what a filter loads from there
/// (`bpf_skb_load_helper_32`, net/core/filter.c).
///
/// # Errors
/// The kernel's; some refuse filters to the unprivileged.
pub fn look_into(socket: BorrowedFd<'_>, offset: u32) -> io::Result<usize> {
    let load = libc::sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: offset };
    let accept = libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: u32::MAX };
    let mut program = [load; LOADS as usize + 1];
    program[LOADS as usize] = accept;
    let program = libc::sock_fprog { len: LOADS + 1, filter: program.as_mut_ptr() };
    set(socket, libc::SO_ATTACH_FILTER, &program)?;
    Ok(usize::from(LOADS) * size_of::<u32>())
}

/// Takes the filter off.
///
/// # Errors
/// The kernel's, as setsockopt(2) has them.
pub fn remove(socket: BorrowedFd<'_>) -> io::Result<()> {
    let ignored: libc::c_int = 0;
    set(socket, libc::SO_DETACH_FILTER, &ignored)
}

/// Segments that the TCP connection `socket` sent again since it began (tcp(7), `TCP_INFO`):
/// what a busy machine sends again it also copies again.
///
/// # Errors
/// The kernel's, as getsockopt(2) has them.
pub fn sent_again(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length =
        libc::socklen_t::try_from(size_of::<libc::tcp_info>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes to `info`.
    let result = unsafe {
        let value = info.as_mut_ptr().cast();
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        libc::getsockopt(socket.as_raw_fd(), level, option, value, &raw mut length)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a C structure of integers, for which any bytes are good.
    Ok(unsafe { info.assume_init() }.tcpi_total_retrans)
}

fn set<T>(socket: BorrowedFd<'_>, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `length` bytes of `value`, and what it points to, during the call.
    let result = unsafe {
        let value = core::ptr::from_ref(value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
