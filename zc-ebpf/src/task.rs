//! The task on the CPU: who it is, and the registers that it entered the kernel with.

use aya_ebpf::{
    bindings::bpf_pidns_info,
    helpers::{
        bpf_get_current_task,
        generated::{
            bpf_get_current_comm, bpf_get_current_task_btf, bpf_get_ns_current_pid_tgid,
            bpf_probe_read_kernel_str,
        },
    },
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use zc_common::{TaskId, Thread};

use crate::{
    layout::layout,
    memory::{Tracked, current_tgid, current_tid, number, peek, peek_or_zero},
};

/// Bytes of a name (`TASK_COMM_LEN`, include/linux/sched.h).
const NAME_BYTES: u32 = 16;

/// How far behind the start of a task's stack its registers are saved when it enters the kernel; 0
/// before it is known. Every task has them at the same place, which differs between kernels (the
/// stack's size, and with FRED some padding). User space reads it as a map.
#[unsafe(link_section = ".data.registers")]
static mut REGISTERS: u64 = 0;

/// Finds out where tasks save their registers. Attached for one system call, before anything counts.
#[raw_tracepoint(tracepoint = "sys_exit")]
fn learn_registers(ctx: RawTracePointContext) -> Option<()> {
    let saved = number(ctx.arg(0))?;
    let stack: u64 = field(layout!(task_stack));
    let place = &raw mut REGISTERS;
    // SAFETY: a valid static, which every writer gives the same value.
    unsafe { place.write_volatile(saved.wrapping_sub(stack)) };
    Some(())
}

/// A field of the task on the CPU. Where the task has no type, up to 5.10, by a helper.
#[inline(always)]
pub(crate) fn field<T: Copy>(offset: u32) -> T {
    if layout!(task_typed) == 0 {
        // SAFETY: it only gives the address of the task.
        let task = unsafe { bpf_get_current_task() } as *const u8;
        return peek_or_zero(task.wrapping_add(offset as usize));
    }
    // SAFETY: as above; the verifier knows the structure.
    let task = unsafe { bpf_get_current_task_btf() } as *const u8;
    Tracked(task).read(offset)
}

/// The thread on the CPU.
#[inline(always)]
pub(crate) fn current() -> TaskId {
    TaskId::new(current_tid(), field(layout!(task_start_time)))
}

/// What entered the kernel: the saved registers that say which system call and on what.
///
/// In the order of `struct pt_regs` (`arch/x86/include/uapi/asm/ptrace.h`), from [`Registers::AT`] on.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Registers {
    /// The third argument.
    pub(crate) dx: u64,
    /// The second.
    pub(crate) si: u64,
    /// The first.
    pub(crate) di: u64,
    /// The system call's number; −1 if it was none.
    pub(crate) orig_ax: i64,
    ip: u64,
    cs: u64,
}

/// In a system call with the numbers of 32-bit code, which 64-bit code can make as well (`TS_COMPAT`,
/// arch/x86/include/asm/thread_info.h).
const TS_COMPAT: u32 = 2;

/// Whether the task on the CPU is in such a call.
#[inline(always)]
pub(crate) fn in_32_bit_call() -> bool {
    field::<u32>(layout!(task_status)) & TS_COMPAT != 0
}

impl Registers {
    /// Bytes into `struct pt_regs`: `dx`.
    const AT: usize = 12 * 8;

    /// From the `struct pt_regs` at an address.
    #[inline(always)]
    pub(crate) fn at(saved: *const u8) -> Option<Self> {
        peek(saved.wrapping_add(Self::AT))
    }

    /// Those that the task on the CPU entered the kernel with.
    #[inline(always)]
    pub(crate) fn of_current() -> Option<Self> {
        let stack: u64 = field(layout!(task_stack));
        let place = &raw const REGISTERS;
        // SAFETY: a valid static.
        let place = unsafe { place.read_volatile() };
        if place == 0 {
            return None;
        }
        Self::at(stack.wrapping_add(place) as *const u8)
    }

    /// Whether user mode was left. A kernel thread that works for a process has nothing saved, or what
    /// the thread had that it was made by, but for the address (`copy_thread`, arch/x86/kernel/process.c).
    #[inline(always)]
    pub(crate) fn came_from_user(&self) -> bool {
        self.cs & 3 != 0 && self.ip != 0
    }
}

/// The `struct task_struct` of the leading thread of the process on the CPU.
#[inline(always)]
fn leader() -> *const u8 {
    field::<u64>(layout!(task_group_leader)) as *const u8
}

/// What is worth remembering of the thread on the CPU.
#[inline(always)]
pub(crate) fn describe() -> Thread {
    let start = peek_or_zero(leader().wrapping_add(layout!(task_start_time) as usize));
    let (pid, tid) = visible_ids();
    let leader = TaskId::new(current_tgid(), start);
    let mut thread = Thread { leader, pid, tid, comm: [0; 2] };
    let place = (&raw mut thread.comm).cast();
    // By the helper itself: aya's wrapper zeroes sixteen single bytes first, which becomes a call of
    // `memset`, a loop.
    // SAFETY: the helper writes 16 bytes.
    unsafe { bpf_get_current_comm(place, NAME_BYTES) };
    thread
}

/// Makes of the description of the thread on the CPU that of its leading thread.
#[inline(always)]
pub(crate) fn describe_leader(thread: &mut Thread) {
    thread.tid = thread.pid;
    read_name(&raw mut thread.comm, leader().wrapping_add(layout!(task_comm) as usize));
}

/// Copies the name at an address of the kernel to `place`.
#[inline(always)]
pub(crate) fn read_name(place: *mut [u64; 2], name: *const u8) {
    // SAFETY: the helper writes at most so many bytes, to a place that its callers have.
    unsafe { bpf_probe_read_kernel_str(place.cast(), NAME_BYTES, name.cast()) };
}

/// Process and thread id in zc's PID namespace; 0 where the thread is not in there.
#[inline(always)]
fn visible_ids() -> (u32, u32) {
    let half = |n: usize| u64::from(layout!(pid_namespace[n]));
    let (inode, device) = (half(0) | half(1) << 32, half(2) | half(3) << 32);
    if inode == 0 {
        return (current_tgid(), current_tid());
    }
    let mut ids = bpf_pidns_info { pid: 0, tgid: 0 };
    // SAFETY: the helper writes 8 bytes, the size of `ids`, and zeros where it fails.
    unsafe { bpf_get_ns_current_pid_tgid(device, inode, &raw mut ids, 8) };
    (ids.tgid, ids.pid)
}
