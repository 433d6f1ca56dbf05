//! The meters in the text view of `zc lab`.

use crate::result::{
    SideReport,
    meters::{BlockIo, Devices},
};

/// One side's, in a line.
pub(super) fn side(side: &SideReport) -> String {
    let switches = &side.switches;
    let context = switches.context_switches.map_or_else(
        || "context switches not observed".into(),
        |context| {
            format!(
                "context switches {} voluntary, {} of them stopped by a signal, {} involuntary",
                context.voluntary, context.stopped, context.involuntary
            )
        },
    );
    format!(
        "switches by cause: {}, {}, {}; {context}; block I/O {}; {}",
        count(side.syscalls, "system calls"),
        count(side.page_faults.user, "page faults"),
        count(switches.interrupts.user, "interrupts in user mode"),
        block_io(switches.block_io),
        count(switches.network_bytes, "bytes handed to network devices"),
    )
}

/// The machine's, in a line.
pub(super) fn devices(devices: &Devices) -> String {
    format!(
        "devices, on nobody's account: block I/O by kernel threads {}; {}",
        block_io(devices.kernel_threads_block_io),
        count(devices.network_bytes, "bytes handed to network devices"),
    )
}

fn block_io(bytes: Option<BlockIo>) -> String {
    bytes.map_or_else(
        || "not observed".into(),
        |bytes| format!("read {} bytes, written {}", bytes.read_bytes, bytes.written_bytes),
    )
}

fn count(number: Option<u64>, what: &str) -> String {
    number.map_or_else(|| format!("{what} not observed"), |number| format!("{number} {what}"))
}
