//! Bytes that devices move, not the CPU: what is asked of block devices and handed to network
//! devices.

use aya_ebpf::{
    helpers::bpf_get_current_task,
    macros::{btf_tracepoint, fentry},
    programs::{BtfTracePointContext, FEntryContext},
};
use zc_common::{Event, Group};

use crate::{
    counters::{count_bytes, count_bytes_of},
    layout::layout,
    memory::{Tracked, peek},
    owner::owner_of,
    target::{armed, counted_group},
};

/// `bi_opf`: what to do, in the lowest bits (`REQ_OP_BITS`, include/linux/blk_types.h), where 0 has
/// always been a read and 1 a write.
const OPERATION: u32 = 0xff;
const READ: u32 = 0;
const WRITE: u32 = 1;

/// `submit_bio(struct bio *)`: the way from file systems to block devices, and where the kernel
/// itself charges reads to a task (`task_io_account_read`, block/blk-core.c).
#[fentry]
fn submit_bio(ctx: FEntryContext) -> Option<()> {
    let group = counted_group().or_else(kernel_threads)?;
    // A driver on top of other block devices passes on what was counted when it got it.
    if current_pointer(layout!(task_bio_list))? != 0 {
        return None;
    }
    let bio = Tracked(ctx.arg(0));
    let event = match bio.read::<u32>(layout!(bio_opf)) & OPERATION {
        READ => Event::BlockReadBytes,
        WRITE => Event::BlockWrittenBytes,
        // No data: a flush, a discard.
        _ => return None,
    };
    count_bytes(group, event, bio.read(layout!(bio_size)));
    Some(())
}

/// Nobody in particular, when the task on the CPU is a kernel thread: whose pages it writes back
/// cannot be told here. The requests of other processes are no concern of ours.
#[inline(always)]
fn kernel_threads() -> Option<Group> {
    (armed() && current_pointer(layout!(task_mm))? == 0).then_some(Group::MACHINE)
}

/// A pointer in the task on the CPU. By helpers, since 5.10 has no typed pointer to that task.
#[inline(always)]
fn current_pointer(offset: u32) -> Option<u64> {
    // SAFETY: it only gives the address of the task.
    let task = unsafe { bpf_get_current_task() } as *const u8;
    peek(task.wrapping_add(offset as usize))
}

/// `TP_PROTO(const struct sk_buff *skb, const struct net_device *dev)`,
/// include/trace/events/net.h: the driver is about to get the buffer.
#[btf_tracepoint(function = "net_dev_start_xmit")]
fn net_dev_start_xmit(ctx: BtfTracePointContext) -> Option<()> {
    let events = [Event::NetworkBytes, Event::NetworkBuffers];
    count_transmission(Tracked(ctx.arg(0)), Tracked(ctx.arg(1)), events)
}

/// `TP_PROTO(struct sk_buff *skb, int rc, struct net_device *dev, unsigned int skb_len)`: the driver
/// has answered. A buffer that it took may be gone by now; one that it refused is still ours.
#[btf_tracepoint(function = "net_dev_xmit")]
fn net_dev_xmit(ctx: BtfTracePointContext) -> Option<()> {
    /// `NETDEV_TX_BUSY` (include/linux/netdevice.h).
    const BUSY: i32 = 0x10;
    if ctx.arg::<i32>(1) != BUSY {
        return None;
    }
    let events = [Event::NetworkRefusedBytes, Event::NetworkRefusedBuffers];
    count_transmission(Tracked(ctx.arg(0)), Tracked(ctx.arg(2)), events)
}

/// Counts the bytes, and one buffer, of a `struct sk_buff` that a `struct net_device` is handed.
#[inline(always)]
fn count_transmission(skb: Tracked, device: Tracked, events: [Event; 2]) -> Option<()> {
    // What is backed by hardware hangs below it in the device tree; loopback, veth, bridges and
    // the like hang nowhere.
    if !armed() || device.read::<u64>(layout!(net_device_parent)) == 0 {
        return None;
    }
    // Often in a softirq, on top of an uninvolved task: the socket knows whose it is.
    let owner = owner_of(skb);
    let [bytes, buffers] = events;
    count_bytes_of(owner, bytes, skb.read(layout!(skb_len)));
    count_bytes_of(owner, buffers, 1);
    Some(())
}
