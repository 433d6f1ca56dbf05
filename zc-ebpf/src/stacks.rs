//! By which way through the kernel bytes came to a site: the stack of each pass, where it is wanted.
//!
//! Otherwise the verifier, which knows the switch, drops the code, and each map holds one entry: user
//! space sizes them.

use aya_ebpf::{
    cty::c_void,
    macros::map,
    maps::{Array, HashMap, StackTrace},
    programs::{FExitContext, tracing::StackIdContext},
};
use zc_common::{Group, PROBE_FRAMES, STACK_LOSS_SLOTS, Site, StackKey, StackLoss, Tally, TaskId};

use crate::{
    cells::{Whose, count_site},
    counters::{add_tally, make_tally},
    layout::{Class, layout},
    memory::apart,
};

/// Stacks by number, which is a hash.
#[map]
static STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// What passed, by stack.
#[map]
static STACK_BYTES: HashMap<StackKey, Tally> = HashMap::with_max_entries(1, 0);

/// What has no stack, by [`StackLoss::slot`].
#[map]
static STACK_LOSS: Array<Tally> = Array::with_max_entries(STACK_LOSS_SLOTS, 0);

/// include/uapi/asm-generic/errno-base.h.
const ENOMEM: i32 = -12;
const EEXIST: i32 = -17;

/// Counts a pass through `site`, and for the stack that it came by, if stacks are wanted.
#[inline(always)]
pub(crate) fn count<C: Into<Class>>(
    ctx: &impl StackIdContext,
    whose: Whose,
    site: Site,
    class: impl FnOnce() -> C,
    bytes: u64,
) {
    if layout!(stacks) == 0 {
        count_site(whose, site, class().into(), bytes);
    } else {
        apart();
        count_with_stack(
            ctx.as_ptr(),
            packed(whose.group, class().into()),
            whose.task,
            site,
            bytes,
        );
    }
}

/// A group and a class in one argument: a function of BPF has five.
#[inline(always)]
fn packed(group: Group, class: Class) -> u64 {
    u64::from(group.index()) << 8 | class.index() as u64
}

/// A function of its own, which each program calls: it is long, and it is a frame of the stack.
///
/// The kernel keeps one stack for each hash, and refuses another one with `-EEXIST`. With frames of
/// the probe left out it has another hash.
#[inline(never)]
fn count_with_stack(ctx: *mut c_void, packed: u64, task: TaskId, site: Site, bytes: u64) {
    let group = Group::from_table((packed >> 8 & 0xff) as u8).unwrap_or(Group::MACHINE);
    let class = Class::of_index((packed & 0xff) as u8);
    count_site(Whose { group, task }, site, class, bytes);
    if bytes == 0 {
        return;
    }
    // Tracing programs at the entry and the exit have the same context.
    let ctx = FExitContext::new(ctx);
    let mut key = StackKey {
        stack: 0,
        site: site as u8,
        class: (class.index() as u64 & 0xff) as u8,
        group: group.index(),
        skipped: 0,
    };
    let mut lost = StackLoss::Collision;
    for skipped in 0..=PROBE_FRAMES {
        match ctx.get_stackid(&STACKS, u64::from(skipped)) {
            Ok(stack) => {
                key.stack = (stack.cast_unsigned() & 0xffff_ffff) as u32;
                key.skipped = skipped;
                if tally(&key, bytes).is_some() {
                    return;
                }
                lost = StackLoss::NoTally;
                break;
            }
            Err(EEXIST) => {}
            Err(ENOMEM) => {
                lost = StackLoss::NoRoom;
                break;
            }
            Err(_) => {
                lost = StackLoss::NotWalked;
                break;
            }
        }
    }
    if let Some(tally) = STACK_LOSS.get_ptr_mut(lost.slot(key.group)) {
        add_tally(tally, bytes);
    }
}

/// Adds to the tally of `key`; `None` when there is no room for it.
#[inline(always)]
fn tally(key: &StackKey, bytes: u64) -> Option<()> {
    let tally = match STACK_BYTES.get_ptr_mut(key) {
        Some(tally) => tally,
        None => make_tally(&STACK_BYTES, key)?,
    };
    add_tally(tally, bytes);
    Some(())
}
