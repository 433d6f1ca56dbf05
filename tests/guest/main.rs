//! Integration tests of zc, against a real kernel. `cargo xtask test` runs them inside guests.
//!
//! They need root and the sites tier. Each leaves the machine as it found it, and checks that zc
//! does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architectures;
mod audit;
mod audit_kinds;
mod bad_input;
mod bad_kernel;
mod breakdown;
mod check;
mod claims;
mod counting;
mod devices;
mod docs;
mod doctor;
mod features;
mod following;
mod hold;
mod kernel;
mod killed;
mod lab;
mod lab_views;
mod launch;
mod learn;
mod least_privilege;
mod losses;
mod mapping;
mod needs;
mod network;
mod network_copies;
#[path = "../page.rs"]
mod page;
mod pages;
mod process_vm;
mod property;
mod report;
mod site_files;
mod site_kernel;
mod site_local;
mod site_memory;
mod site_rings;
mod site_sockets;
mod site_splice;
mod site_tls;
mod skip;
mod stacks;
mod stress;
mod styles;
mod support;
mod switches;
mod tcp_repair;
mod theory;
mod trace_command;
mod trace_named;
mod trace_namespaces;
mod trace_network;
mod trace_processes;
mod trace_safety;
mod trace_views;
mod tracing;
mod transfers;
mod unskipped;
mod user;
mod xfs;
