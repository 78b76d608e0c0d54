//! The program: parse, run, exit code. All else is in the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// The engine makes and drops many small things on many threads; with this a row taken in costs a quarter less of the
/// processors' time than with the C library's allocator (BENCHMARKS.md). Its second generation: the third keeps what many
/// threads free for each other, and grew to four times the memory while a million customers were taken in.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    reveille::cli::main()
}
