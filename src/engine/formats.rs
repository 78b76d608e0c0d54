//! Values as older versions of this program wrote them, and how each becomes the newest. What stands here never changes:
//! data in that shape exist. (Parts that are named by their present type have not changed since.)

use super::state::{CustomerState, Seen};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cap::Cap;
use crate::domain::cause::Liveness;
use crate::domain::consent_ledger::{ConsentRow, MailOf};
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::event::Event;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId, TagName, TopicId,
};
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{ConsentState, Consents, Preferences};
use crate::domain::record::{Entry, Message, Record, Standing};
use crate::domain::time::{Span, Timestamp};
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::domain::window::Window;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Before customers could be merged, and before what came back for messages was remembered.
#[derive(Serialize, Deserialize)]
pub struct CustomerState1 {
    pub record: Record1,
    pub seen: Seen,
}

#[derive(Serialize, Deserialize)]
pub struct Record1 {
    pub no: CustomerNo,
    pub id: CustomerId,
    pub rules: u64,
    pub plan: u64,
    pub walked: Timestamp,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences1,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing>,
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
}

impl From<CustomerState1> for CustomerState2 {
    fn from(old: CustomerState1) -> CustomerState2 {
        let CustomerState1 { record, seen } = old;
        CustomerState2 {
            record: Record2 {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences,
                consents: record.consents,
                tracks: record.tracks,
                campaigns: record.campaigns,
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: Vec::new(),
                moved_to: None,
                absorbed: Vec::new(),
            },
            seen,
            posted: 0,
        }
    }
}

/// Before consents could wait for a confirmation, and mails be plain text.
#[derive(Serialize, Deserialize)]
pub struct CustomerState2 {
    pub record: Record2,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Record2 {
    pub no: CustomerNo,
    pub id: CustomerId,
    pub rules: u64,
    pub plan: u64,
    pub walked: Timestamp,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences1,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing>,
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: Vec<SentMessage2>,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
}

#[derive(Serialize, Deserialize)]
pub struct Preferences1 {
    pub timezone: Option<Tz>,
    pub locale: Option<String>,
    pub window: Option<Window>,
    pub caps: Option<Vec<Cap>>,
    pub gap: Option<Span>,
    pub pause_until: Option<Timestamp>,
}

impl From<Preferences1> for Preferences {
    fn from(old: Preferences1) -> Preferences {
        Preferences {
            timezone: old.timezone,
            locale: old.locale,
            window: old.window,
            caps: old.caps,
            gap: old.gap,
            pause_until: old.pause_until,
            format: None,
        }
    }
}

impl From<CustomerState2> for CustomerState3 {
    fn from(old: CustomerState2) -> CustomerState3 {
        let record = old.record;
        CustomerState3 {
            record: Record3 {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences.into(),
                consents: record.consents,
                tracks: record.tracks,
                campaigns: record.campaigns,
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: sent_messages(record.sent),
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: Pendings::new(),
                told: BTreeMap::new(),
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

/// Before former mailboxes were remembered.
#[derive(Serialize, Deserialize)]
pub struct CustomerState3 {
    pub record: Record3,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Record3 {
    pub no: CustomerNo,
    pub id: CustomerId,
    pub rules: u64,
    pub plan: u64,
    pub walked: Timestamp,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing>,
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: SentMessages,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
    pub pending: Pendings,
    pub told: BTreeMap<String, Timestamp>,
}

impl From<CustomerState3> for CustomerState {
    fn from(old: CustomerState3) -> CustomerState {
        let record = old.record;
        CustomerState {
            record: Record {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences,
                consents: record.consents,
                tracks: record.tracks,
                campaigns: record.campaigns,
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: record.sent,
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: record.pending,
                told: record.told,
                former: Vec::new(),
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

/// A message that left, of the same time: only the customer's own were remembered.
#[derive(Serialize, Deserialize)]
pub struct SentMessage2 {
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
    pub left: Timestamp,
    pub accepted: Option<Timestamp>,
    pub bounced: Option<Timestamp>,
    pub opened: Option<Timestamp>,
    pub maybe_opened: Option<Timestamp>,
    pub clicked: Option<Timestamp>,
    pub ordered: Option<Timestamp>,
    pub told: u8,
}

fn sent_messages(old: Vec<SentMessage2>) -> SentMessages {
    let mut sent = SentMessages::default();
    for m in old {
        sent.take_over(SentMessage {
            by: None,
            no: m.no,
            campaign: m.campaign,
            step: m.step,
            entry: m.entry,
            variant: m.variant,
            left: m.left,
            accepted: m.accepted,
            bounced: m.bounced,
            opened: m.opened,
            maybe_opened: m.maybe_opened,
            clicked: m.clicked,
            ordered: m.ordered,
            told: m.told,
        });
    }
    sent
}

/// Letters of the same time.
#[derive(Serialize, Deserialize)]
pub struct Letter1 {
    pub sender: CustomerNo,
    pub no: u64,
    pub posted: Posted1,
}

#[derive(Serialize, Deserialize)]
pub enum Posted1 {
    Absorb(Box<Absorb1>),
    Entry { campaign: CampaignId, entry: Entry },
    Refusal(ConsentChange1),
}

#[derive(Serialize, Deserialize)]
pub struct Absorb1 {
    pub source: CustomerNo,
    pub earlier: Vec<CustomerNo>,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences1,
    pub consents: Consents,
    pub standings: BTreeMap<CampaignId, Standing>,
    pub events: Vec<(Event, Liveness)>,
}

#[derive(Serialize, Deserialize)]
pub struct ConsentChange1 {
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub origin: Origin1,
}

/// In letters it was always empty.
#[derive(Serialize, Deserialize)]
pub struct Origin1 {
    pub address: Option<String>,
    pub message: Option<MessageNo>,
    pub mail: Option<Box<MailOf>>,
    pub mailbox: Option<MailboxId>,
}

impl From<Letter1> for Letter {
    fn from(old: Letter1) -> Letter {
        let posted = match old.posted {
            Posted1::Absorb(from) => Posted::Absorb(Box::new(Absorb {
                source: from.source,
                earlier: from.earlier,
                known_since: from.known_since,
                email: from.email,
                attributes: from.attributes,
                tags: from.tags,
                preferences: from.preferences.into(),
                consents: from.consents,
                pending: Pendings::new(),
                standings: from.standings,
                sent: Vec::new(),
                events: from.events,
            })),
            Posted1::Entry { campaign, entry } => Posted::Entry { campaign, entry },
            // Needed no more: whom a message is of now is asked before it leaves. No message has this number.
            Posted1::Refusal(_) => Posted::Sent {
                message: MessageRef {
                    customer: old.sender,
                    message: MessageNo(0),
                },
                sent: None,
            },
        };
        Letter {
            sender: old.sender,
            no: old.no,
            posted,
        }
    }
}

/// A row of the consent ledger of the same time: a message was the customer's own.
#[derive(Serialize, Deserialize)]
pub struct ConsentRow1 {
    pub told: Timestamp,
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub address: Option<String>,
    pub message: Option<MessageNo>,
    pub campaign: Option<CampaignId>,
}

impl From<ConsentRow1> for ConsentRow {
    fn from(old: ConsentRow1) -> ConsentRow {
        ConsentRow {
            told: old.told,
            topic: old.topic,
            state: old.state.into(),
            at: old.at,
            source: old.source,
            wording: old.wording,
            address: old.address,
            message_of: None,
            message: old.message,
            campaign: old.campaign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerState1, Preferences1, Record1};
    use crate::domain::consent_ledger::{ConsentRow, Word};
    use crate::domain::engagement::SentMessages;
    use crate::domain::id::{CustomerId, CustomerNo, MessageNo};
    use crate::domain::posted::{Letter, Posted};
    use crate::domain::record::Record;
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen, id_of_stored};
    use crate::store::codec::{decode, encode};

    fn no_preferences() -> Preferences1 {
        Preferences1 {
            timezone: None,
            locale: None,
            window: None,
            caps: None,
            gap: None,
            pause_until: None,
        }
    }

    #[test]
    fn a_record_of_before_customers_could_be_merged_is_read() {
        let id = CustomerId::parse("mina").unwrap();
        let new = CustomerState {
            record: Record::new(CustomerNo(7), id.clone(), Timestamp(5)),
            seen: Seen {
                recent: vec![3, 4],
                ..Seen::default()
            },
            posted: 0,
        };
        let record = new.record.clone();
        let old = CustomerState1 {
            record: Record1 {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: no_preferences(),
                consents: record.consents,
                tracks: record.tracks,
                campaigns: record.campaigns,
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
            },
            seen: new.seen.clone(),
        };
        let bytes = postcard::to_extend(&old, vec![1]).unwrap();
        assert_eq!(decode::<CustomerState>(&bytes), Ok(new.clone()));
        assert_eq!(id_of_stored(&bytes), Some(id));
        // Written again, it is of the newest format.
        assert_eq!(encode(&new)[0], 4);
        assert!(decode::<CustomerState>(&[9, 0]).is_err());
        assert!(decode::<CustomerState>(&[1, 0]).is_err());
    }

    /// The bytes as the first version of this program wrote them, so that no part of the old shape changes unseen.
    #[test]
    fn the_old_format_is_as_it_was_written() {
        let bytes = [
            &[1u8, 7, 4][..],
            b"mina",
            // rules, plan, walked, known_since, email, attributes, tags
            &[2, 3, 10, 12, 0, 0, 0],
            // preferences, consents, tracks, campaigns, messages, next_message, alarm
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            // seen: recent, pages, spilled
            &[2, 3, 4, 0, 0],
        ]
        .concat();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!(state.record.id.as_str(), "mina");
        assert_eq!(state.record.known_since, Timestamp(6));
        assert_eq!(state.record.next_message, 1);
        assert_eq!(state.seen.recent, [3, 4]);
    }

    #[test]
    fn what_was_written_before_former_mailboxes_were_remembered_is_read() {
        let bytes = [
            &[3u8, 7, 4][..],
            b"mina",
            // rules, plan, walked, known_since, email, attributes, tags
            &[2, 3, 10, 12, 0, 0, 0],
            // preferences: timezone, locale, window, caps, gap, pause_until, format
            &[0, 0, 0, 0, 0, 0, 0],
            // consents, tracks, campaigns, messages, next_message, alarm
            &[0, 0, 0, 0, 6, 0],
            &postcard::to_stdvec(&SentMessages::default()).unwrap(),
            // moved_to, absorbed, pending, told (of the address); seen: recent, pages, spilled; posted
            &[0, 0, 0, 1, 5],
            b"email",
            &[8, 0, 0, 0, 9],
        ]
        .concat();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!(state.record.told["email"], Timestamp(4));
        assert_eq!((state.record.next_message, state.posted), (6, 9));
        assert!(state.record.former.is_empty());
    }

    #[test]
    fn what_was_written_before_consents_were_confirmed_is_read() {
        let bytes = [
            &[2u8, 7, 4][..],
            b"mina",
            // rules, plan, walked, known_since, email, attributes, tags
            &[2, 3, 10, 12, 0, 0, 0],
            // preferences, of which the language is said
            &[0, 1, 2],
            b"ko",
            // window, caps, gap, pause_until, consents, tracks, campaigns, messages, next_message, alarm
            &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &postcard::to_stdvec(&SentMessages::default()).unwrap(),
            // moved_to, absorbed; seen: recent, pages, spilled; posted
            &[1, 9, 0, 0, 0, 0, 5],
        ]
        .concat();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!(state.record.preferences.locale.as_deref(), Some("ko"));
        assert_eq!(state.record.preferences.format, None);
        assert!(state.record.pending.is_empty());
        assert_eq!(
            (state.record.moved_to, state.posted),
            (Some(CustomerNo(9)), 5)
        );

        // A row of the ledger: told, topic, refused, at, source, wording, address, message, campaign.
        let bytes = [&[1u8, 8, 0, 1, 6, 4][..], b"page", &[0, 0, 1, 3, 0]].concat();
        let row = decode::<ConsentRow>(&bytes).unwrap();
        assert_eq!((row.state, row.told), (Word::Refused, Timestamp(4)));
        assert_eq!((row.message, row.message_of), (Some(MessageNo(3)), None));
        assert_eq!(encode(&row)[0], 2);

        // A letter: who posted it, its number, a refusal (topic, state, at, source, wording, origin).
        let bytes = [&[1u8, 9, 1, 2, 0, 1, 6, 4][..], b"page", &[0, 0, 0, 0, 0]].concat();
        let letter = decode::<Letter>(&bytes).unwrap();
        assert!(matches!(letter.posted, Posted::Sent { sent: None, .. }));
    }
}
