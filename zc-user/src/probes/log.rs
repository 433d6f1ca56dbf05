//! What the kernel half logs: debug builds only, shown with `RUST_LOG=debug`.

/// Drains the log when asked to.
#[cfg(debug_assertions)]
pub struct KernelLog(Option<aya_log::EbpfLogger<&'static dyn log::Log>>);

#[cfg(debug_assertions)]
impl KernelLog {
    /// Opens the log ring of a loaded object, if it was built with one.
    pub fn open(ebpf: &mut aya::Ebpf) -> Self {
        Self(aya_log::EbpfLogger::init(ebpf).ok())
    }

    /// Prints what has come since the last time.
    pub fn flush(&mut self) {
        if let Some(log) = &mut self.0 {
            log.flush();
        }
    }
}

/// Release builds have no log.
#[cfg(not(debug_assertions))]
pub struct KernelLog;

#[cfg(not(debug_assertions))]
impl KernelLog {
    /// Nothing to open.
    pub fn open(_ebpf: &mut aya::Ebpf) -> Self {
        Self
    }

    /// Nothing to print.
    pub fn flush(&mut self) {}
}
