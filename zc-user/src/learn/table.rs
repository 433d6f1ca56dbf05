//! The table: a lab is one entry here and one text file.

use super::{Answer, Lab, Measured};
use crate::{
    claims::{
        CHUNK, Evidence, Need, Unobservable,
        evidence::{card, card_without_gather, cold, cold_veth, cold_veth_without_gather, warm},
        files::disk_and_waits,
        kernel_entry::{entries, interrupts},
        programs::pipeline,
        sockets::{closed_with_input, closed_with_output, full_buffer, one_send},
    },
    expect::{Quantity, Side::Sender},
};

/// Every lab, in the textbook's order.
pub static LABS: &[Lab] = &[
    Lab {
        name: "ways-in",
        row: "T1",
        needs: &[warm("three-ways")],
        instead: &[],
        probes: true,
        measure: |evidence| {
            let run = evidence.run(warm("three-ways"))?;
            let (rounds, [calls, faults]) = entries(evidence)?;
            let switches = run.fact(Sender, Quantity::ModeSwitches)?.measured;
            Ok(Measured {
                answer: Answer::count(switches),
                facts: vec![
                    ("rounds", rounds.measured),
                    ("calls", calls.measured),
                    ("faults", faults.measured),
                    ("switches", switches),
                    ("interrupts", interrupts(evidence)?.measured),
                ],
            })
        },
        text: include_str!("labs/ways-in.toml"),
    },
    Lab {
        name: "library-buffers",
        row: "T2",
        needs: &[warm("buffered"), warm("read-write-records")],
        instead: &[],
        probes: true,
        measure: |evidence| {
            let calls = |style| evidence.run(warm(style))?.fact(Sender, Quantity::Syscalls);
            let (with, without) = (calls("buffered")?, calls("read-write-records")?);
            Ok(Measured {
                answer: Answer::count(with.measured),
                facts: vec![
                    ("payload", evidence.run(warm("buffered"))?.bytes()?),
                    ("with", with.measured),
                    ("without", without.measured),
                ],
            })
        },
        text: include_str!("labs/library-buffers.toml"),
    },
    Lab {
        name: "shell",
        row: "T3",
        needs: &[],
        instead: &[],
        probes: true,
        measure: |evidence| {
            let pipeline = pipeline(evidence)?;
            let [sh, cat, wc] = pipeline.calls;
            Ok(Measured {
                answer: Answer::count(pipeline.started),
                facts: vec![
                    ("payload", pipeline.payload),
                    ("started", pipeline.started),
                    ("ran", pipeline.ran.iter().sum()),
                    ("put", pipeline.put),
                    ("taken", pipeline.taken),
                    ("through_shell", pipeline.through_shell),
                    ("sh_calls", sh),
                    ("cat_calls", cat),
                    ("wc_calls", wc),
                ],
            })
        },
        text: include_str!("labs/shell.toml"),
    },
    Lab {
        name: "dma",
        row: "T4",
        needs: &[cold("pread")],
        instead: &[],
        probes: true,
        measure: |evidence| {
            let run = evidence.run(cold("pread"))?;
            let copied = run.cpu_bytes()?.measured;
            Ok(Measured {
                answer: Answer::count(copied),
                facts: vec![
                    ("payload", run.bytes()?),
                    ("disk", run.disk_bytes()?.measured),
                    ("cpu", copied),
                ],
            })
        },
        text: include_str!("labs/dma.toml"),
    },
    Lab {
        name: "kernel-buffer",
        row: "T5",
        needs: &[warm("pread"), cold("pread-at-random")],
        instead: &[],
        probes: true,
        measure: |evidence| {
            let (hit_disk, hit_waits) = disk_and_waits(evidence, warm("pread"))?;
            let (miss_disk, miss_waits) = disk_and_waits(evidence, cold("pread-at-random"))?;
            let suspended = [hit_waits.measured, miss_waits.measured];
            Ok(Measured {
                answer: Answer::count(
                    suspended.into_iter().map(|waits| u64::from(waits > 0)).sum(),
                ),
                facts: vec![
                    ("payload", evidence.run(warm("pread"))?.bytes()?),
                    ("hit_disk", hit_disk.measured),
                    ("hit_waits", hit_waits.measured),
                    ("miss_disk", miss_disk.measured),
                    ("miss_waits", miss_waits.measured),
                ],
            })
        },
        text: include_str!("labs/kernel-buffer.toml"),
    },
    Lab {
        name: "socket-buffer",
        row: "T6",
        needs: &[],
        instead: &[],
        probes: false,
        measure: |_| {
            let (once, full) = (one_send()?, full_buffer()?);
            Ok(Measured {
                answer: Answer::count(once.after),
                facts: vec![
                    ("sent", once.sent),
                    ("before", once.before),
                    ("after", once.after),
                    ("full", full.sent),
                    ("full_sender", full.in_buffer),
                ],
            })
        },
        text: include_str!("labs/socket-buffer.toml"),
    },
    Lab {
        name: "close",
        row: "T7",
        needs: &[],
        instead: &[],
        probes: false,
        measure: |_| {
            let (output, input) = (closed_with_output()?, closed_with_input()?);
            Ok(Measured {
                answer: Answer::count(output.delivered),
                facts: vec![
                    ("sent", output.sent),
                    ("delivered", output.delivered),
                    ("unread", input.unread),
                    ("resets", input.resets),
                ],
            })
        },
        text: include_str!("labs/close.toml"),
    },
    Lab {
        name: "ordinary-copy",
        row: "T8",
        needs: &[card("read-send")],
        instead: &[cold_veth("read-send")],
        probes: true,
        measure: |evidence| by_cpu(evidence, &[card("read-send"), cold_veth("read-send")]),
        text: include_str!("labs/ordinary-copy.toml"),
    },
    Lab {
        name: "first-zero-copy",
        row: "T9",
        needs: &[card_without_gather("sendfile")],
        instead: &[cold_veth_without_gather("sendfile")],
        probes: true,
        measure: |evidence| {
            let runs = [card_without_gather("sendfile"), cold_veth_without_gather("sendfile")];
            by_cpu(evidence, &runs)
        },
        text: include_str!("labs/first-zero-copy.toml"),
    },
    Lab {
        name: "full-zero-copy",
        row: "T10",
        needs: &[card("sendfile")],
        instead: &[cold_veth("sendfile")],
        probes: true,
        measure: |evidence| {
            let sent = Sent::first(evidence, &[card("sendfile"), cold_veth("sendfile")])?;
            Ok(Measured { answer: Answer::count(sent.switches), facts: sent.facts() })
        },
        text: include_str!("labs/full-zero-copy.toml"),
    },
];

/// How often the CPU copied each byte in the sender of the first of `runs` that there is.
fn by_cpu(evidence: &Evidence, runs: &[Need]) -> Result<Measured, Unobservable> {
    let sent = Sent::first(evidence, runs)?;
    let answer = Answer { counted: sent.cpu, per: sent.payload };
    Ok(Measured { answer, facts: sent.facts() })
}

/// What moved a sender's bytes through its machine.
struct Sent {
    payload: u64,
    /// Read from the disk, by its DMA.
    disk: u64,
    /// Copied by the CPU.
    cpu: u64,
    /// Fetched by the card's DMA, without headers.
    card: u64,
    switches: u64,
}

impl Sent {
    /// In the first of `runs` that there is.
    fn first(evidence: &Evidence, runs: &[Need]) -> Result<Self, Unobservable> {
        let run = evidence.first(runs)?;
        Ok(Self {
            payload: run.bytes()?,
            disk: run.disk_bytes()?.measured,
            cpu: run.cpu_bytes()?.measured,
            card: run.card_bytes()?.measured,
            switches: run.mode_switches()?.measured,
        })
    }

    fn facts(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("payload", self.payload),
            ("chunks", self.payload.div_ceil(CHUNK)),
            ("disk", self.disk),
            ("cpu", self.cpu),
            ("card", self.card),
            ("switches", self.switches),
        ]
    }
}
