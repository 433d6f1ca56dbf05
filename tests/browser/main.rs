//! What a browser makes of the reports that `--html` writes. `cargo xtask test` has the tests in guests
//! write them, beside the JSON of the same run, and then runs these on the machine itself, in headless
//! Chromium.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod browser;
mod pages;
