//! The declarative table of meters: probes for what no formula predicts, beside the sites. A meter
//! that cannot be attached makes its own number absent and nothing else.

use std::fs;

use aya::{Btf as AyaBtf, Ebpf};
use zc_common::{Interrupt, Layout};

use super::{
    attach::{
        Options, Status, attach_at,
        tracepoints::{attach_raw, attach_typed},
    },
    catalogue::At,
};
use crate::kernel::btf::{Btf, BtfError};

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Interrupts of one kind, by what they hit.
    Interrupts(Interrupt),
    /// Context switches, voluntary or not.
    ContextSwitches,
    /// Bytes asked of and given to block devices.
    BlockIo,
    /// Bytes handed to network devices that are backed by hardware.
    Network,
}

impl Number {
    /// The name used in JSON and text.
    pub fn name(self) -> String {
        match self {
            Self::Interrupts(kind) => format!("{} interrupts", interrupt_name(kind)),
            Self::ContextSwitches => "context switches".into(),
            Self::BlockIo => "block I/O".into(),
            Self::Network => "network".into(),
        }
    }
}

/// The name of a kind of interrupt in JSON.
pub fn interrupt_name(kind: Interrupt) -> &'static str {
    match kind {
        Interrupt::Device => "device",
        Interrupt::Timer => "timer",
        Interrupt::Call => "call",
        Interrupt::Work => "work",
        Interrupt::Hypervisor => "hypervisor",
        Interrupt::Reschedule => "reschedule",
    }
}

/// Where a meter is attached.
#[derive(Clone, Copy, Debug)]
pub enum Hook {
    /// The entry of a kernel function.
    Entry(&'static str),
    /// A BTF-typed tracepoint.
    Typed(&'static str),
    /// A raw tracepoint.
    Raw(&'static str),
}

impl Hook {
    /// The function or tracepoint.
    fn name(self) -> &'static str {
        match self {
            Self::Entry(name) | Self::Typed(name) | Self::Raw(name) => name,
        }
    }
}

/// When a machine has what a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// On every machine: without this meter its number is not observed.
    Always,
    /// Where `/proc/interrupts` has a line of this name; else there is nothing to count.
    WithLine(&'static str),
}

/// One row of the table.
#[derive(Debug)]
pub struct Meter {
    /// The BPF program.
    pub program: &'static str,
    /// Where it goes.
    pub hook: Hook,
    /// What it counts.
    pub number: Number,
    /// Whether the number is complete without it.
    pub needed: Needed,
    /// One line for people.
    pub meaning: &'static str,
    /// The kernel file that it was read from.
    pub source: &'static str,
}

/// A row for an interrupt handler.
const fn handler(
    program: &'static str,
    function: &'static str,
    kind: Interrupt,
    meaning: &'static str,
    source: &'static str,
) -> Meter {
    let needed = match kind {
        Interrupt::Hypervisor => Needed::WithLine("HYP"),
        _ => Needed::Always,
    };
    let number = Number::Interrupts(kind);
    Meter { program, hook: Hook::Entry(function), number, needed, meaning, source }
}

/// The table. docs/switches.md says how each number is told apart, and its error.
pub const METERS: [Meter; 14] = [
    handler(
        "device_interrupt",
        "__common_interrupt",
        Interrupt::Device,
        "interrupts from devices",
        "arch/x86/kernel/irq.c",
    ),
    handler(
        "timer_interrupt",
        "__sysvec_apic_timer_interrupt",
        Interrupt::Timer,
        "interrupts from the CPU's own timer",
        "arch/x86/kernel/apic/apic.c",
    ),
    handler(
        "call_interrupt",
        "__sysvec_call_function",
        Interrupt::Call,
        "function calls asked for by another CPU, of several CPUs",
        "arch/x86/kernel/smp.c",
    ),
    handler(
        "call_single_interrupt",
        "__sysvec_call_function_single",
        Interrupt::Call,
        "function calls asked for by another CPU, of this one",
        "arch/x86/kernel/smp.c",
    ),
    handler(
        "work_interrupt",
        "__sysvec_irq_work",
        Interrupt::Work,
        "work that a CPU asks of itself",
        "arch/x86/kernel/irq_work.c",
    ),
    handler(
        "kvm_interrupt",
        "__sysvec_kvm_asyncpf_interrupt",
        Interrupt::Hypervisor,
        "interrupts from KVM",
        "arch/x86/kernel/kvm.c",
    ),
    handler(
        "hyperv_interrupt",
        "__sysvec_hyperv_callback",
        Interrupt::Hypervisor,
        "interrupts from Hyper-V",
        "arch/x86/kernel/cpu/mshyperv.c",
    ),
    Meter {
        needed: Needed::WithLine("HVS"),
        ..handler(
            "hyperv_timer_interrupt",
            "__sysvec_hyperv_stimer0",
            Interrupt::Hypervisor,
            "interrupts from Hyper-V's timer",
            "arch/x86/kernel/cpu/mshyperv.c",
        )
    },
    handler(
        "xen_interrupt",
        "__sysvec_xen_hvm_callback",
        Interrupt::Hypervisor,
        "interrupts from Xen",
        "drivers/xen/events/events_base.c",
    ),
    Meter {
        program: "reschedule_interrupt",
        hook: Hook::Raw("reschedule_entry"),
        number: Number::Interrupts(Interrupt::Reschedule),
        needed: Needed::Always,
        meaning: "task switches asked for by another CPU",
        source: "arch/x86/kernel/smp.c",
    },
    Meter {
        program: "sched_switch",
        hook: Hook::Typed("sched_switch"),
        number: Number::ContextSwitches,
        needed: Needed::Always,
        meaning: "another task gets the CPU",
        source: "kernel/sched/core.c",
    },
    Meter {
        program: "submit_bio",
        hook: Hook::Entry("submit_bio"),
        number: Number::BlockIo,
        needed: Needed::Always,
        meaning: "requests to block devices",
        source: "block/blk-core.c",
    },
    Meter {
        program: "net_dev_start_xmit",
        hook: Hook::Typed("net_dev_start_xmit"),
        number: Number::Network,
        needed: Needed::Always,
        meaning: "buffers handed to network devices",
        source: "net/core/dev.c",
    },
    Meter {
        program: "net_dev_xmit",
        hook: Hook::Typed("net_dev_xmit"),
        number: Number::Network,
        needed: Needed::Always,
        meaning: "buffers that network devices would not take",
        source: "net/core/dev.c",
    },
];

/// The types and functions to look for in the kernel's BTF.
pub fn wanted() -> impl Iterator<Item = &'static str> {
    let functions = METERS.iter().filter_map(|row| match row.hook {
        Hook::Entry(function) => Some(function),
        Hook::Typed(_) | Hook::Raw(_) => None,
    });
    functions.chain(["bio", "bvec_iter", "net_device", "device"])
}

/// The BTF tracepoints among the hooks.
pub fn tracepoints() -> impl Iterator<Item = &'static str> {
    METERS.iter().filter_map(|row| match row.hook {
        Hook::Typed(name) => Some(name),
        Hook::Entry(_) | Hook::Raw(_) => None,
    })
}

/// Fills in what the meters need to know of the kernel, and says by row of [`METERS`] why it
/// cannot be attached, if so.
///
/// # Errors
/// [`BtfError::Malformed`] of a function's type; what is missing is said by row.
pub fn resolve(btf: &Btf, layout: &mut Layout) -> Result<Vec<Option<Status>>, BtfError> {
    let switches = switches(btf, layout).err();
    let block_io = block_io(btf, layout).err();
    let network = network(btf, layout).err();
    // Unread, it may have any line.
    let lines = fs::read_to_string("/proc/interrupts").ok();
    METERS
        .iter()
        .map(|row| {
            let missing = match row.number {
                Number::Interrupts(_) => None,
                Number::ContextSwitches => switches.as_ref(),
                Number::BlockIo => block_io.as_ref(),
                Number::Network => network.as_ref(),
            };
            let function = row.hook.name();
            let here = match row.needed {
                Needed::Always => true,
                Needed::WithLine(line) => lines.as_ref().is_none_or(|lines| has_line(lines, line)),
            };
            Ok(match (row.hook, missing) {
                _ if !here => Some(Status::Absent),
                (Hook::Entry(function), _) if btf.params(function)?.is_none() => {
                    Some(Status::Absent)
                }
                (_, Some(error)) => Some(Status::Refused { function, reason: error.to_string() }),
                _ => None,
            })
        })
        .collect()
}

fn has_line(interrupts: &str, name: &str) -> bool {
    interrupts.lines().any(|line| line.split(':').next().is_some_and(|word| word.trim() == name))
}

fn switches(btf: &Btf, layout: &mut Layout) -> Result<(), BtfError> {
    layout.task_nvcsw = btf.offset("task_struct", "nvcsw")?;
    // Renamed in 5.14, and shortened to the four bytes that are read here.
    layout.task_state =
        btf.offset("task_struct", "__state").or_else(|_| btf.offset("task_struct", "state"))?;
    Ok(())
}

fn block_io(btf: &Btf, layout: &mut Layout) -> Result<(), BtfError> {
    layout.task_mm = btf.offset("task_struct", "mm")?;
    layout.task_bio_list = btf.offset("task_struct", "bio_list")?;
    layout.bio_opf = btf.offset("bio", "bi_opf")?;
    layout.bio_size = btf.offset("bio", "bi_iter")? + btf.offset("bvec_iter", "bi_size")?;
    Ok(())
}

fn network(btf: &Btf, layout: &mut Layout) -> Result<(), BtfError> {
    layout.net_device_parent = btf.offset("net_device", "dev")? + btf.offset("device", "parent")?;
    Ok(())
}

/// Attaches every row for which `unavailable` has no reason not to; a status for each. Where no site is
/// attached, nobody knows whose a buffer is that goes to a network device.
pub fn attach(
    ebpf: &mut Ebpf,
    btf: &AyaBtf,
    unavailable: &[Option<Status>],
    no_sites: bool,
    options: &Options<'_>,
) -> Vec<Status> {
    METERS
        .iter()
        .zip(unavailable)
        .map(|(row, status)| {
            status.clone().unwrap_or_else(|| {
                let function = row.hook.name();
                let left_out = match row.hook {
                    Hook::Entry(_) => options.boundary,
                    Hook::Typed(_) => !options.typed,
                    Hook::Raw(_) => false,
                };
                if left_out {
                    return Status::Disabled;
                }
                if no_sites && row.number == Number::Network {
                    let reason = "no site tells whose a buffer is".to_owned();
                    return Status::Refused { function, reason };
                }
                let attached = match row.hook {
                    Hook::Entry(_) => attach_at(ebpf, btf, row.program, function, At::Entry),
                    Hook::Typed(_) => attach_typed(ebpf, btf, row.program, function),
                    Hook::Raw(_) => attach_raw(ebpf, row.program, function),
                };
                match attached {
                    Ok(()) => Status::Attached { function },
                    Err(reason) => Status::Refused { function, reason },
                }
            })
        })
        .collect()
}

/// Whether `number` is counted whole, given the meters' `statuses`; otherwise why not.
///
/// # Errors
/// The first row that counts it and is not attached though this machine needs it, and why.
pub fn measures(statuses: &[Status], number: Number) -> Result<(), String> {
    for (row, status) in METERS.iter().zip(statuses).filter(|(row, _)| row.number == number) {
        match status {
            Status::Attached { .. } => {}
            Status::Absent if row.needed != Needed::Always => {}
            Status::Absent => {
                return Err(format!("this kernel has no function {}", row.hook.name()));
            }
            Status::Refused { function, reason } => {
                return Err(format!("the kernel refused {function}: {reason}"));
            }
            Status::Disabled => return Err(format!("{} is left out", row.hook.name())),
            Status::Miscounts { .. } | Status::Unneeded => {
                return Err(format!("{} is not relied on", row.program));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached() -> Vec<Status> {
        METERS
            .iter()
            .map(|row| match row.needed {
                Needed::Always => Status::Attached { function: "f" },
                Needed::WithLine(_) => Status::Absent,
            })
            .collect()
    }

    #[test]
    fn a_machine_without_a_hypervisor_lacks_nothing() {
        for row in &METERS {
            assert_eq!(measures(&attached(), row.number), Ok(()), "{}", row.program);
        }
    }

    #[test]
    fn a_meter_that_is_not_there_makes_its_own_number_absent() {
        let mut statuses = attached();
        statuses[0] = Status::Absent;
        let reason = measures(&statuses, Number::Interrupts(Interrupt::Device)).unwrap_err();
        assert_eq!(reason, "this kernel has no function __common_interrupt");
        assert_eq!(measures(&statuses, Number::Interrupts(Interrupt::Timer)), Ok(()));
        let refused = Status::Refused { function: "g", reason: "EPERM".into() };
        statuses[13] = refused;
        let reason = measures(&statuses, Number::Network).unwrap_err();
        assert_eq!(reason, "the kernel refused g: EPERM");
    }

    #[test]
    fn a_line_of_proc_interrupts_is_known_by_its_name() {
        let text = "           CPU0\n  0:   204   IO-APIC timer\nHVS:   3   Hyper-V stimer0\n";
        assert!(has_line(text, "HVS") && has_line(text, "0"));
        assert!(!has_line(text, "HYP") && !has_line(text, "4"));
    }
}
