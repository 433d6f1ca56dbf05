//! Tests of zc on the kernel that this machine runs, without a guest. `cargo xtask test` runs them on
//! every developer's machine.
//!
//! They watch only what they start, by tracepoints, in the boundary tier: also where this kernel
//! would let functions be probed. Where it lets nothing be counted, or not by who runs the tests,
//! they are skipped. Other programs may load the machine, and trace it: no test measures time, or
//! looks at anybody's programs but its own zc's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod child;
mod command;
mod counts;
mod docs;
mod held;
mod html;
mod kernels;
mod killed;
mod learn;
#[path = "../page.rs"]
mod page;
mod privilege;
mod running;
#[path = "../guest/skip.rs"]
mod skip;
mod support;
mod unseen;
#[path = "../guest/user.rs"]
mod user;
