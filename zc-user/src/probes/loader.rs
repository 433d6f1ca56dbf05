//! Makes aya's loader without letting it read the kernel's BTF.

use aya::EbpfLoader;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A loader without BTF relocations, of which the object has none.
///
/// [`EbpfLoader::new`] reads and parses all of `/sys/kernel/btf/vmlinux` before it can be told not
/// to: 30 MB of memory and a tenth of zc's start. It goes on without it when the file cannot be
/// opened, and so no file can be opened for that moment. No other thread of zc opens one then.
pub(super) fn without_btf<'a>() -> EbpfLoader<'a> {
    let limit = getrlimit(Resource::Nofile);
    // Lowering one's own soft limit, and raising it back to what it was, is always allowed.
    let lowered = setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit });
    let mut loader = EbpfLoader::new();
    if lowered.is_ok() {
        let restored = setrlimit(Resource::Nofile, limit);
        debug_assert!(restored.is_ok(), "raising a soft limit below the hard one cannot fail");
    }
    loader.btf(None);
    loader
}
