//! Tries sled's folder in this process, which may panic or hang: the store starts it and holds a deadline. For nobody
//! else.

use super::failure::Failure;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  reveille probe-sled data/sled")]
pub struct Arguments {
    folder: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    crate::store::embedded::probe(&arguments.folder).map_err(Failure::failed)
}
