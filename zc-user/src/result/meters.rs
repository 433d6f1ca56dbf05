//! What the meters' counts mean: mode switches by cause, context switches, and what devices moved.
//!
//! They depend on timing, so the empty run's share cannot be taken off: they are those of the run
//! as it was, its fixed cost included.

use serde::Serialize;
use zc_common::Interrupt;

use crate::{
    measure::{self, Loss},
    probes::{
        attach::Status,
        meters::{METERS, Number, interrupt_name, measures},
    },
};

/// What became of a meter.
#[derive(Clone, Debug, Serialize)]
pub struct MeterStatus {
    /// Its name in zc.
    pub meter: &'static str,
    /// What it counts.
    pub number: String,
    /// One line for people.
    pub meaning: &'static str,
    /// The kernel file that its meaning was read from.
    pub source: &'static str,
    /// Attached, absent or refused.
    #[serde(flatten)]
    pub status: Status,
}

/// What one process left user mode and the CPU for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Switches {
    /// Mode switches: two for each of what caused them.
    pub mode_switches_by_cause: ByCause,
    /// Interrupts that came while the process was on the CPU.
    pub interrupts: Interrupts,
    /// Another task got the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_switches: Option<ContextSwitches>,
    /// What the process asked of block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_io: Option<BlockIo>,
    /// Bytes that the process's sockets handed to network devices that are backed by hardware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_bytes: Option<u64>,
    /// In so many buffers, each with headers of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_buffers: Option<u64>,
}

/// Mode switches.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ByCause {
    /// By system calls, without those of the empty run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_calls: Option<u64>,
    /// By page faults in user mode, without those of the empty run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_faults: Option<u64>,
    /// By interrupts that hit user mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupts: Option<u64>,
    /// All three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Interrupts by what they hit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Interrupts {
    /// A program: each is two mode switches. Absent unless every kind was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u64>,
    /// The kernel: no mode switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<u64>,
    /// The kinds that were counted.
    pub kinds: Vec<InterruptKind>,
}

/// Interrupts of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InterruptKind {
    /// Its name.
    pub kind: &'static str,
    /// Hit a program.
    pub user: u64,
    /// Hit the kernel.
    pub kernel: u64,
}

/// Context switches.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ContextSwitches {
    /// The process gave the CPU up: it waited for something, or was stopped.
    pub voluntary: u64,
    /// Of these, those in which a signal had stopped it, as the lab does with its own processes before
    /// and after a run.
    pub stopped: u64,
    /// It could have gone on.
    pub involuntary: u64,
}

/// Bytes asked of block devices.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BlockIo {
    /// To be read.
    pub read_bytes: u64,
    /// To be written.
    pub written_bytes: u64,
}

/// What devices moved that is on no process's account.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Devices {
    /// Asked of block devices by kernel threads, such as those that write back dirty pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_threads_block_io: Option<BlockIo>,
    /// Handed to network devices that are backed by hardware, by sockets of nobody known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_bytes: Option<u64>,
}

/// Where these numbers come from.
pub struct Input<'a> {
    /// Raw.
    pub counted: &'a measure::Meters,
    /// By row of [`METERS`].
    pub statuses: &'a [Status],
    /// Counts lost meanwhile.
    pub loss: &'a Loss,
}

impl Input<'_> {
    fn observed(&self, number: Number) -> bool {
        let mut programs = METERS.iter().filter(|row| row.number == number);
        programs.all(|row| self.loss.of_program(row.program).is_none())
            && measures(self.statuses, number).is_ok()
    }

    fn block_io(&self) -> Option<BlockIo> {
        let measure::BlockIo { read_bytes, written_bytes } = self.counted.block_io;
        self.observed(Number::BlockIo).then_some(BlockIo { read_bytes, written_bytes })
    }

    /// Bytes, and buffers.
    fn network(&self) -> [Option<u64>; 2] {
        let counted = [self.counted.network_bytes, self.counted.network_buffers];
        counted.map(|count| self.observed(Number::Network).then_some(count))
    }

    fn interrupts(&self) -> Interrupts {
        let kinds: Vec<_> = Interrupt::ALL
            .into_iter()
            .filter(|kind| self.observed(Number::Interrupts(*kind)))
            .map(|kind| {
                let measure::ByMode { user, kernel } = self.counted.interrupts[kind as usize];
                InterruptKind { kind: interrupt_name(kind), user, kernel }
            })
            .collect();
        let all = kinds.len() == Interrupt::ALL.len();
        Interrupts {
            user: all.then(|| kinds.iter().map(|kind| kind.user).sum()),
            kernel: all.then(|| kinds.iter().map(|kind| kind.kernel).sum()),
            kinds,
        }
    }
}

/// A process's, with its `syscalls` and `page_faults` in user mode.
pub fn switches(input: &Input<'_>, syscalls: Option<u64>, page_faults: Option<u64>) -> Switches {
    let interrupts = input.interrupts();
    let two = |count: Option<u64>| count.map(|count| 2 * count);
    let causes = [two(syscalls), two(page_faults), two(interrupts.user)];
    let [system_calls, faults, hits] = causes;
    let total = causes.into_iter().sum();
    let measure::ContextSwitches { voluntary, stopped, involuntary } =
        input.counted.context_switches;
    let [network_bytes, network_buffers] = input.network();
    Switches {
        mode_switches_by_cause: ByCause {
            system_calls,
            page_faults: faults,
            interrupts: hits,
            total,
        },
        interrupts,
        context_switches: input.observed(Number::ContextSwitches).then_some(ContextSwitches {
            voluntary,
            stopped,
            involuntary,
        }),
        block_io: input.block_io(),
        network_bytes,
        network_buffers,
    }
}

/// The machine's.
pub fn devices(input: &Input<'_>) -> Devices {
    let [network_bytes, _] = input.network();
    Devices { kernel_threads_block_io: input.block_io(), network_bytes }
}

/// The table with what became of each row.
pub fn statuses(statuses: &[Status]) -> Vec<MeterStatus> {
    METERS
        .iter()
        .zip(statuses)
        .map(|(row, status)| MeterStatus {
            meter: row.program,
            number: row.number.name(),
            meaning: row.meaning,
            source: row.source,
            status: status.clone(),
        })
        .collect()
}

/// What is not counted and why, a line each.
pub fn unmetered(statuses: &[Status]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &METERS {
        if let Err(reason) = measures(statuses, row.number) {
            let line = format!("{}: {reason}", row.number.name());
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        measure::{BlockIo as RawBlockIo, ByMode, ContextSwitches as RawSwitches, Meters},
        probes::meters::Needed,
    };

    fn attached() -> Vec<Status> {
        let status = |row: &crate::probes::meters::Meter| match row.needed {
            Needed::Always => Status::Attached { function: "f" },
            Needed::WithLine(_) => Status::Absent,
        };
        METERS.iter().map(status).collect()
    }

    fn counted() -> Meters {
        let mut interrupts = [ByMode::default(); Interrupt::ALL.len()];
        interrupts[Interrupt::Timer as usize] = ByMode { user: 5, kernel: 2 };
        interrupts[Interrupt::Device as usize] = ByMode { user: 1, kernel: 3 };
        Meters {
            interrupts,
            context_switches: RawSwitches { voluntary: 7, stopped: 2, involuntary: 8 },
            block_io: RawBlockIo { read_bytes: 4096, written_bytes: 512 },
            network_bytes: 66,
            network_buffers: 1,
        }
    }

    /// The row of `program`.
    fn row(program: &str) -> usize {
        METERS.iter().position(|row| row.program == program).unwrap()
    }

    #[test]
    fn each_cause_is_two_switches_and_the_total_is_their_sum() {
        let (counted, statuses) = (counted(), attached());
        let input = Input { counted: &counted, statuses: &statuses, loss: &Loss::default() };
        let json = serde_json::to_value(switches(&input, Some(10), Some(3))).unwrap();
        assert_eq!(
            json["mode_switches_by_cause"],
            serde_json::json!({"system_calls": 20, "page_faults": 6, "interrupts": 12, "total": 38})
        );
        assert_eq!(
            (&json["interrupts"]["user"], &json["interrupts"]["kernel"]),
            (&6.into(), &5.into())
        );
        assert_eq!(json["context_switches"]["voluntary"], 7);
        assert_eq!(json["context_switches"]["stopped"], 2);
        assert_eq!(json["block_io"]["written_bytes"], 512);
        assert_eq!(devices(&input).network_bytes, Some(66));
        assert!(unmetered(&statuses).is_empty());
    }

    #[test]
    fn a_refused_meter_takes_its_own_number_along_and_no_other() {
        let counted = counted();
        let mut statuses = attached();
        statuses[row("device_interrupt")] = Status::Absent;
        let refused = Status::Refused { function: "submit_bio", reason: "EPERM".into() };
        statuses[row("submit_bio")] = refused;
        let input = Input { counted: &counted, statuses: &statuses, loss: &Loss::default() };
        let json = serde_json::to_value(switches(&input, Some(10), Some(3))).unwrap();
        let causes = &json["mode_switches_by_cause"];
        assert!(causes.get("interrupts").is_none() && causes.get("total").is_none());
        assert_eq!(causes["system_calls"], 20);
        assert!(json["interrupts"].get("user").is_none() && json.get("block_io").is_none());
        let kinds = json["interrupts"]["kinds"].as_array().unwrap();
        assert!(kinds.iter().all(|kind| kind["kind"] != "device"));
        assert!(kinds.contains(&serde_json::json!({"kind": "timer", "user": 5, "kernel": 2})));
        assert_eq!(json["context_switches"]["involuntary"], 8);
        assert_eq!(
            unmetered(&statuses),
            [
                "device interrupts: this kernel has no function __common_interrupt",
                "block I/O: the kernel refused submit_bio: EPERM",
            ]
        );
    }

    #[test]
    fn a_lossy_run_has_none_of_them() {
        let (counted, statuses) = (counted(), attached());
        let loss = Loss { untold: true, ..Loss::default() };
        let input = Input { counted: &counted, statuses: &statuses, loss: &loss };
        let switches = switches(&input, None, None);
        assert!(switches.context_switches.is_none() && switches.block_io.is_none());
        assert_eq!((switches.interrupts.user, switches.interrupts.kinds.len()), (None, 0));
        assert_eq!((switches.network_bytes, devices(&input).network_bytes), (None, None));
    }
}
