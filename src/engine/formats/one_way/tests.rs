//! A customer, and letters, as they were stored when a standing had one way.

use super::{
    Absorb4, CustomerState5, Entry5, Letter4, Posted4, Record5, Standing5, Way, standings,
};
use crate::domain::about::About;
use crate::domain::goal::Goals;
use crate::domain::holdout::Drawn;
use crate::domain::hours::Hours;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId,
};
use crate::domain::ledger::Reason;
use crate::domain::posted::{Letter, Posted};
use crate::domain::record::{Entry, EntryState, Record};
use crate::domain::time::Timestamp;
use crate::engine::state::{CustomerState, Seen};
use crate::store::codec::{decode, encode};

fn step(id: &str) -> StepId {
    StepId::parse(id).unwrap()
}

fn entry(key: &str, state: EntryState) -> Entry5 {
    Entry5 {
        key: EntryKey(key.into()),
        at: Timestamp(5),
        state,
        counted: true,
        since: Timestamp(7),
        passed: vec![step("first")],
        clock: None,
        drawn: Some(Drawn {
            holdout: true,
            control: false,
        }),
        about: About::default(),
    }
}

/// One on the way, one that is over, one whose message is at somebody else: as a standing of one way had them.
fn standing(journey: u64) -> Standing5 {
    let waits = EntryState::Waiting {
        step: step("mail"),
        due: Timestamp(90),
    };
    Standing5 {
        entries: vec![
            entry("a", waits),
            entry("b", EntryState::Finished { at: Timestamp(8) }),
            entry("c", EntryState::Elsewhere { step: step("mail") }),
        ],
        entered: 3,
        journey,
        steps: vec![step("first"), step("mail")],
        kept_out: Some((EntryKey("a".into()), Reason::Exit, Timestamp(4))),
        ..Standing5::default()
    }
}

fn state(standing: Standing5) -> CustomerState5 {
    let id = CustomerId::parse("mina").unwrap();
    let record = Record::new(CustomerNo(7), id, Timestamp(5));
    CustomerState5 {
        record: Record5 {
            no: record.no,
            id: record.id,
            rules: 8,
            plan: record.plan,
            walked: record.walked,
            known_since: record.known_since,
            email: record.email,
            attributes: record.attributes,
            tags: record.tags,
            preferences: record.preferences,
            consents: record.consents,
            tracks: record.tracks,
            campaigns: [(CampaignId::parse("cart").unwrap(), standing)].into(),
            messages: record.messages,
            next_message: 2,
            alarm: Some(Timestamp(90)),
            sent: record.sent,
            moved_to: None,
            absorbed: vec![CustomerNo(3)],
            pending: record.pending,
            told: record.told,
            former: record.former,
            goals: record.goals,
            hours: record.hours,
            coupons: record.coupons,
            left_by: vec![MessageRef {
                customer: CustomerNo(3),
                message: MessageNo(1),
            }],
        },
        seen: Seen::default(),
        posted: 4,
    }
}

#[test]
fn an_open_entry_goes_on_by_the_steps_of_its_standing() {
    let bytes = postcard::to_extend(&state(standing(6)), vec![5]).unwrap();
    let read = decode::<CustomerState>(&bytes).unwrap();
    assert_eq!(encode(&read)[0], 6);
    assert_eq!((read.posted, read.record.rules), (4, 8));
    assert_eq!(read.record.alarm, Some(Timestamp(90)));
    assert_eq!(read.record.left_by.len(), 1);
    let known = &read.record.campaigns["cart"];
    let by: Vec<u64> = known.entries.iter().map(|e| e.journey).collect();
    assert_eq!((by, known.entered), (vec![6, 0, 0], 3));
    assert!(known.kept_out.is_some() && known.entries[0].drawn.is_some());
    let steps = vec![step("first"), step("mail")];
    assert_eq!(known.ways, [Way { journey: 6, steps }]);
    // Of a version before that nothing is known, and of one with nothing open nothing is kept.
    let bytes = postcard::to_extend(&state(standing(0)), vec![5]).unwrap();
    let read = decode::<CustomerState>(&bytes).unwrap();
    assert_eq!(read.record.campaigns["cart"].ways, []);
    let over = Standing5 {
        entries: standing(6).entries[1..].to_vec(),
        ..standing(6)
    };
    let bytes = postcard::to_extend(&state(over), vec![5]).unwrap();
    let read = decode::<CustomerState>(&bytes).unwrap();
    assert_eq!(read.record.campaigns["cart"].ways, []);
}

/// The bytes of a standing as they were written, so that no part of the shape changes unseen: judged_by, held,
/// existing, left_since_entry, due, blocked, met; one entry (key, at, waiting for "s" until, counted, since, passed,
/// clock, drawn, about); entered, journey, steps, kept_out.
#[test]
fn the_old_shape_is_as_it_was_written() {
    let about = postcard::to_stdvec(&About::default()).unwrap();
    let bytes = [
        &[2u8, 1, 0, 0, 0, 0, 0, 1, 1, b'a', 10, 0, 1, b's', 8, 1, 14][..],
        &[1, 1, b'r', 0, 0],
        &about,
        &[1, 6, 1, 1, b's', 0],
    ]
    .concat();
    let known: Standing5 = postcard::from_bytes(&bytes).unwrap();
    assert_eq!((known.journey, known.entered, known.judged_by), (6, 1, 2));
    let entry = &known.entries[0];
    assert_eq!((entry.since, entry.passed.len()), (Timestamp(7), 1));
    assert_eq!(entry.state.step().map(StepId::as_str), Some("s"));
}

#[test]
fn a_letter_tells_by_which_steps_its_entry_stood() {
    let campaign = CampaignId::parse("cart").unwrap();
    let posted = |entry: &Entry5| Letter4 {
        sender: CustomerNo(3),
        no: 9,
        posted: Posted4::Entry {
            campaign: campaign.clone(),
            entry: entry.clone(),
            journey: 6,
            steps: vec![step("first"), step("mail")],
        },
    };
    let read = |letter: &Letter4| {
        let bytes = postcard::to_extend(letter, vec![4]).unwrap();
        decode::<Letter>(&bytes).unwrap()
    };
    for (entry, open) in standing(6).entries.iter().zip([true, false]) {
        let letter = read(&posted(entry));
        let Posted::Entry { entry, way, .. } = letter.posted else {
            panic!("{letter:?}");
        };
        assert_eq!(
            (entry.journey, way.is_some()),
            (if open { 6 } else { 0 }, open)
        );
        assert!(way.is_none_or(|w| w.journey == 6 && w.steps.len() == 2));
    }
    let record = state(standing(6)).record;
    let absorb = Letter4 {
        sender: CustomerNo(3),
        no: 9,
        posted: Posted4::Absorb(Box::new(Absorb4 {
            source: record.no,
            earlier: record.absorbed,
            known_since: record.known_since,
            email: record.email,
            attributes: record.attributes,
            told: record.told,
            tags: record.tags,
            preferences: record.preferences,
            consents: record.consents,
            pending: record.pending,
            standings: record.campaigns,
            sent: Vec::new(),
            events: Vec::new(),
            goals: Goals::default(),
            hours: Hours::default(),
            left_by: record.left_by,
        })),
    };
    let letter = read(&absorb);
    let Posted::Absorb(from) = letter.posted else {
        panic!("{letter:?}");
    };
    assert_eq!((from.earlier.len(), from.left_by.len()), (1, 1));
    let expected = standings([(campaign, standing(6))].into());
    assert_eq!(from.standings, expected);
    let entry: &Entry = &from.standings["cart"].entries[0];
    assert_eq!(entry.journey, 6);
}
