//! Builds the kernel half with aya-build, and says in one line what is missing when it cannot.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use aya_build::{Package, Toolchain};

/// The one instruction that mends every cause.
const NEXT_STEP: &str = "run `cargo xtask setup`";

/// Where Debian's `rustc-web`, `cargo-web` and `rust-web-src` put a matched toolchain.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

fn main() {
    println!("cargo:rerun-if-changed=../zc-common");
    if let Err(message) = build() {
        // Cargo fails the build for this line alone. A failing exit status would have it print the
        // script's whole output below.
        println!("cargo::error={message}");
        // What does not exist always counts as changed: the next build looks again.
        println!("cargo:rerun-if-changed=no-toolchain-yet");
    }
}

fn build() -> Result<(), String> {
    let linker = find_in_path("bpf-linker").ok_or_else(|| {
        format!("bpf-linker, which links the BPF programs, is missing: {NEXT_STEP}")
    })?;
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let debian = if has_rust_src(&rustc) {
        false
    } else if has_rust_src(DEBIAN_RUSTC) {
        true
    } else {
        return Err(format!(
            "rust-src, which the BPF target's core is built from, is missing: {NEXT_STEP}"
        ));
    };
    let mut set: Vec<(&str, String)> = vec![
        // `-Z build-std` on a stable compiler, for the BPF build only.
        ("RUSTC_BOOTSTRAP", "1".into()),
        // aya-build turns each line of the inner cargo into a warning.
        ("CARGO_TERM_QUIET", "true".into()),
        ("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker.display().to_string()),
    ];
    if debian {
        // Hides rustup's proxies, whose toolchain lacks the sources.
        set.push(("PATH", "/usr/bin:/bin".into()));
    }
    for (name, value) in set {
        // SAFETY: a build script's main thread, before aya-build starts any other.
        unsafe { env::set_var(name, value) };
    }
    // rustup sets this for everything that it starts, this build script included.
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".into());
    let features: &[&str] =
        if env::var("PROFILE").is_ok_and(|p| p == "debug") { &["log"] } else { &[] };
    let package =
        Package { name: "zc-ebpf", root_dir: "../zc-ebpf", features, ..Package::default() };
    aya_build::build_ebpf([package], Toolchain::Custom(&toolchain)).map_err(|error| {
        format!("the BPF programs do not build ({error:#}): see the lines above, or {NEXT_STEP}")
    })
}

fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn has_rust_src(rustc: &str) -> bool {
    Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .is_some_and(|sysroot| {
            Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
        })
}
