//! What a TCP socket received, mapped instead of copied.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::{Errno, Result};

use super::{lend::errno, memory::FileView, work::usize};

/// `struct tcp_zerocopy_receive` up to what the oldest kernels know of it
/// (include/uapi/linux/tcp.h).
#[repr(C)]
struct ZerocopyReceive {
    address: u64,
    length: u32,
    recv_skip_hint: u32,
}

/// Addresses for received pages.
pub(crate) struct SocketView(FileView);

impl SocketView {
    /// For at most `bytes` at once of what `socket` receives.
    ///
    /// # Errors
    /// The kernel's, as mmap(2) has them: `ENODEV` where it maps no sockets.
    pub(crate) fn new(socket: BorrowedFd<'_>, bytes: u64) -> Result<Self> {
        FileView::new(socket, bytes).map(Self)
    }

    /// Maps the next whole pages, of at most `bytes`, that `socket` received; those before are gone.
    ///
    /// # Errors
    /// The kernel's, as getsockopt(2) and tcp(7) have them.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, bytes: usize) -> Result<&[u8]> {
        let mut request = ZerocopyReceive {
            address: self.0.address(),
            length: u32::try_from(bytes).map_err(|_| Errno::INVAL)?,
            recv_skip_hint: 0,
        };
        let mut size =
            libc::socklen_t::try_from(size_of_val(&request)).map_err(|_| Errno::INVAL)?;
        // SAFETY: the kernel reads and writes the structure and, of the process's memory, replaces
        // pages of the mapping alone, which nobody refers to: it is borrowed for this.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_ZEROCOPY_RECEIVE,
                (&raw mut request).cast(),
                &raw mut size,
            )
        };
        if result != 0 {
            return Err(errno(std::io::Error::last_os_error()));
        }
        self.0.bytes().get(..usize(request.length.into())?).ok_or(Errno::INVAL)
    }
}
