//! The JSON of `zc lab` as docs/lab-json.md documents it, written down a second time: an unknown,
//! missing or renamed key fails to parse.

use std::{collections::BTreeMap, ops::Deref};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Lab {
    pub(crate) schema: String,
    pub(crate) zc: String,
    pub(crate) kernel: String,
    pub(crate) architecture: String,
    pub(crate) tier: String,
    pub(crate) complete: bool,
    pub(crate) verdict: String,
    pub(crate) plan: Plan,
    pub(crate) completeness: Completeness,
    pub(crate) audit: Option<AuditSummary>,
    pub(crate) styles: Vec<Style>,
}

impl Lab {
    pub(crate) fn style(&self, name: &str) -> &Style {
        self.styles.iter().find(|style| style.style == name).expect("the style ran")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Plan {
    pub(crate) size_bytes: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) repeat: u32,
    pub(crate) cold: bool,
    pub(crate) network: Network,
    pub(crate) hash: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Network {
    pub(crate) path: String,
    pub(crate) sender: NetworkEnd,
    pub(crate) receiver: NetworkEnd,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct NetworkEnd {
    pub(crate) device: String,
    pub(crate) driver: Option<String>,
    pub(crate) mtu_bytes: Option<u32>,
    pub(crate) gather: Option<bool>,
    pub(crate) tx_checksum: Option<bool>,
    pub(crate) tso: Option<bool>,
    pub(crate) gso: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Architectures {
    pub(crate) schema: String,
    pub(crate) zc: String,
    pub(crate) kernel: String,
    pub(crate) architecture: String,
    pub(crate) tier: String,
    pub(crate) complete: bool,
    pub(crate) verdict: String,
    pub(crate) size_bytes: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) architectures: Vec<Architecture>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Architecture {
    pub(crate) name: String,
    pub(crate) textbook: String,
    pub(crate) network: Network,
    pub(crate) sender: Way,
    #[serde(default)]
    pub(crate) problems: Vec<String>,
    pub(crate) style: Style,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Way {
    pub(crate) disk_dma_bytes: Option<u64>,
    pub(crate) cpu_copied_bytes: Copied<u64>,
    pub(crate) cpu_copies_per_byte: Option<f64>,
    pub(crate) nic_dma_bytes: Option<u64>,
    pub(crate) nic_header_bytes: Option<u64>,
    pub(crate) mode_switches: Option<u64>,
    pub(crate) syscalls: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Completeness {
    pub(crate) sites: Vec<BTreeMap<String, Value>>,
    pub(crate) lost: Lost,
    pub(crate) discarded_runs: u64,
    pub(crate) calibration: String,
    #[serde(default)]
    pub(crate) uncalibrated: Vec<BTreeMap<String, String>>,
    pub(crate) meters: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) unmetered: Vec<String>,
    #[serde(default)]
    pub(crate) problems: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lost {
    #[serde(default)]
    pub(crate) untold: bool,
    pub(crate) recursion_misses: BTreeMap<String, u64>,
    pub(crate) unfollowed_children: u64,
    pub(crate) forgotten_owners: u64,
}

impl Lost {
    pub(crate) fn nothing() -> Self {
        Self {
            untold: false,
            recursion_misses: BTreeMap::new(),
            unfollowed_children: 0,
            forgotten_owners: 0,
        }
    }
}

/// A style's keys and, where it could be measured, those of its worst run in the same object.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct Style {
    pub(crate) style: String,
    pub(crate) run: Option<Run>,
    pub(crate) not_supported: Option<NotSupported>,
    pub(crate) audit: Option<Audit>,
    pub(crate) runs: Vec<Run>,
}

impl TryFrom<Map<String, Value>> for Style {
    type Error = serde_json::Error;

    fn try_from(mut object: Map<String, Value>) -> Result<Self, Self::Error> {
        fn take<T: DeserializeOwned>(
            object: &mut Map<String, Value>,
            key: &str,
        ) -> Result<T, serde_json::Error> {
            serde_json::from_value(object.remove(key).unwrap_or_default())
        }
        for text in ["how", "textbook_name", "textbook"] {
            let _: String = take(&mut object, text)?;
        }
        let style = take(&mut object, "style")?;
        let not_supported: Option<NotSupported> = take(&mut object, "not_supported")?;
        let audit = take(&mut object, "audit")?;
        let runs = take(&mut object, "runs")?;
        // Whatever is left belongs to the run.
        let run = match not_supported.is_some() && object.is_empty() {
            true => None,
            false => Some(serde_json::from_value(Value::Object(object))?),
        };
        Ok(Self { style, run, not_supported, audit, runs })
    }
}

impl Run {
    /// The receiver, which this style has.
    pub(crate) fn receiver(&self) -> &Side {
        self.receiver.as_ref().expect("it has a receiver")
    }
}

impl Deref for Style {
    type Target = Run;

    fn deref(&self) -> &Run {
        self.run.as_ref().unwrap_or_else(|| panic!("{}: {:?}", self.style, self.not_supported))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotSupported {
    pub(crate) side: String,
    pub(crate) errno: String,
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) verdict: String,
    pub(crate) moved_bytes: u64,
    pub(crate) hash_ok: bool,
    pub(crate) sender: Side,
    pub(crate) receiver: Option<Side>,
    pub(crate) machine: Option<Machine>,
    pub(crate) devices: Devices,
    #[serde(default)]
    pub(crate) stacks: Vec<SideStacks>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SideStacks {
    pub(crate) side: String,
    pub(crate) bytes: u64,
    pub(crate) complete: bool,
    #[serde(default)]
    pub(crate) problems: Vec<String>,
    pub(crate) unnamed: Option<String>,
    pub(crate) paths: Vec<CopyPath>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyPath {
    pub(crate) direction: String,
    pub(crate) bytes: u64,
    pub(crate) frames: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    pub(crate) copied: Copied<u64>,
    pub(crate) aside: Option<u64>,
    pub(crate) coverage: Option<Coverage>,
    pub(crate) lent: Option<Lent>,
    pub(crate) copies_per_byte: Copied<f64>,
    pub(crate) mode_switches: Option<u64>,
    pub(crate) mode_switches_per_mib: Option<f64>,
    pub(crate) mode_switches_by_cause: ByCause,
    pub(crate) interrupts: Interrupts,
    pub(crate) context_switches: Option<ContextSwitches>,
    pub(crate) block_io: Option<BlockIo>,
    pub(crate) network_bytes: Option<u64>,
    pub(crate) network_buffers: Option<u64>,
    pub(crate) syscalls: Option<u64>,
    pub(crate) page_faults: PageFaults,
    pub(crate) fixed_syscalls: Option<u64>,
    #[serde(default)]
    pub(crate) by_syscall: Vec<Syscall>,
    #[serde(default)]
    pub(crate) sites: Vec<Site>,
    pub(crate) lines: Vec<Line>,
}

impl Side {
    pub(crate) fn line(&self, quantity: &str) -> &Line {
        self.lines.iter().find(|line| line.quantity == quantity).expect("there is such a line")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coverage {
    pub(crate) returned_bytes: u64,
    pub(crate) explained_bytes: u64,
    pub(crate) ratio: Option<f64>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copied<T> {
    pub(crate) user_to_kernel: Option<T>,
    pub(crate) kernel_to_user: Option<T>,
    pub(crate) kernel_to_kernel: Option<T>,
}

impl Copied<u64> {
    /// All three, in the order UK, KU, KK.
    pub(crate) fn all(&self) -> [Option<u64>; 3] {
        [self.user_to_kernel, self.kernel_to_user, self.kernel_to_kernel]
    }
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lent {
    pub(crate) sends: u64,
    pub(crate) copied: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageFaults {
    pub(crate) user: Option<u64>,
    pub(crate) kernel: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Syscall {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) calls: u64,
    pub(crate) bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Site {
    pub(crate) site: String,
    pub(crate) function: String,
    pub(crate) iterator: String,
    pub(crate) effect: Value,
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Line {
    pub(crate) side: String,
    pub(crate) quantity: String,
    pub(crate) predicted: u64,
    pub(crate) formula: String,
    pub(crate) measured: Option<u64>,
    pub(crate) verdict: String,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) kernel_to_kernel: u64,
    pub(crate) aside: u64,
    pub(crate) sites: Vec<Site>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditSummary {
    pub(crate) method: Option<String>,
    pub(crate) kprobe_refused: Option<String>,
    pub(crate) registers: Option<usize>,
    #[serde(default)]
    pub(crate) rounds: Vec<Vec<String>>,
    pub(crate) problem: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) verdict: String,
    pub(crate) lines: Vec<AuditLine>,
    pub(crate) control_bytes: BySide,
    pub(crate) leaves: Vec<Leaf>,
    #[serde(default)]
    pub(crate) losses: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BySide {
    pub(crate) sender: Option<u64>,
    pub(crate) receiver: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct AuditLine {
    pub(crate) side: String,
    pub(crate) quantity: String,
    pub(crate) site_bytes: Option<u64>,
    pub(crate) leaf_bytes: Option<u64>,
    pub(crate) user_bytes: Option<u64>,
    pub(crate) verdict: String,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Leaf {
    pub(crate) side: String,
    pub(crate) function: String,
    pub(crate) round: usize,
    pub(crate) hits: Option<u64>,
    pub(crate) runs: u64,
    pub(crate) payload_bytes: Option<u64>,
    pub(crate) control_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByCause {
    pub(crate) system_calls: Option<u64>,
    pub(crate) page_faults: Option<u64>,
    pub(crate) interrupts: Option<u64>,
    pub(crate) total: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Interrupts {
    pub(crate) user: Option<u64>,
    pub(crate) kernel: Option<u64>,
    pub(crate) kinds: Vec<InterruptKind>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct InterruptKind {
    pub(crate) kind: String,
    pub(crate) user: u64,
    pub(crate) kernel: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct ContextSwitches {
    pub(crate) voluntary: u64,
    pub(crate) stopped: u64,
    pub(crate) involuntary: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct BlockIo {
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Devices {
    pub(crate) kernel_threads_block_io: Option<BlockIo>,
    pub(crate) network_bytes: Option<u64>,
    pub(crate) network_buffers: Option<u64>,
}

/// A transfer that a claim or a lab for learners rests on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Transfer {
    pub(crate) style: String,
    pub(crate) how: String,
    pub(crate) moved_bytes: u64,
    pub(crate) sender: Moved,
    pub(crate) receiver: Option<Moved>,
    pub(crate) machine: Option<MachineMoved>,
}

/// What one of its processes did.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct Moved {
    pub(crate) copied: Copied<u64>,
    pub(crate) copies_per_byte: Copied<f64>,
    pub(crate) mode_switches: Option<u64>,
    pub(crate) mode_switches_per_mib: Option<f64>,
    pub(crate) block_io: Option<BlockIo>,
    pub(crate) network_bytes: Option<u64>,
}

/// What was copied on nobody's account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are there to be checked by parsing")]
pub(crate) struct MachineMoved {
    pub(crate) kernel_to_kernel: u64,
}
