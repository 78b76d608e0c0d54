//! What is shown of one customer, and of each in a list.

use super::mailboxes::SuppressionView;
use crate::domain::chance;
use crate::domain::condition::{EventCondition, tags_of};
use crate::domain::consent_ledger::{ConsentRow, Word};
use crate::domain::coupon::Coupon;
use crate::domain::explain::{StepPlace, rfc3339, rfc3339_or_null, state_word};
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageRef};
use crate::domain::ledger::Reason;
use crate::domain::opt_in::Pendings;
use crate::domain::policy::zone_of;
use crate::domain::preference::{ConsentState, Consents, Format};
use crate::domain::record::{Entry, EntryState, Message, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::track::Track;
use crate::domain::value::{Properties, properties_to_json};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Everything that is known of one customer.
#[derive(Clone, Debug, Serialize)]
pub struct CustomerView {
    pub id: CustomerId,
    pub email: Option<String>,
    /// Of before, oldest first.
    pub former_addresses: Vec<String>,
    #[serde(serialize_with = "rfc3339")]
    pub known_since: Timestamp,
    pub attributes: AttributeMap,
    pub tags: Vec<String>,
    pub preferences: PreferencesView,
    pub consents: Vec<ConsentView>,
    /// What was asked for and waits for its confirmation.
    pub unconfirmed: Vec<PendingView>,
    /// The consent ledger: every change of consent, oldest first.
    pub consent_ledger: Vec<LedgerView>,
    /// What is remembered of events: as much as the campaigns in force ask.
    pub events: Vec<TrackView>,
    /// Newest last.
    pub enrollments: Vec<EnrollmentView>,
    /// Not yet settled.
    pub messages: Vec<MessageView>,
    /// Coupon codes that this customer has or had, oldest first.
    pub coupons: Vec<CouponView>,
    /// Of the present address.
    pub mailbox: Option<MailboxView>,
    /// When this customer is next looked at without a cause; perhaps too early.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub next_alarm: Option<Timestamp>,
    /// In the control group, which gets no advertising (`[control]` in config.toml).
    pub control: bool,
}

/// Attributes, written as the plain JSON that they came as.
#[derive(Clone, PartialEq, Debug)]
pub struct AttributeMap(pub Properties);

impl Serialize for AttributeMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        properties_to_json(&self.0).serialize(serializer)
    }
}

/// What is null is left to the shop's defaults, save `zone`, which is the one in force.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PreferencesView {
    pub timezone: Option<Tz>,
    pub zone: Tz,
    pub locale: Option<String>,
    pub window: Option<String>,
    pub caps: Option<Vec<String>>,
    pub gap: Option<String>,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub pause_until: Option<Timestamp>,
    /// `html` or `text`: what mails are made of; null is both.
    pub format: Option<Format>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ConsentView {
    /// None: advertising as a whole.
    pub topic: Option<String>,
    pub state: ConsentState,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
}

/// A coupon code.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CouponView {
    pub pool: String,
    pub campaign: CampaignId,
    pub code: String,
    /// When it was set aside for this customer.
    #[serde(serialize_with = "rfc3339")]
    pub given: Timestamp,
    /// When the mail with it was accepted, or may have been.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub sent: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub until: Option<Timestamp>,
}

/// A consent that waits for its confirmation.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PendingView {
    pub topic: String,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub asked: Timestamp,
    pub source: String,
    pub wording: Option<String>,
}

/// One row of the consent ledger.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LedgerView {
    /// When we were told.
    #[serde(serialize_with = "rfc3339")]
    pub told: Timestamp,
    /// None: advertising as a whole.
    pub topic: Option<String>,
    /// `given`, `refused`, or `asked` for what is to be confirmed first.
    pub state: Word,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    /// The network address that it was told from.
    pub address: Option<String>,
    /// The message whose link was followed, and its campaign.
    pub message_id: Option<String>,
    pub campaign: Option<CampaignId>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TrackView {
    /// Which events, in words.
    pub events: String,
    /// How many are remembered; at least so many happened.
    pub remembered: u64,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub first: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub latest: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EnrollmentView {
    pub campaign: CampaignId,
    /// The cart, the order; empty where nothing tells two apart.
    pub key: String,
    #[serde(serialize_with = "rfc3339")]
    pub entered: Timestamp,
    /// `waiting`, `sending`, `finished` or `left`.
    pub state: &'static str,
    pub step: Option<String>,
    /// Which of how many steps that is, where there are several.
    pub place: Option<StepPlace>,
    /// When the next step falls due, or when it ended.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub at: Option<Timestamp>,
    /// A message of it left, or was held out.
    pub counted: bool,
    /// `holdout` or `control`: its messages are not sent, to measure what the others bring about.
    pub held_out: Option<&'static str>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MessageView {
    pub message_id: String,
    pub campaign: CampaignId,
    pub step: String,
    pub variant: Option<String>,
    pub state: &'static str,
    pub attempts: u32,
    #[serde(serialize_with = "rfc3339")]
    pub due: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub not_before: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub expires: Timestamp,
    /// Held back by a pause.
    pub parked: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MailboxView {
    pub suppression: Option<SuppressionView>,
    /// Refusals that bind every customer of the mailbox.
    pub refusals: Vec<ConsentView>,
    /// Messages that count for caps, oldest first.
    pub places: Vec<PlaceView>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PlaceView {
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub campaign: CampaignId,
    pub class: &'static str,
}

/// A customer in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CustomerRow {
    pub id: CustomerId,
    pub email: Option<String>,
    pub timezone: Tz,
    pub locale: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub known_since: Timestamp,
    pub tags: Vec<String>,
    /// The word on advertising as a whole, if there is one.
    pub advertising: Option<ConsentState>,
    /// Enrollments that are open.
    pub open: usize,
    /// Messages not yet settled.
    pub messages: usize,
}

pub(super) fn consents(all: &Consents) -> Vec<ConsentView> {
    (all.iter())
        .map(|(topic, consent)| ConsentView {
            topic: topic.as_ref().map(|t| t.to_string()),
            state: consent.state,
            at: consent.at,
            source: consent.source.clone(),
            wording: consent.wording.clone(),
        })
        .collect()
}

pub(super) fn unconfirmed(all: &Pendings) -> Vec<PendingView> {
    (all.iter())
        .map(|(topic, pending)| PendingView {
            topic: topic.to_string(),
            asked: pending.at,
            source: pending.source.clone(),
            wording: pending.wording.clone(),
        })
        .collect()
}

pub(super) fn ledger(
    rows: Vec<ConsentRow>,
    customer: CustomerNo,
    rules: &Rules,
    domain: &str,
) -> Vec<LedgerView> {
    let message_id = |of: Option<CustomerNo>, message| {
        let customer = of.unwrap_or(customer);
        let local = chance::message_id(&rules.salt, MessageRef { customer, message });
        format!("{local}@{domain}")
    };
    (rows.into_iter())
        .map(|row| LedgerView {
            told: row.told,
            topic: row.topic.map(|t| t.to_string()),
            state: row.state,
            at: row.at,
            source: row.source,
            wording: row.wording,
            address: row.address,
            message_id: (row.message).map(|message| message_id(row.message_of, message)),
            campaign: row.campaign,
        })
        .collect()
}

pub(super) fn enrollment(campaign: &CampaignId, entry: &Entry, rules: &Rules) -> EnrollmentView {
    let (state, step, at) = match &entry.state {
        // When it falls due may be unknown: its file is gone, or the edit of it waits for approval.
        EntryState::Waiting { step, due } => {
            let due = Some(*due).filter(|due| *due != Timestamp::NEVER);
            ("waiting", Some(step), due)
        }
        EntryState::Sending { step, .. } | EntryState::Elsewhere { step } => {
            ("sending", Some(step), None)
        }
        EntryState::Finished { at } => ("finished", None, Some(*at)),
        EntryState::Left { at } => ("left", None, Some(*at)),
    };
    EnrollmentView {
        campaign: campaign.clone(),
        key: entry.key.0.clone(),
        entered: entry.at,
        state,
        step: step.map(|s| s.to_string()),
        place: (rules.campaigns.get(campaign))
            .zip(step)
            .and_then(|(c, s)| StepPlace::of(c, s)),
        at,
        counted: entry.counted,
        held_out: (entry.drawn.zip(rules.campaigns.get(campaign)))
            .and_then(|(drawn, c)| drawn.withholds(c.class))
            .map(Reason::code),
    }
}

pub(super) fn message(m: &Message, record: &Record, rules: &Rules, domain: &str) -> MessageView {
    let reference = MessageRef {
        customer: record.no,
        message: m.no,
    };
    MessageView {
        message_id: format!("{}@{domain}", chance::message_id(&rules.salt, reference)),
        campaign: m.campaign.clone(),
        step: m.step.to_string(),
        variant: m.variant.clone(),
        state: state_word(m.state),
        attempts: m.attempts,
        due: m.due,
        not_before: m.not_before,
        expires: m.expires,
        parked: m.parked,
    }
}

pub(super) fn coupons(all: &[Coupon]) -> Vec<CouponView> {
    (all.iter())
        .map(|c| CouponView {
            pool: c.pool.to_string(),
            campaign: c.campaign.clone(),
            code: c.code.clone(),
            given: c.given,
            sent: c.sent,
            until: c.until,
        })
        .collect()
}

pub(super) fn row(record: Record, rules: &Rules, now: Timestamp) -> CustomerRow {
    let entries = record.campaigns.values().flat_map(|s| &s.entries);
    CustomerRow {
        email: record.email.as_ref().map(|e| e.as_str().to_owned()),
        timezone: zone_of(&record, rules),
        locale: record.preferences.locale.clone(),
        known_since: record.known_since,
        tags: tags(&record, rules, now),
        advertising: record.consents.get(&None).map(|c| c.state),
        open: entries.filter(|e| e.state.is_open()).count(),
        messages: record.messages.len(),
        id: record.id,
    }
}

/// The tags set by hand and those that the rules derive.
pub(super) fn tags(record: &Record, rules: &Rules, now: Timestamp) -> Vec<String> {
    let tags = tags_of(record, rules, now);
    tags.iter().map(|t| t.to_string()).collect()
}

/// What the record remembers of events, named by the conditions that ask for it.
pub(super) fn tracks(record: &Record, rules: &Rules) -> Vec<TrackView> {
    let of_campaigns = rules.campaigns.values().flat_map(|c| c.conditions());
    let mut asked: BTreeMap<_, &EventCondition> = BTreeMap::new();
    let shared = rules.segments.values().chain(rules.tags.values());
    for condition in of_campaigns.chain(shared) {
        condition.each_event(&mut |event, _| _ = asked.entry(event.track()).or_insert(event));
    }
    (asked.into_iter())
        .filter_map(|(key, event)| Some((event, record.tracks.get(key)?)))
        .map(|(event, track)| track_view(event, track))
        .collect()
}

fn track_view(event: &EventCondition, track: &Track) -> TrackView {
    let hours: u64 = track.hours().iter().map(|h| h.count).sum();
    let rest = track.rest().map_or(0, |r| r.count);
    TrackView {
        events: event.select.describe(),
        remembered: track.instants().len() as u64 + hours + rest,
        first: track.first(),
        latest: track.instants().last().map(|i| i.at),
    }
}
