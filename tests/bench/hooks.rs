//! Where a process's BPF programs are attached, as the kernel describes its descriptors.

use std::{collections::HashMap, fmt, fs};

use anyhow::{Context, Result, bail};
use aya::Btf;
use aya_obj::btf::BtfKind;
use serde::{Deserialize, Serialize};
use zc::probes::{catalogue::SITES, meters};

/// `BPF_PROG_TYPE_TRACING`, `include/uapi/linux/bpf.h`.
const TRACING: &str = "26";

/// A place that a program is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hook {
    /// A tracepoint, by a raw tracepoint program.
    Raw(String),
    /// A tracepoint, by a program that knows its types: name, and BTF type.
    Typed(String, u32),
    /// The entry or exit of a function: attach type, name, and BTF type.
    Function(u32, String, u32),
}

/// `BPF_TRACE_FEXIT`, `include/uapi/linux/bpf.h`; the entry is one less.
const FEXIT: u32 = 25;

impl fmt::Display for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(name) => write!(formatter, "raw_tp {name}"),
            Self::Typed(name, _) => write!(formatter, "tp_btf {name}"),
            Self::Function(FEXIT, name, _) => write!(formatter, "fexit {name}"),
            Self::Function(_, name, _) => write!(formatter, "fentry {name}"),
        }
    }
}

impl Hook {
    /// What bpftrace calls it.
    pub(crate) fn bpftrace(&self) -> String {
        match self {
            Self::Raw(name) | Self::Typed(name, _) => format!("rawtracepoint:{name}"),
            Self::Function(FEXIT, name, _) => format!("fexit:vmlinux:{name}"),
            Self::Function(_, name, _) => format!("fentry:vmlinux:{name}"),
        }
    }
}

/// All hooks of process `pid`.
///
/// # Errors
/// It has one of a kind that cannot be described.
pub(crate) fn of_process(pid: u32) -> Result<Vec<Hook>> {
    let descriptors = descriptors(pid)?;
    let kind_of_program: HashMap<_, _> = descriptors
        .iter()
        .filter_map(|fields| Some((fields.get("prog_id")?, fields.get("prog_type")?)))
        .collect();
    let btf = Btf::from_sys_fs()?;
    let mut hooks = Vec::new();
    for fields in &descriptors {
        let Some(link) = fields.get("link_type") else { continue };
        let field = |name: &str| fields.get(name).with_context(|| format!("a link has no {name}"));
        hooks.push(match link.as_str() {
            "raw_tracepoint" => {
                let name = field("tp_name")?.clone();
                let kind = kind_of_program.get(field("prog_id")?).context("a link's program")?;
                if *kind == TRACING {
                    let typedef = format!("btf_trace_{name}");
                    let id = btf.id_by_type_name_kind(&typedef, BtfKind::Typedef)?;
                    Hook::Typed(name, id)
                } else {
                    Hook::Raw(name)
                }
            }
            "tracing" => {
                let id = field("target_btf_id")?.parse()?;
                Hook::Function(field("attach_type")?.parse()?, function(&btf, id)?, id)
            }
            other => bail!("a link of kind {other} has no equal empty program"),
        });
    }
    Ok(hooks)
}

fn function(btf: &Btf, id: u32) -> Result<String> {
    let aids = SITES.iter().flat_map(|row| row.aids).map(|aid| aid.function);
    SITES
        .iter()
        .flat_map(|row| row.functions)
        .copied()
        .chain(aids)
        .chain(meters::wanted())
        .find(|name| btf.id_by_type_name_kind(name, BtfKind::Func).is_ok_and(|found| found == id))
        .map(str::to_owned)
        .with_context(|| format!("type {id} is no function of the catalogue"))
}

/// KiB of the maps and programs that the process has.
pub(crate) fn kernel_kib(pid: u32) -> Result<u64> {
    let mut bytes = 0;
    let mut seen = Vec::new();
    for fields in descriptors(pid)? {
        let id =
            ["map_id", "prog_id"].iter().find_map(|key| Some((*key, fields.get(*key)?.clone())));
        let memory = fields.get("memlock").and_then(|bytes| bytes.parse::<u64>().ok());
        // Several descriptors may stand for one map.
        if let (Some(id), Some(memory)) = (id, memory)
            && !seen.contains(&id)
        {
            seen.push(id);
            bytes += memory;
        }
    }
    Ok(bytes / 1024)
}

/// What /proc says of each descriptor: `name:\tvalue` lines (proc(5)).
fn descriptors(pid: u32) -> Result<Vec<HashMap<String, String>>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let text = fs::read_to_string(entry?.path())?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        all.push(fields.map(|(key, value)| (key.into(), value.trim().into())).collect());
    }
    Ok(all)
}
