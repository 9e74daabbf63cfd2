//! The program's door: subcommands, no logic.

fn main() -> std::process::ExitCode {
    yunying::cli::main()
}
