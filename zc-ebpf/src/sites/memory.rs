//! Copies between the memory of two processes; and those that memory management makes: pages that two
//! parties can no longer share, and bounce buffers.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zc_common::{IterClass, Site};

use super::{count_bare, count_current, count_machine};
use crate::{
    layout::layout,
    memory::{Tracked, peek},
};

/// x86-64's page size in bytes.
const PAGE: i64 = 4096;

/// The bits of a page table entry that hold the page's address (`PTE_PFN_MASK`,
/// arch/x86/include/asm/pgtable_types.h).
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// `long __x64_sys_process_vm_readv(const struct pt_regs *)`: the bytes that were copied out of the other
/// process's pages. Not `process_vm_rw`, which has seven parameters: kernels before 6.6 refuse programs on
/// more than six.
#[fexit]
fn process_vm_readv(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::ProcessRead)
}

/// `long __x64_sys_process_vm_writev(const struct pt_regs *)`: the same into them.
#[fexit]
fn process_vm_writev(ctx: FExitContext) -> Option<()> {
    count_bare(&ctx, Site::ProcessWrite)
}

/// `vm_fault_t do_wp_page(struct vm_fault *)`: either lets the task write to the page, which is
/// its own by now, or copies it. `wp_page_copy` is inlined into it from 6.5 on, but the page table
/// tells: after a copy the entry is another page's. The page of zeros has no `page` here; replacing
/// it is filling, not copying.
#[fexit]
fn do_wp_page(ctx: FExitContext) -> Option<()> {
    let fault = Tracked(ctx.arg(0));
    if fault.read::<u64>(layout!(vmf_page)) == 0 {
        return None;
    }
    let before: u64 = fault.read(layout!(vmf_orig_pte));
    let after: u64 = peek(fault.read(layout!(vmf_pte)))?;
    if (before ^ after) & ADDRESS == 0 {
        return None;
    }
    count_current(&ctx, Site::WpPage, || IterClass::None, || PAGE)
}

/// `vm_fault_t finish_fault(struct vm_fault *)`: with a `cow_page`, which `do_cow_fault` has just
/// filled from the page cache.
#[fexit]
fn finish_fault(ctx: FExitContext) -> Option<()> {
    let copy: u64 = Tracked(ctx.arg(0)).read(layout!(vmf_cow_page));
    if copy == 0 {
        return None;
    }
    count_current(&ctx, Site::CowFault, || IterClass::None, || PAGE)
}

/// `void swiotlb_bounce(…, phys_addr_t tlb_addr, size_t size, enum dma_data_direction, …)`. The
/// device's driver calls it, on top of any task.
#[fexit]
fn swiotlb_bounce(ctx: FExitContext) {
    let size: u64 = ctx.arg(2);
    count_machine(&ctx, Site::SwiotlbBounce, IterClass::None, size);
}
