//! config.toml as it stands on the disk now: what edited campaigns are looked at with before anything of both is in force.

use crate::config::Config;
use crate::config::problem::Problem;

/// Reads it anew; where it is gone, what is in use stands.
pub async fn as_written(in_use: &Config) -> Result<Config, Vec<Problem>> {
    let path = in_use.path.clone();
    let read = tokio::task::spawn_blocking(move || path.is_file().then(|| Config::load(&path)));
    match read.await {
        Ok(Some(read)) => read,
        Ok(None) | Err(_) => Ok(in_use.clone()),
    }
}
