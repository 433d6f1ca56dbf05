//! Raw counts of what no formula predicts: interrupts, context switches, what devices move.

use zc_common::{Event, Interrupt, Mode};

/// What the meters counted. A number whose meter was not attached is 0 here and means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meters {
    /// By [`Interrupt`].
    pub interrupts: [ByMode; Interrupt::ALL.len()],
    /// Another task got the CPU.
    pub context_switches: ContextSwitches,
    /// What block devices were asked for.
    pub block_io: BlockIo,
    /// Bytes that network devices backed by hardware took.
    pub network_bytes: u64,
    /// In so many buffers.
    pub network_buffers: u64,
}

/// A count by what the CPU was running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByMode {
    /// A program.
    pub user: u64,
    /// The kernel.
    pub kernel: u64,
}

/// Context switches away from the tasks of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextSwitches {
    /// The task gave the CPU up: it waited for something, or was stopped.
    pub voluntary: u64,
    /// Of these, those in which a signal had stopped it.
    pub stopped: u64,
    /// The task could have gone on.
    pub involuntary: u64,
}

/// Bytes asked of block devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockIo {
    /// To be read.
    pub read_bytes: u64,
    /// To be written.
    pub written_bytes: u64,
}

impl Meters {
    /// What came after `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut interrupts = self.interrupts;
        for (now, before) in interrupts.iter_mut().zip(before.interrupts) {
            now.user -= before.user;
            now.kernel -= before.kernel;
        }
        let (switches, block) = (self.context_switches, self.block_io);
        Self {
            interrupts,
            context_switches: ContextSwitches {
                voluntary: switches.voluntary - before.context_switches.voluntary,
                stopped: switches.stopped - before.context_switches.stopped,
                involuntary: switches.involuntary - before.context_switches.involuntary,
            },
            block_io: BlockIo {
                read_bytes: block.read_bytes - before.block_io.read_bytes,
                written_bytes: block.written_bytes - before.block_io.written_bytes,
            },
            // Less what was refused, which may be told after the interval's edge.
            network_bytes: self.network_bytes.saturating_sub(before.network_bytes),
            network_buffers: self.network_buffers.saturating_sub(before.network_buffers),
        }
    }

    /// From the values of [`zc_common::Counters::events`].
    pub(crate) fn from_events(value: impl Fn(usize) -> u64) -> Self {
        let event = |event: Event| value(event as usize);
        Self {
            interrupts: Interrupt::ALL.map(|kind| ByMode {
                user: value(kind.event(Mode::User)),
                kernel: value(kind.event(Mode::Kernel)),
            }),
            context_switches: ContextSwitches {
                voluntary: event(Event::SwitchVoluntary),
                stopped: event(Event::SwitchStopped),
                involuntary: event(Event::SwitchInvoluntary),
            },
            block_io: BlockIo {
                read_bytes: event(Event::BlockReadBytes),
                written_bytes: event(Event::BlockWrittenBytes),
            },
            // A buffer is handed on before it is refused: with the window's edge in between, there
            // may be more refused than handed on.
            network_bytes: event(Event::NetworkBytes)
                .saturating_sub(event(Event::NetworkRefusedBytes)),
            network_buffers: event(Event::NetworkBuffers)
                .saturating_sub(event(Event::NetworkRefusedBuffers)),
        }
    }
}
