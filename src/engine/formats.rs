//! Values as older versions of this program wrote them, and how each becomes the newest. What stands here never changes:
//! data in that shape exist. (Parts that are named by their present type have not changed since.)

mod letters;
mod one_step;

pub use letters::{ConsentRow1, Letter1};
pub use one_step::{CustomerState3, Letter2, Message1, Record3, Standing1};

use super::state::Seen;
use crate::domain::address::EmailAddress;
use crate::domain::cap::Cap;
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StepId, TagName};
use crate::domain::opt_in::Pendings;
use crate::domain::preference::{Consents, Preferences};
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
    pub campaigns: BTreeMap<CampaignId, Standing1>,
    pub messages: BTreeMap<MessageNo, Message1>,
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
    pub campaigns: BTreeMap<CampaignId, Standing1>,
    pub messages: BTreeMap<MessageNo, Message1>,
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
    use std::collections::BTreeMap;

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
                campaigns: BTreeMap::new(),
                messages: BTreeMap::new(),
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
