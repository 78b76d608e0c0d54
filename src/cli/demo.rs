//! placeholder
use super::Context;
use super::failure::Failure;
#[derive(clap::Args)]
pub struct Arguments {}
pub async fn run(_: Arguments, _: &Context) -> Result<(), Failure> {
    Ok(())
}
