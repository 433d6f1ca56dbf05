//! The declarative table of sites. Attaching, `zc doctor`, results and docs all read it.

mod effects;
mod table;

use serde::Serialize;
use zc_common::{IterClass, Site};

pub use table::SITES;

/// Which way the CPU moved payload bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a process into the kernel.
    UserToKernel,
    /// From the kernel into a process.
    KernelToUser,
    /// Inside the kernel.
    KernelToKernel,
}

impl Direction {
    /// All three.
    pub const ALL: [Self; 3] = [Self::UserToKernel, Self::KernelToUser, Self::KernelToKernel];
}

/// What the bytes that passed a site mean for the copy count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Each byte was copied once by the CPU.
    Copy(Direction),
    /// Each byte was counted as copied by an enclosing site, but was handed on by reference.
    Spared(Direction),
    /// Copied, but no payload that a program moved: packet headers, a page made private.
    Aside(Direction),
    /// Written by the CPU without being read from anywhere: zeros.
    Filled,
    /// Read by the CPU and written anew as something else: encrypted or decrypted.
    Transformed,
    /// No copy here: the bytes were handed on by reference, or are counted at another site.
    Passed,
}

/// Which end of a system call's way the bytes at a site are. What a call says that it moved must
/// have passed one of each end that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Where they come from.
    Source,
    /// Where they go.
    Sink,
    /// Both: from file to file without a copy in between.
    Both,
    /// Neither: inside another site, or not a part of a call.
    Inner,
}

impl End {
    /// How many ends of a call that is.
    pub fn count(self) -> u64 {
        match self {
            Self::Inner => 0,
            Self::Source | Self::Sink => 1,
            Self::Both => 2,
        }
    }
}

/// Functions that do the same job on different kernels. A count is complete when one of the job's
/// functions is attached and none that exists was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Page cache → reader.
    PageCacheRead,
    /// Memory file → reader.
    MemoryFileRead,
    /// A device reads or writes the program's own pages.
    DirectIo,
    /// Generated text → reader.
    GeneratedRead,
    /// Zeros → reader.
    ZeroFill,
    /// Writer → /dev/null.
    ThrowAway,
    /// Writer → page cache.
    BufferedWrite,
    /// The same on file systems that use iomap.
    IomapWrite,
    /// A file's blocks shared with another instead of copied.
    ShareBlocks,
    /// Sender → TCP.
    TcpSend,
    /// Pages handed to a socket instead of copied.
    TcpHandOn,
    /// User pages pinned by TCP instead of copied.
    TcpZerocopy,
    /// Sender → UDP.
    UdpSend,
    /// Sender → other sockets.
    SocketSend,
    /// Socket buffer → receiver.
    SocketReceive,
    /// UDP datagram in one piece → receiver.
    UdpReceive,
    /// The same over IPv6.
    Udp6Receive,
    /// Datagram → receiver with its checksum.
    CsumReceive,
    /// Received pages mapped instead of copied.
    TcpMapped,
    /// Pipe → reader.
    PipeRead,
    /// Writer → pipe.
    PipeWrite,
    /// Pipe → memory of a vmsplice.
    VmspliceRead,
    /// Memory of a vmsplice → pipe by reference.
    VmspliceWrite,
    /// Another process's memory → reader.
    ProcessRead,
    /// Writer → another process's memory.
    ProcessWrite,
    /// File → pipe with a copy.
    SpliceReadCopy,
    /// File → pipe by reference.
    SpliceRead,
    /// Memory file → pipe by reference.
    MemoryFileSplice,
    /// Socket → pipe.
    SpliceReceive,
    /// Pipe → socket.
    SpliceSend,
    /// Pipe → file.
    SpliceWrite,
    /// The copy that a receiver of borrowed pages forces.
    SkbOwn,
    /// Copies of buffer parts, such as headers or the payload for a NIC without gather.
    SkbGather,
    /// The same with a checksum.
    SkbCsum,
    /// Whole buffers duplicated or flattened.
    SkbDuplicate,
    /// Sender → message of the kernel's own.
    MessageSend,
    /// Records of TLS encrypted by the kernel.
    Encrypt,
    /// The same decrypted.
    Decrypt,
    /// Pages that can no longer be shared.
    CopyOnWrite,
    /// Bounce buffers.
    Bounce,
    /// Socket buffer → receiver, in the boundary tier.
    TracedReceive,
}

/// In what context the function may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Only on behalf of the task on the CPU, which the bytes are counted for.
    Process,
    /// Also in a softirq, on top of an uninvolved task: counted for the owner of the socket, and
    /// where none is known for the whole machine.
    Any,
}

/// Where in the traced function the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before it: what is counted is gone afterwards.
    Entry,
    /// After it: the return value counts.
    Exit,
    /// Not in a function: a tracepoint, for kernels that refuse all of those.
    Tracepoint,
}

/// A probe that a site cannot do without, and that counts nothing itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Aid {
    /// The BPF program.
    pub program: &'static str,
    /// The kernel function.
    pub function: &'static str,
    /// Where in it.
    pub at: At,
}

/// One row of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// The counter that the kernel half adds to.
    pub site: Site,
    /// The BPF program.
    pub program: &'static str,
    /// Kernel functions to try, newest name first; the first one that this kernel has is used.
    pub functions: &'static [&'static str],
    /// Where in it.
    pub at: At,
    /// What else has to be attached.
    pub aids: &'static [Aid],
    /// What it does.
    pub job: Job,
    /// Who is charged.
    pub context: Context,
    /// What bytes through each [`IterClass`] mean.
    pub effect: fn(IterClass) -> Effect,
    /// Which end of a call they are.
    pub end: fn(IterClass) -> End,
    /// One line for people.
    pub meaning: &'static str,
    /// The kernel file that it was read from.
    pub source: &'static str,
}

/// The row of `site`.
pub fn entry(site: Site) -> &'static Entry {
    &SITES[site as usize]
}

#[cfg(test)]
mod tests;
