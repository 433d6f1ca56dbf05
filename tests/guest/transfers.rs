//! Making transfers of every kind, each with the system calls of its [`Kind`] and no other.

use std::{
    fmt,
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem,
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::OpenOptionsExt,
            net::{UnixDatagram, UnixStream},
        },
    },
    path::Path,
    ptr, slice,
};

use rustix::{
    fs::sendfile,
    io::{ReadWriteFlags, pread, preadv, preadv2, pwrite, pwritev, read, readv, write},
    mm::{MapFlags, ProtFlags, mmap, munmap},
    net::{
        RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, recv, recvmsg, send,
        sendmsg,
    },
    pipe::{IoSliceRaw, SpliceFlags, pipe, splice, vmsplice},
    process::{Pid, getpid},
};
use zc::measure::sockopt;

use crate::{process_vm, theory::Kind};

/// Bytes of each file; no transfer is larger. A pipe holds as much, and the socket buffers more.
pub(crate) const LARGEST: usize = 60_000;

/// Direct I/O is in whole blocks of the file system, from memory so aligned.
pub(crate) const BLOCK: usize = 4096;

/// A call that did not move what it was asked to.
#[derive(Debug)]
pub(crate) struct Short {
    asked: usize,
    got: io::Result<usize>,
}

impl fmt::Display for Short {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "asked to move {} bytes: {:?}", self.asked, self.got)
    }
}

/// One of everything that bytes can be moved through, for one thread that is both ends.
pub(crate) struct Rig {
    disk: File,
    direct: File,
    memory: File,
    zero: File,
    generated: File,
    pipe: (OwnedFd, OwnedFd),
    mapped: Mapped,
    tcp: (TcpStream, TcpStream),
    udp: (UdpSocket, UdpSocket),
    stream: (UnixStream, UnixStream),
    datagram: (UnixDatagram, UnixDatagram),
    memory_of_its_own: Vec<u8>,
    neighbour: Vec<u8>,
    /// Known from the start, because asking for it is a call.
    own_pid: Pid,
}

impl Rig {
    /// With files in `folder`, which is on the disk.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let content = vec![7; LARGEST.next_multiple_of(BLOCK)];
        // Direct I/O has a file of its own, so that the other one's pages stay in the cache.
        let on_disk = |flags| -> io::Result<File> {
            let named = tempfile::NamedTempFile::new_in(folder)?;
            io::Write::write_all(&mut named.as_file(), &content)?;
            named.as_file().sync_all()?;
            File::options().read(true).write(true).custom_flags(flags).open(named.path())
        };
        let memory = tempfile::tempfile_in("/dev/shm")?;
        io::Write::write_all(&mut &memory, &content)?;
        let (out, into) = pipe()?;
        Ok(Self {
            disk: on_disk(0)?,
            direct: on_disk(libc::O_DIRECT)?,
            memory,
            zero: File::open("/dev/zero")?,
            generated: File::open("/proc/version")?,
            pipe: (into, out),
            mapped: Mapped::new(&on_disk(0)?, content.len())?,
            tcp: tcp()?,
            udp: udp()?,
            stream: UnixStream::pair()?,
            datagram: UnixDatagram::pair()?,
            memory_of_its_own: vec![5; content.len() + BLOCK],
            neighbour: content,
            own_pid: getpid(),
        })
    }

    /// Segments that TCP sent again so far. Those of pages that were lent are copied again.
    pub(crate) fn sent_again(&self) -> u32 {
        sockopt::sent_again(self.tcp.0.as_fd()).expect("it is a TCP socket")
    }

    /// Moves `n` bytes.
    pub(crate) fn pass(&mut self, kind: Kind, n: usize) -> Result<(), Short> {
        let mut memory = mem::take(&mut self.memory_of_its_own);
        let start = memory.as_ptr().align_offset(BLOCK);
        let bytes = &mut memory[start..start + n];
        let passed = match kind {
            Kind::Pipe | Kind::SpliceDisk | Kind::VmspliceIn | Kind::VmspliceOut => {
                self.pass_pipe(kind, bytes)
            }
            Kind::Tcp
            | Kind::MmapSend
            | Kind::ZerocopyTcp
            | Kind::SendfileTcp
            | Kind::SpliceTcp
            | Kind::Udp
            | Kind::UnixStream
            | Kind::UnixDatagram
            | Kind::TcpSplice
            | Kind::UnixSplice => self.pass_socket(kind, bytes),
            _ => self.pass_memory(kind, bytes),
        };
        self.memory_of_its_own = memory;
        passed
    }

    /// From a file or another process to memory, or the other way.
    fn pass_memory(&mut self, kind: Kind, bytes: &mut [u8]) -> Result<(), Short> {
        let n = bytes.len();
        let moved = all(n);
        match kind {
            Kind::DiskRead => moved(pread(&self.disk, bytes, 0)),
            Kind::DiskWrite => moved(pwrite(&self.disk, bytes, 0)),
            Kind::DirectRead => moved(pread(&self.direct, bytes, 0)),
            Kind::DirectWrite => moved(pwrite(&self.direct, bytes, 0)),
            Kind::MemoryRead => moved(preadv(&self.memory, &mut [IoSliceMut::new(bytes)], 0)),
            Kind::MemoryWrite => moved(pwritev(&self.memory, &[IoSlice::new(bytes)], 0)),
            Kind::Zero => {
                let (first, rest) = bytes.split_at_mut(n / 2);
                moved(readv(&self.zero, &mut [IoSliceMut::new(first), IoSliceMut::new(rest)]))
            }
            Kind::Generated => {
                let mut parts = [IoSliceMut::new(bytes)];
                moved(preadv2(&self.generated, &mut parts, 0, ReadWriteFlags::empty()))
            }
            Kind::ProcessRead => moved(process_vm::read(self.own_pid, bytes, &self.neighbour[..n])),
            Kind::ProcessWrite => {
                moved(process_vm::write(self.own_pid, bytes, &mut self.neighbour[..n]))
            }
            _ => unreachable!("{kind:?} passes something else"),
        }
    }

    /// Through a pipe.
    fn pass_pipe(&self, kind: Kind, bytes: &mut [u8]) -> Result<(), Short> {
        let n = bytes.len();
        let (moved, none) = (all(n), SpliceFlags::empty());
        match kind {
            Kind::Pipe => {
                moved(write(&self.pipe.0, bytes))?;
                moved(read(&self.pipe.1, bytes))
            }
            Kind::SpliceDisk => {
                moved(write(&self.pipe.0, bytes))?;
                moved(splice(&self.pipe.1, None, &self.disk, Some(&mut 0), n, none))
            }
            Kind::VmspliceIn => {
                // SAFETY: they are read out again before anything else is done with them.
                let lent =
                    unsafe { vmsplice(&self.pipe.0, &[IoSliceRaw::from_slice(bytes)], none) };
                moved(lent)?;
                moved(read(&self.pipe.1, bytes))
            }
            Kind::VmspliceOut => {
                moved(write(&self.pipe.0, bytes))?;
                // SAFETY: the kernel writes to this buffer, which nobody else has.
                moved(unsafe { vmsplice(&self.pipe.1, &[IoSliceRaw::from_slice_mut(bytes)], none) })
            }
            _ => unreachable!("{kind:?} passes something else"),
        }
    }

    /// Through a socket.
    fn pass_socket(&self, kind: Kind, bytes: &mut [u8]) -> Result<(), Short> {
        let n = bytes.len();
        let (moved, none) = (all(n), SpliceFlags::empty());
        match kind {
            Kind::Tcp => through(&self.tcp, bytes, moved),
            Kind::MmapSend => {
                moved(send(&self.tcp.0, &self.mapped.0[..n], SendFlags::empty()))?;
                moved(receive(&self.tcp.1, bytes))
            }
            Kind::ZerocopyTcp => {
                moved(send(&self.tcp.0, bytes, sockopt::ZEROCOPY))?;
                moved(receive(&self.tcp.1, bytes))
            }
            Kind::SendfileTcp => {
                moved(sendfile(&self.tcp.0, &self.disk, Some(&mut 0), n))?;
                moved(receive(&self.tcp.1, bytes))
            }
            Kind::SpliceTcp => {
                moved(splice(&self.disk, Some(&mut 0), &self.pipe.0, None, n, none))?;
                moved(splice(&self.pipe.1, None, &self.tcp.0, None, n, none))?;
                moved(receive(&self.tcp.1, bytes))
            }
            Kind::Udp => {
                let parts = [IoSlice::new(bytes)];
                let mut control = SendAncillaryBuffer::default();
                moved(sendmsg(&self.udp.0, &parts, &mut control, SendFlags::empty()))?;
                let mut parts = [IoSliceMut::new(bytes)];
                let mut control = RecvAncillaryBuffer::default();
                let got = recvmsg(&self.udp.1, &mut parts, &mut control, RecvFlags::empty());
                moved(got.map(|message| message.bytes))
            }
            Kind::UnixStream => through(&self.stream, bytes, moved),
            Kind::UnixDatagram => through(&self.datagram, bytes, moved),
            Kind::TcpSplice => self.spliced(&self.tcp, bytes),
            Kind::UnixSplice => self.spliced(&self.stream, bytes),
            _ => unreachable!("{kind:?} passes something else"),
        }
    }

    /// Sends `bytes`, splices them into the pipe and reads them.
    fn spliced<S: AsFd>(&self, pair: &(S, S), bytes: &mut [u8]) -> Result<(), Short> {
        let n = bytes.len();
        let moved = all(n);
        moved(send(&pair.0, bytes, SendFlags::empty()))?;
        moved(splice(&pair.1, None, &self.pipe.0, None, n, SpliceFlags::empty()))?;
        moved(read(&self.pipe.1, bytes))
    }
}

/// That a call moved all of `n` bytes.
fn all(n: usize) -> impl Fn(rustix::io::Result<usize>) -> Result<(), Short> {
    move |got| match got {
        Ok(got) if got == n => Ok(()),
        got => Err(Short { asked: n, got: got.map_err(Into::into) }),
    }
}

/// A file in memory: one that nobody writes to.
struct Mapped(&'static [u8]);

impl Mapped {
    fn new(file: &File, length: usize) -> io::Result<Self> {
        let (prot, flags) = (ProtFlags::READ, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap(ptr::null_mut(), length, prot, flags, file, 0) }?;
        // SAFETY: so many bytes are mapped until this is dropped, and nobody else lends them out or
        // has the file to write to.
        Ok(Self(unsafe { slice::from_raw_parts(start.cast(), length) }))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping that this made.
        unsafe { munmap(self.0.as_ptr().cast_mut().cast(), self.0.len()) }.expect("it is mapped");
    }
}

/// Sends `bytes` and receives them.
fn through<S: AsFd>(
    pair: &(S, S),
    bytes: &mut [u8],
    moved: impl Fn(rustix::io::Result<usize>) -> Result<(), Short>,
) -> Result<(), Short> {
    moved(send(&pair.0, bytes, SendFlags::empty()))?;
    moved(receive(&pair.1, bytes))
}

/// Receives all of `bytes`.
fn receive(socket: impl AsFd, bytes: &mut [u8]) -> rustix::io::Result<usize> {
    recv(socket, bytes, RecvFlags::WAITALL).map(|(got, _)| got)
}

fn tcp() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    // Each send leaves at once, whether or not the one before is acknowledged.
    near.set_nodelay(true)?;
    sockopt::allow_zerocopy(near.as_fd())?;
    Ok((near, far))
}

fn udp() -> io::Result<(UdpSocket, UdpSocket)> {
    let [near, far] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    let (near, far) = (near?, far?);
    near.connect(far.local_addr()?)?;
    Ok((near, far))
}
