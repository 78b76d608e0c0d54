//! Reports: questions asked of the send log and of the hits, for tuning. Each number counts messages that can be found
//! there again: those with a row that says so (`reveille log --json`), and those with a hit of that class.
//!
//! [`report`] answers; reading the streams is `read`'s, counting `tally`'s and, by the campaigns' goals, `goals`'; what a
//! share tells is `rate`'s, what the difference of two `lift`'s. How it looks is
//! for the command.

mod goals;
mod lift;
mod rate;
mod read;
mod tally;

pub use goals::{GoalReport, Reached};
pub use lift::Lift;
pub use rate::Rate;
pub use tally::{By, Group, Report, Verdict};

use crate::domain::time::Timestamp;
use crate::engine::Core;
use crate::engine::shard::Refused;

/// Counts the messages whose latest attempt began at `since` or later (all, without it).
pub async fn report(core: &Core, by: By, since: Option<Timestamp>) -> Result<Report, Refused> {
    let mails = read::mails(core, by, since).await?;
    Ok(tally::tally(&mails, by, since, core.clock.now()))
}
