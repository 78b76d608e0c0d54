//! What would leave if sending went on: the messages that stand in the outbox or are held back, by campaign. What an
//! operator looks at before letting a hold go.

use super::batch::BatchError;
use super::core::Core;
use super::shard::Refused;
use super::state::CustomerState;
use crate::domain::id::{CampaignId, MessageRef, ShardNo};
use crate::domain::time::{Span, Timestamp};
use crate::store::codec::decode;
use crate::store::{Direction, keys};
use serde::Serialize;
use std::collections::BTreeMap;

/// So many records are read at once.
const PAGE: usize = 1_000;

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
            let mut messages: Vec<MessageRef> = Vec::new();
            for (range, parked) in [
                (keys::outbox_all(shard), false),
                (keys::parked_all(shard), true),
            ] {
                let rows = self.store.scan(range, Direction::Forward, usize::MAX).await;
                let rows = rows.map_err(BatchError::from)?;
                messages.extend(rows.iter().filter_map(|(key, _)| match parked {
                    true => keys::read_parked(key),
                    false => keys::read_outbox(key).map(|(_, message)| message),
                }));
            }
            for page in messages.chunks(PAGE) {
                let wanted = page.iter().map(|m| keys::record(m.customer)).collect();
                let records = self.store.get_many(wanted).await;
                for (message, value) in page.iter().zip(records.map_err(BatchError::from)?) {
                    let Some(value) = value else { continue };
                    // Of whom nothing can be read nothing will leave.
                    let Ok(state) = decode::<CustomerState>(&value.value) else {
                        continue;
                    };
                    let Some(message) = state.record.messages.get(&message.message) else {
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
