//! What would leave if sending went on: the messages that stand in the outbox or are held back, by campaign. What an
//! operator looks at before letting a hold go.

use super::core::Core;
use super::pages::{PAGE, messages_to_go, records_of};
use super::shard::Refused;
use crate::domain::id::{CampaignId, ShardNo};
use crate::domain::time::{Span, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// The messages of one campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Waiting {
    pub campaign: CampaignId,
    /// Would be asked for at once.
    pub now: u64,
    /// Within 24 hours.
    pub day: u64,
    pub later: u64,
    /// RFC 3339.
    pub earliest: String,
}

impl Core {
    /// Policy may still say otherwise when each one's turn comes.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, Refused> {
        let now = self.clock.now();
        let mut found: BTreeMap<CampaignId, (u64, u64, u64, Timestamp)> = BTreeMap::new();
        for shard in ShardNo::all() {
            let messages = messages_to_go(&*self.store, shard).await?;
            for page in messages.chunks(PAGE) {
                let whose: Vec<_> = page.iter().map(|m| m.customer).collect();
                let records = records_of(&*self.store, &whose).await?;
                for (message, record) in page.iter().zip(records) {
                    // Of whom nothing can be read nothing will leave.
                    let stands = record.and_then(|mut r| r.messages.remove(&message.message));
                    let Some(message) = stands else {
                        continue;
                    };
                    let at = message.not_before;
                    let counts = found
                        .entry(message.campaign.clone())
                        .or_insert((0, 0, 0, at));
                    match at.since(now) {
                        ahead if ahead <= Span::ZERO => counts.0 += 1,
                        ahead if ahead <= Span::days(1) => counts.1 += 1,
                        _ => counts.2 += 1,
                    }
                    counts.3 = counts.3.min(at);
                }
            }
        }
        let rows = found.into_iter();
        Ok(rows
            .map(|(campaign, (now, day, later, earliest))| Waiting {
                campaign,
                now,
                day,
                later,
                earliest: earliest.to_string(),
            })
            .collect())
    }
}
