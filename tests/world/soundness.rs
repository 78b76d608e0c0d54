//! What must hold of a record after every reaction, whatever happened.

use super::{Customer, World};
use reveille::domain::cause::Cause;
use reveille::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::preference::Class;
use reveille::domain::react::{Boxes, Context, mailboxes_for, react, stays_put};
use reveille::domain::record::{Entry, EntryState, MessageState, Record, Standing};
use reveille::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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

/// An instant is one instant: all that follows from a cause has followed, so that the alarm's ring at the same `now`
/// finds nothing left to do, however often it comes; and what time alone brings about later, the alarm was set for.
pub fn is_at_rest(world: &World, no: CustomerNo) {
    let record = world.record(no);
    let boxes: Boxes = mailboxes_for(record, &Cause::Alarm, &world.rules)
        .into_iter()
        .map(|id| {
            (
                id.clone(),
                world.boxes.get(&id).cloned().unwrap_or_default(),
            )
        })
        .collect();
    let context = Context {
        now: world.now,
        rules: &world.rules,
        history: None,
        unfinished: world.unfinished,
        person: None,
        quotas: &world.quotas,
        coupon: None,
    };
    // As it stands; and as if the alarm were due, so that the ring clears it and it is set anew.
    for alarm in [record.alarm, Some(world.now)] {
        let mut rung = record.clone();
        rung.alarm = alarm;
        let again = react(&rung, &boxes, &Cause::Alarm, &context).expect("it needs nothing");
        assert!(again.log.is_empty(), "{no:?}: {:#?}", again.log);
        assert!(again.consents.is_empty() && again.posts.is_empty() && again.existing.is_empty());
        assert_eq!((again.drawn, again.given_back), (None, Vec::new()));
        assert_eq!(again.boxes, boxes);
        let late = again.record.alarm.is_some_and(|anew| {
            let set = record.alarm;
            set.is_none_or(|set| set > anew)
        });
        let told = (record.alarm, again.record.alarm);
        assert!(!late, "{no:?}: the alarm was set too late: {told:?}");
        rung.alarm = again.record.alarm;
        assert_eq!(again.record, rung, "{no:?}: the ring changed something");
    }
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
                EntryState::Waiting { due, .. } if is_followed(world, entry, id) => {
                    assert!(*due > world.now, "a step fell due and has no message");
                    assert!(record.alarm.is_some_and(|alarm| alarm <= *due));
                }
                _ => {}
            }
        }
        assert!(open.len() <= 20);
        each_open_entry_has_its_way(standing);
        assert!(standing.entries.len() <= 220);
    }
}

/// Whether the campaign's file is there, and the entry goes by it.
fn is_followed(world: &World, entry: &Entry, id: &CampaignId) -> bool {
    let campaign = world.rules.campaigns.get(id);
    campaign.is_some_and(|c| !stays_put(entry, c, &world.rules.controls))
}

/// What is kept of files' steps is what open entries stand by, once each.
fn each_open_entry_has_its_way(standing: &Standing) {
    let open = standing.entries.iter().filter(|e| e.state.is_open());
    let by: BTreeSet<u64> = open.map(|e| e.journey).filter(|j| *j != 0).collect();
    let known: BTreeSet<u64> = standing.ways.iter().map(|w| w.journey).collect();
    assert_eq!((&by, by.len()), (&known, standing.ways.len()));
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

/// Invariant 5: nothing is accepted twice, numbers mean one thing, and one entry and step is one message.
/// `renamed`: files and steps get other names meanwhile.
pub fn nothing_is_sent_twice(world: &World, renamed: bool) {
    let mut accepted = BTreeSet::new();
    let mut numbers: BTreeMap<(CustomerNo, MessageNo), (String, String)> = BTreeMap::new();
    for row in &world.log {
        let Some(message) = row.message else { continue };
        let key = (row.customer, message);
        if row.status == Status::Accepted {
            assert!(accepted.insert(key), "{row:?}");
        }
        // A number is never used for anything else.
        let what = match renamed {
            true => String::new(),
            false => format!("{:?} {:?}", row.campaign, row.step),
        };
        let what = (what, row.entry.0.clone());
        assert_eq!(numbers.entry(key).or_insert(what.clone()), &what);
    }
    // Attempts are numbered in order, and no number is used twice.
    let mut last: BTreeMap<(CustomerNo, MessageNo), u32> = BTreeMap::new();
    for attempt in &world.attempts {
        let last = last.entry((attempt.customer, attempt.message)).or_default();
        assert_eq!(attempt.attempt, *last + 1);
        *last = attempt.attempt;
    }
    one_entry_and_step_is_one_message(world);
}

/// Between one entering and the next, a step of one key makes one message, save where a restart withdrew it.
fn one_entry_and_step_is_one_message(world: &World) {
    let mut made: BTreeSet<String> = BTreeSet::new();
    for row in &world.log {
        // A file that gets another name has an `x` more, or less.
        let campaign = row.campaign.as_str().trim_end_matches('x');
        let entry = format!("{:?} {campaign} {:?} ", row.customer, row.entry);
        let key = format!("{entry}{:?}", row.step);
        match (row.status, row.reason) {
            (Status::Entered, _) => made.retain(|k| !k.starts_with(&entry)),
            // An entry that has sent nothing may be moved by its event: it begins anew.
            (Status::Dropped | Status::Expired, _) => {
                made.remove(&key);
            }
            // An act is done once, too.
            (Status::Waiting, Reason::StepDue) | (Status::Done, _) => {
                assert!(made.insert(key), "{row:?}");
            }
            _ => {}
        }
    }
}

/// Invariant 8: every row has a reason, and every message ends with one last row. How many messages there were.
pub fn every_row_has_its_reason(world: &World) -> usize {
    let mut rows: BTreeMap<(CustomerNo, MessageNo), Vec<&LogRow>> = BTreeMap::new();
    for row in &world.log {
        assert!(!row.reason.text().is_empty() && !row.reason.code().is_empty());
        assert!(!row.detail.contains("@mail.example"), "{row:?}");
        // What is credited to a message, or comes back for it, comes after it.
        let after = matches!(row.status, Status::Goal | Status::Opened | Status::Clicked);
        if let Some(message) = row.message.filter(|_| !after) {
            rows.entry((row.customer, message)).or_default().push(row);
        }
    }
    for rows in rows.values() {
        assert!(matches!(rows[0].reason, Reason::StepDue | Reason::Notified));
        assert!(rows.is_sorted_by_key(|r| r.time));
        let last = rows.iter().position(|r| is_final(r.status));
        assert!(last.is_none_or(|at| at == rows.len() - 1), "{rows:#?}");
    }
    rows.len()
}

/// Invariant 6: the same causes give the same records and mailboxes, byte for byte, and the same rows.
pub fn check_replay(world: &World) {
    let (customers, boxes, rows) = replay(world);
    assert_eq!(rows, world.log.len());
    for (no, customer) in &customers {
        let again = postcard::to_stdvec(&customer.record).unwrap();
        let first = postcard::to_stdvec(world.record(*no)).unwrap();
        assert_eq!(again, first, "{no:?}");
    }
    let again = postcard::to_stdvec(&boxes).unwrap();
    assert_eq!(again, postcard::to_stdvec(&world.boxes).unwrap());
}

/// Plays the recorded causes anew; everything is stored and read again between any two of them.
fn replay(world: &World) -> (BTreeMap<CustomerNo, Customer>, Boxes, usize) {
    let mut customers: BTreeMap<CustomerNo, Customer> = (world.first_sight.iter())
        .map(|record| (record.no, Customer::of(record.clone())))
        .collect();
    let mut boxes = Boxes::new();
    let mut rows = 0;
    for recorded in &world.recorded {
        let customer = customers.get_mut(&recorded.customer).unwrap();
        let reaction = super::play(recorded, customer, &mut boxes);
        for row in reaction.log {
            assert_eq!(row, world.log[rows]);
            rows += 1;
        }
        let stored = postcard::to_stdvec(&customer.record).unwrap();
        customer.record = postcard::from_bytes(&stored).unwrap();
        let stored = postcard::to_stdvec(&boxes).unwrap();
        boxes = postcard::from_bytes(&stored).unwrap();
    }
    (customers, boxes, rows)
}
