//! How a test says that it cannot run on this machine.

use std::io::Write;

/// `Err` says what the kernel lacks and where that was seen.
pub(crate) type Need = Result<(), String>;

/// Ends the test as skipped unless the kernel has what it needs. For the test's own function only,
/// whose name it takes.
macro_rules! needs {
    ($need:expr) => {
        if let Err(lack) = $need {
            return $crate::skip::skip(std::any::type_name_of_val(&|| ()), &lack);
        }
    };
}
pub(crate) use needs;

/// Says that the test around `closure`, whose type's name this is, is skipped.
pub(crate) fn skip(closure: &str, lack: &str) {
    let name = closure.trim_end_matches("::{{closure}}");
    let name = name.split_once("::").map_or(name, |(_crate, name)| name);
    // One write of one line. The test runner keeps what `eprintln!` says of a test that passes.
    let line = format!("{}{name}: {}\n", zc_guest::SKIP, lack.replace('\n', " "));
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
}
