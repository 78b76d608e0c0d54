//! One customer with everything that is known, and all customers, a row each.

use super::mailboxes::SuppressionView;
use crate::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use crate::domain::condition::EventCondition;
use crate::domain::event::Event;
use crate::domain::explain::{Explanation, explain, rfc3339, rfc3339_or_null, state_word};
use crate::domain::id::{CampaignId, CustomerId, CustomerNo};
use crate::domain::policy::zone_of;
use crate::domain::preference::{ConsentState, Consents};
use crate::domain::react::{Boxes, Context, NeedsHistory, react};
use crate::domain::record::{Entry, EntryState, Mailbox, Message, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::track::Track;
use crate::domain::value::{Properties, properties_to_json};
use crate::domain::{chance, id::MessageRef};
use crate::engine::batch::{BatchError, Work, read_history};
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::CustomerState;
use crate::store::codec::decode;
use crate::store::{Direction, keys};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Everything that is known of one customer.
#[derive(Clone, Debug, Serialize)]
pub struct CustomerView {
    pub id: CustomerId,
    pub email: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    pub known_since: Timestamp,
    pub attributes: AttributeMap,
    pub tags: Vec<String>,
    pub preferences: PreferencesView,
    pub consents: Vec<ConsentView>,
    /// What is remembered of events: as much as the campaigns in force ask.
    pub events: Vec<TrackView>,
    /// Newest last.
    pub enrollments: Vec<EnrollmentView>,
    /// Not yet settled.
    pub messages: Vec<MessageView>,
    /// Of the present address.
    pub mailbox: Option<MailboxView>,
    /// When this customer is next looked at without a cause; perhaps too early.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub next_alarm: Option<Timestamp>,
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
    /// When the next step falls due, or when it ended.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub at: Option<Timestamp>,
    /// A message of it left.
    pub counted: bool,
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

impl Core {
    /// One customer; none if the id was never heard of.
    pub async fn customer_view(&self, id: &CustomerId) -> Result<Option<CustomerView>, Refused> {
        let Some((record, boxes)) = self.with_boxes(id).await? else {
            return Ok(None);
        };
        let catalogue = self.catalogue();
        let rules = &catalogue.rules;
        let mailbox = (record.email.as_ref()).map(|e| {
            let mailbox = boxes.get(&e.mailbox()).cloned().unwrap_or_default();
            MailboxView {
                suppression: (mailbox.suppression.as_ref())
                    .map(|s| SuppressionView::of(&e.mailbox(), s)),
                refusals: consents(&mailbox.refusals),
                places: (mailbox.places.iter())
                    .map(|p| PlaceView {
                        at: p.at,
                        campaign: p.campaign.clone(),
                        class: p.class.as_str(),
                    })
                    .collect(),
            }
        });
        let own = &record.preferences;
        let mut enrollments: Vec<EnrollmentView> = (record.campaigns.iter())
            .flat_map(|(id, standing)| standing.entries.iter().map(|e| enrollment(id, e)))
            .collect();
        enrollments.sort_by_key(|e| e.entered);
        let domain = self.from.sender.from.address.domain();
        let messages = (record.messages.values())
            .map(|m| message(m, &record, rules, domain))
            .collect();
        Ok(Some(CustomerView {
            email: record.email.as_ref().map(|e| e.as_str().to_owned()),
            known_since: record.known_since,
            attributes: AttributeMap(record.attributes.clone()),
            tags: record.tags.iter().map(|t| t.to_string()).collect(),
            preferences: PreferencesView {
                timezone: own.timezone,
                zone: zone_of(&record, rules),
                locale: own.locale.clone(),
                window: own.window.as_ref().map(|w| w.to_string()),
                caps: (own.caps.as_ref()).map(|c| c.iter().map(|c| c.to_string()).collect()),
                gap: own.gap.map(|g| g.to_string()),
                pause_until: own.pause_until,
            },
            consents: consents(&record.consents),
            events: tracks(&record, rules),
            enrollments,
            messages,
            mailbox,
            next_alarm: record.alarm,
            id: record.id,
        }))
    }

    /// Customers after `after` in the order of their ids.
    pub async fn customers(
        &self,
        after: Option<&CustomerId>,
        limit: usize,
    ) -> Result<Vec<CustomerRow>, Refused> {
        let catalogue = self.catalogue();
        let mut after: Option<String> = after.map(|id| id.to_string());
        let mut rows = Vec::new();
        while rows.len() < limit {
            let wanted = limit - rows.len();
            let found = (self.store)
                .scan(
                    keys::ids_after(after.as_deref()),
                    Direction::Forward,
                    wanted,
                )
                .await
                .map_err(BatchError::from)?;
            let ids: Vec<CustomerId> = (found.iter())
                .filter_map(|(k, _)| keys::read_id(k))
                .collect();
            let Some(last) = ids.last() else {
                break;
            };
            after = Some(last.to_string());
            let numbers = self.directory.find(&ids).await?;
            let numbers = numbers.into_iter().flatten().map(keys::record).collect();
            let records = (self.store.get_many(numbers).await).map_err(BatchError::from)?;
            for value in records.into_iter().flatten() {
                let state: CustomerState = decode(&value.value).map_err(BatchError::from)?;
                rows.push(row(state.record, &catalogue.rules));
            }
            if found.len() < wanted {
                break;
            }
        }
        Ok(rows)
    }

    /// Tells the engine of a change by hand: profile, preferences and tags first, then consents. Returns the customer as
    /// they stand then; none, and nothing is changed, if the id was never heard of.
    pub async fn set_customer(
        &self,
        id: &CustomerId,
        profile: ProfileChange,
        consents: Vec<ConsentChange>,
    ) -> Result<Option<CustomerView>, Refused> {
        let Some(no) = self.number_of(id).await? else {
            return Ok(None);
        };
        let told = std::iter::once(Cause::Profile(Box::new(profile), Liveness::Live))
            .chain((consents.into_iter()).map(|change| Cause::Consent(change, Liveness::Live)));
        for cause in told {
            let work = Work {
                customer: no,
                id: Some(id.clone()),
                cause,
                mail: None,
            };
            self.shard(no).act(work).await?;
        }
        self.customer_view(id).await
    }

    /// Why this customer gets what they get: all campaigns, or one. None if the id was never heard of.
    pub async fn explain(
        &self,
        id: &CustomerId,
        campaign: Option<&CampaignId>,
    ) -> Result<Option<Explanation>, Refused> {
        let Some((record, boxes)) = self.with_boxes(id).await? else {
            return Ok(None);
        };
        let catalogue = self.catalogue();
        let now = self.clock.now();
        let record = self.as_of(record, &boxes, &catalogue.rules, now).await?;
        Ok(Some(explain(
            &record,
            &boxes,
            &catalogue.rules,
            self.held().as_deref(),
            now,
            campaign,
        )))
    }

    /// The record as the next cause would find it: up to date with the rules, its alarm rung if it is due. Nothing of it
    /// is written.
    async fn as_of(
        &self,
        record: Record,
        boxes: &Boxes,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Record, Refused> {
        let walk = |history: Option<&[Event]>| {
            let context = Context {
                now,
                rules,
                history,
                unfinished: false,
            };
            // Who asks about a record at which `react` panics gets it as it stands.
            catch_unwind(AssertUnwindSafe(|| {
                react(&record, boxes, &Cause::Walk, &context)
            }))
        };
        let reacted = match walk(None) {
            Ok(Err(NeedsHistory)) => walk(Some(&read_history(&*self.store, record.no).await?)),
            other => other,
        };
        Ok(match reacted {
            Ok(Ok(reaction)) => reaction.record,
            _ => record,
        })
    }

    async fn number_of(&self, id: &CustomerId) -> Result<Option<CustomerNo>, Refused> {
        let found = self.directory.find(std::slice::from_ref(id)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// A customer with the mailboxes of the present address and of the messages under way.
    async fn with_boxes(&self, id: &CustomerId) -> Result<Option<(Record, Boxes)>, Refused> {
        let Some(no) = self.number_of(id).await? else {
            return Ok(None);
        };
        let Some(state) = self.customer(no).await? else {
            return Ok(None);
        };
        let record = state.record;
        let under_way = record.messages.values().filter_map(|m| m.to.as_ref());
        let wanted: BTreeSet<_> = (under_way.chain(&record.email))
            .map(|a| a.mailbox())
            .collect();
        let found = (self.store)
            .get_many(wanted.iter().map(keys::mailbox).collect())
            .await
            .map_err(BatchError::from)?;
        let mut boxes = Boxes::new();
        for (id, value) in wanted.into_iter().zip(found) {
            if let Some(value) = value {
                let mailbox: Mailbox = decode(&value.value).map_err(BatchError::from)?;
                boxes.insert(id, mailbox);
            }
        }
        Ok(Some((record, boxes)))
    }
}

fn consents(all: &Consents) -> Vec<ConsentView> {
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

fn enrollment(campaign: &CampaignId, entry: &Entry) -> EnrollmentView {
    let (state, step, at) = match &entry.state {
        EntryState::Waiting { step, due } => ("waiting", Some(step), Some(*due)),
        EntryState::Sending { step, .. } => ("sending", Some(step), None),
        EntryState::Finished { at } => ("finished", None, Some(*at)),
        EntryState::Left { at } => ("left", None, Some(*at)),
    };
    EnrollmentView {
        campaign: campaign.clone(),
        key: entry.key.0.clone(),
        entered: entry.at,
        state,
        step: step.map(|s| s.to_string()),
        at,
        counted: entry.counted,
    }
}

fn message(m: &Message, record: &Record, rules: &Rules, domain: &str) -> MessageView {
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

fn row(record: Record, rules: &Rules) -> CustomerRow {
    let entries = record.campaigns.values().flat_map(|s| &s.entries);
    CustomerRow {
        email: record.email.as_ref().map(|e| e.as_str().to_owned()),
        timezone: zone_of(&record, rules),
        locale: record.preferences.locale.clone(),
        known_since: record.known_since,
        tags: record.tags.iter().map(|t| t.to_string()).collect(),
        advertising: record.consents.get(&None).map(|c| c.state),
        open: entries.filter(|e| e.state.is_open()).count(),
        messages: record.messages.len(),
        id: record.id,
    }
}

/// What the record remembers of events, named by the conditions that ask for it.
fn tracks(record: &Record, rules: &Rules) -> Vec<TrackView> {
    let of_campaigns =
        (rules.campaigns.values()).flat_map(|c| c.audience.iter().chain(&c.entry.exit));
    let mut asked: BTreeMap<_, &EventCondition> = BTreeMap::new();
    for condition in of_campaigns.chain(rules.segments.values()) {
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
