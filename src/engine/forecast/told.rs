//! What a forecast tells: one decision a row, as the send log would have it; and what stands in a message's way where it
//! waits for a cap or a gap.

use crate::domain::explain::rfc3339;
use crate::domain::id::{CampaignId, CustomerId, EntryKey, StepId};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::{Limits, recipient, zone_of};
use crate::domain::react::Boxes;
use crate::domain::record::{Place, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// One decision of a forecast.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Decision {
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// The shop's own id.
    pub customer: CustomerId,
    pub campaign: CampaignId,
    pub step: Option<StepId>,
    pub variant: Option<String>,
    /// The entry that it is of.
    #[serde(skip)]
    pub entry: EntryKey,
    #[serde(rename = "decision", serialize_with = "word")]
    pub status: Status,
    #[serde(serialize_with = "code")]
    pub reason: Reason,
    /// The campaigns whose messages fill the cap, or stand too near, where it waits for that.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub in_the_way: BTreeSet<CampaignId>,
}

impl Decision {
    pub fn new(record: &Record, row: LogRow, in_the_way: BTreeSet<CampaignId>) -> Decision {
        Decision {
            at: row.time,
            customer: record.id.clone(),
            campaign: row.campaign,
            step: row.step,
            variant: row.variant,
            entry: row.entry,
            status: row.status,
            reason: row.reason,
            in_the_way,
        }
    }

    /// That a message was accepted is given, and follows each that left.
    pub fn is_news(&self) -> bool {
        self.status != Status::Accepted
    }
}

fn word<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match status {
        Status::Attempting => "sent",
        other => other.as_str(),
    })
}

fn code<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.code())
}

/// Of a message that waits, or never goes, for a cap or a gap: the campaigns whose messages hold its places.
pub fn in_the_way(
    row: &LogRow,
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    now: Timestamp,
) -> BTreeSet<CampaignId> {
    let nobody = BTreeSet::new();
    if !matches!(row.reason, Reason::Cap | Reason::Gap) {
        return nobody;
    }
    let found = (row.message.and_then(|no| record.messages.get(&no)))
        .and_then(|message| Some((message, rules.campaigns.get(&message.campaign)?)));
    let Some((message, campaign)) = found else {
        return nobody;
    };
    let mailbox = recipient(message, record).and_then(|to| boxes.get(&to.mailbox()));
    let Some(mailbox) = mailbox else {
        return nobody;
    };
    let limits = Limits::of(message.class, campaign, record, rules);
    let zone = zone_of(record, rules);
    let others: Vec<&Place> = (mailbox.places.iter())
        .filter(|p| p.message.customer != record.no || p.message.message != message.no)
        .collect();
    // A place is in the way if with one place fewer, this one, the message might go earlier.
    let first = |limits: &Limits<'_>, places: &[&Place]| {
        let caps = limits
            .caps
            .iter()
            .map(|(cap, counts, _)| cap.next_fit(&limits.counted(places, *counts), now, zone));
        let gaps = limits.gaps.iter().map(|(gap, counts, _)| {
            crate::domain::cap::gap_fit(&limits.counted(places, *counts), *gap, now)
        });
        caps.chain(gaps).max().unwrap_or(now)
    };
    let all = first(&limits, &others);
    (others.iter().enumerate())
        .filter(|(at, _)| {
            let mut fewer = others.clone();
            fewer.remove(*at);
            first(&limits, &fewer) < all
        })
        .map(|(_, place)| place.campaign.clone())
        .collect()
}
