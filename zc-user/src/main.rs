//! `zc` counts, inside the kernel with eBPF, how many times the CPU copies each byte that a program
//! moves and how often the program crosses between user and kernel mode.

mod cli;
mod doctor;
mod expect;
mod kernel;
mod lab;
mod measure;
mod probes;
mod report;
mod result;
mod transfer;

fn main() -> std::process::ExitCode {
    #[cfg(debug_assertions)]
    env_logger::init();
    cli::main()
}
