//! What must hold of a record after every reaction, whatever happened.

use super::World;
use reveille::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef};
use reveille::domain::ledger::Status;
use reveille::domain::preference::Class;
use reveille::domain::react::stays_put;
use reveille::domain::record::{EntryState, MessageState, Record};
use reveille::domain::time::Timestamp;
use std::collections::BTreeMap;

/// Whether a message ends with a row of this status.
pub fn is_final(status: Status) -> bool {
    matches!(
        status,
        Status::Accepted | Status::Refused | Status::Dropped | Status::HeldOut | Status::Expired
    )
}

pub fn check(world: &World, no: CustomerNo) {
    let record = world.record(no);
    each_message_stands_in_one_place(record);
    entries_and_messages_agree(world, record);
    places_are_taken_by_those_that_left(world, record);
}

/// A message is never stuck: the outbox, the parked index, the attempts under way or the alarm has it.
pub fn each_message_stands_in_one_place(record: &Record) {
    let index = record.index();
    for message in record.messages.values() {
        let no = message.no;
        let outbox = index.outbox.iter().any(|(_, _, m)| *m == no);
        let attempting = index.attempting.contains(&no);
        let parked = index.parked.contains(&no);
        let unreleased = !message.released && !parked && !attempting;
        let by_alarm = unreleased
            && message.state == MessageState::Waiting
            && index.alarm.is_some_and(|alarm| alarm <= message.not_before);
        let places = [outbox, attempting, parked, by_alarm];
        assert_eq!(
            places.iter().filter(|p| **p).count(),
            1,
            "outbox, attempting, parked, alarm = {places:?}: {message:?}, alarm {:?}",
            record.alarm
        );
    }
}

fn entries_and_messages_agree(world: &World, record: &Record) {
    for (id, standing) in &record.campaigns {
        let mut open = Vec::new();
        for entry in standing.entries.iter().filter(|e| e.state.is_open()) {
            assert!(
                !open.contains(&&entry.key),
                "two entries of one key at once"
            );
            open.push(&entry.key);
            match &entry.state {
                EntryState::Sending { message, step } => {
                    let m = record.messages.get(message).expect("its message is there");
                    assert!(m.campaign == *id && m.step == *step && m.entry == entry.key);
                }
                EntryState::Waiting { due, .. } if is_followed(world, record, id) => {
                    assert!(*due > world.now, "a step fell due and has no message");
                    assert!(record.alarm.is_some_and(|alarm| alarm <= *due));
                }
                _ => {}
            }
        }
        assert!(open.len() <= 20);
        assert!(standing.entries.len() <= 220);
    }
}

/// Whether the campaign's file is there, and those under way go by it.
fn is_followed(world: &World, record: &Record, id: &CampaignId) -> bool {
    let campaign = world.rules.campaigns.get(id);
    campaign.is_some_and(|c| !stays_put(record, c, &world.rules.controls))
}

fn places_are_taken_by_those_that_left(world: &World, record: &Record) {
    for message in record.messages.values() {
        let Some(to) = &message.to else { continue };
        let reference = MessageRef {
            customer: record.no,
            message: message.no,
        };
        let mailbox = world.boxes.get(&to.mailbox());
        let taken = mailbox.map_or(0, |b| {
            b.places.iter().filter(|p| p.message == reference).count()
        });
        let left = message.state != MessageState::Waiting;
        let wanted = usize::from(left && message.class != Class::Transactional);
        assert_eq!(taken, wanted, "{message:?}");
    }
}

/// Each message that is over has exactly one last row, and each that is not has none.
pub fn check_log(world: &World) {
    let mut last: BTreeMap<(CustomerNo, MessageNo), u32> = BTreeMap::new();
    for row in &world.log {
        if let Some(message) = row.message {
            *last.entry((row.customer, message)).or_default() += u32::from(is_final(row.status));
        }
    }
    for ((customer, message), rows) in last {
        let under_way = world.record(customer).messages.contains_key(&message);
        assert_eq!(rows, u32::from(!under_way), "{customer:?} {message:?}");
    }
}

/// Nothing waits beyond its time, save what is paused or in doubt.
pub fn check_nothing_is_stuck(world: &World) {
    for customer in world.customers.values() {
        for message in customer.record.messages.values() {
            let over = message.not_before < world.now;
            let held = message.parked || message.not_before == Timestamp::NEVER;
            let attempting = matches!(message.state, MessageState::Attempting(_));
            assert!(!over || held || attempting, "{message:?}");
        }
    }
}
