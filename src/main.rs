//! The program: parse, run, exit code. All else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    reveille::cli::main()
}
