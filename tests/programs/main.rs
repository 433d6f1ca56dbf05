//! What zc says of real programs, beside independent accounts of what they moved. `cargo xtask test`
//! runs these tests in a guest that has Debian's programs.
//!
//! They need root and the sites tier.

// One module around all: `cargo xtask test -- programs::` means these tests and no others.
#[path = "."]
mod programs {
    mod account;
    mod claims;
    mod files;
    mod network;
    mod nginx;
    mod observe;
    mod observer;
    mod report;
    mod room;
    mod sink;
    mod strace;
    mod wait;
}
