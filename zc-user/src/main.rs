//! The `zc` program. All of it is in the library beside it.

fn main() -> std::process::ExitCode {
    #[cfg(debug_assertions)]
    env_logger::init();
    zc::cli::main()
}
