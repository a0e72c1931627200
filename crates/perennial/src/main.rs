//! The menu: reads the command line and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    perennial::cli::run()
}
