//! From the send log and the hits to what became of each mail.

use super::tally::{By, Mail};
use crate::domain::engagement::{HitClass, HitKind};
use crate::domain::id::{CustomerNo, MessageNo, MessageRef};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::time::Timestamp;
use crate::engine::Core;
use crate::engine::batch::BatchError;
use crate::engine::hits::HitRow;
use crate::engine::shard::Refused;
use crate::engine::state::CustomerState;
use crate::store::codec::decode;
use crate::store::{Row, Stream, StreamFilter, keys};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// So many rows, or records, are read at once.
const PAGE: usize = 10_000;
const RECORDS: usize = 1_000;

type Mails = BTreeMap<MessageRef, Mail>;

pub(super) async fn mails(
    core: &Core,
    by: By,
    since: Option<Timestamp>,
) -> Result<Vec<Mail>, Refused> {
    let mut mails = Mails::new();
    each_row(core, Stream::Log, since, |row| {
        tell_decision(&mut mails, decode(&row.payload)?);
        Ok(())
    })
    .await?;
    each_row(core, Stream::Hits, since, |row| {
        if let HitRow::Classed {
            message,
            kind,
            class,
            ..
        } = decode(&row.payload)?
        {
            let customer = CustomerNo(row.customer);
            tell_hit(&mut mails, customer, message, kind, class);
        }
        Ok(())
    })
    .await?;
    if by == By::Hours {
        let zones = zones(core, mails.keys().map(|m| m.customer).collect()).await?;
        for (message, mail) in &mut mails {
            mail.zone = zones.get(&message.customer).copied();
        }
    }
    Ok(mails.into_values().collect())
}

async fn each_row(
    core: &Core,
    stream: Stream,
    since: Option<Timestamp>,
    mut each: impl FnMut(Row) -> Result<(), BatchError>,
) -> Result<(), Refused> {
    let mut filter = StreamFilter {
        from_time: since.map_or(i64::MIN, Timestamp::millis),
        limit: PAGE,
        ..StreamFilter::default()
    };
    loop {
        let rows = core.store.read_stream(stream, filter.clone()).await;
        let rows = rows.map_err(BatchError::from)?;
        let last = rows.last().map(|row| row.position);
        let full = rows.len() == PAGE;
        for row in rows {
            each(row)?;
        }
        match last {
            Some(last) if full => filter.from_position = last + 1,
            _ => return Ok(()),
        }
    }
}

/// What a row of the log says of its message; a message is there from its first attempt on.
fn tell_decision(mails: &mut Mails, row: LogRow) {
    // What goes to staff about a customer is no mail to the customer.
    let Some(no) = row.message.filter(|_| row.reason != Reason::Notified) else {
        return;
    };
    let message = MessageRef {
        customer: row.customer,
        message: no,
    };
    if matches!(row.status, Status::Attempting | Status::HeldOut) {
        let mail = mails.entry(message).or_insert_with(|| Mail {
            campaign: row.campaign.to_string(),
            step: row
                .step
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            variant: row.variant.clone(),
            customer: row.customer.0,
            ..Mail::default()
        });
        mail.left = row.time;
        mail.goal_until = row.goal_until;
        mail.held = (row.status == Status::HeldOut).then_some(row.reason);
        return;
    }
    let Some(mail) = mails.get_mut(&message) else {
        return;
    };
    match row.status {
        Status::Accepted => {
            mail.sent = true;
            mail.accepted = true;
        }
        Status::Refused | Status::Uncertain => mail.sent = true,
        Status::Bounced => {
            mail.sent = true;
            mail.bounced = true;
        }
        Status::Unsubscribed => mail.unsubscribed = true,
        Status::Goal => {
            mail.goals += match row.reason {
                Reason::GoalUndone => -1,
                _ => 1,
            };
            mail.value = mail.value.saturating_add(row.value.unwrap_or(0));
        }
        _ => {}
    }
}

fn tell_hit(
    mails: &mut Mails,
    customer: CustomerNo,
    message: MessageNo,
    kind: HitKind,
    class: HitClass,
) {
    let Some(mail) = mails.get_mut(&MessageRef { customer, message }) else {
        return;
    };
    match (class, kind) {
        (HitClass::HumanLikely, HitKind::Open) => mail.opened = true,
        (HitClass::HumanLikely, HitKind::Click) => {
            mail.opened = true;
            mail.clicked = true;
        }
        (_, HitKind::Open) => mail.machine = true,
        (_, HitKind::Click) => {}
    }
}

/// Each customer's zone, as it is now; of those merged into another, that one's.
async fn zones(
    core: &Core,
    customers: BTreeSet<CustomerNo>,
) -> Result<HashMap<CustomerNo, Tz>, Refused> {
    let rules = std::sync::Arc::clone(&core.catalogue().rules);
    let customers: Vec<CustomerNo> = customers.into_iter().collect();
    let mut zones = HashMap::new();
    for part in customers.chunks(RECORDS) {
        let wanted = part.iter().map(|no| keys::record(*no)).collect();
        let found = core.store.get_many(wanted).await;
        for (no, value) in part.iter().zip(found.map_err(BatchError::from)?) {
            let Some(value) = value else { continue };
            // One who cannot be read stands in no hour, and in all other reports.
            let Ok(CustomerState { record, .. }) = decode(&value.value) else {
                continue;
            };
            // Who was merged into another keeps nothing of their own: it is that one's mail, and that one's clock.
            let person = match record.moved_to {
                Some(_) => core.person(*no).await.unwrap_or(Some(record)),
                None => Some(record),
            };
            if let Some(person) = person {
                zones.insert(*no, zone_of(&person, &rules));
            }
        }
    }
    Ok(zones)
}
