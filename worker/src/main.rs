//! The `buildbot-worker` program.

fn main() -> std::process::ExitCode {
    buildbot_worker::cli::main()
}
