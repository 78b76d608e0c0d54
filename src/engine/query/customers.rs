//! Looking customers up, listing them, changing one by hand, and why they get what they get.

use super::customer::{
    AttributeMap, CustomerRow, CustomerView, EnrollmentView, LedgerView, MailboxView, PlaceView,
    PreferencesView, consents, coupons, enrollment, ledger, message, row, tags, tracks,
    unconfirmed,
};
use super::mailboxes::SuppressionView;
use crate::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use crate::domain::event::Event;
use crate::domain::explain::{Explanation, explain};
use crate::domain::holdout::is_control;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo};
use crate::domain::policy::zone_of;
use crate::domain::quota::Quotas;
use crate::domain::react::{Boxes, Context, Needs, react};
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::batch::{BatchError, Work, read_history};
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::CustomerState;
use crate::store::codec::decode;
use crate::store::{Direction, keys};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
            .flat_map(|(id, standing)| standing.entries.iter().map(|e| enrollment(id, e, rules)))
            .collect();
        enrollments.sort_by_key(|e| e.entered);
        let domain = self.from.sender.from.address.domain();
        let messages = (record.messages.values())
            .map(|m| message(m, &record, rules, domain))
            .collect();
        // Those who were merged into this customer are this customer; each row names messages of its own number.
        let mut told: Vec<LedgerView> = Vec::new();
        for no in record.numbers() {
            told.extend(ledger(self.consent_ledger(no).await?, no, rules, domain));
        }
        told.sort_by_key(|row| row.told);
        Ok(Some(CustomerView {
            email: record.email.as_ref().map(|e| e.as_str().to_owned()),
            former_addresses: record.former.iter().map(|m| m.0.clone()).collect(),
            known_since: record.known_since,
            attributes: AttributeMap(record.attributes.clone()),
            tags: tags(&record, rules, self.clock.now()),
            preferences: PreferencesView {
                timezone: own.timezone,
                zone: zone_of(&record, rules),
                locale: own.locale.clone(),
                window: own.window.as_ref().map(|w| w.to_string()),
                caps: (own.caps.as_ref()).map(|c| c.iter().map(|c| c.to_string()).collect()),
                gap: own.gap.map(|g| g.to_string()),
                pause_until: own.pause_until,
                format: own.format,
            },
            unconfirmed: unconfirmed(&record.pending),
            coupons: coupons(&record.coupons),
            consents: consents(&record.consents),
            consent_ledger: told,
            events: tracks(&record, rules),
            enrollments,
            messages,
            mailbox,
            next_alarm: record.alarm,
            control: is_control(record.no, rules),
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
            let numbers = self.directory.find_each(&ids).await?;
            let numbered = || {
                ids.iter()
                    .zip(&numbers)
                    .filter_map(|(id, no)| Some((id, no.as_ref().ok().copied().flatten()?)))
            };
            let wanted_keys = numbered().map(|(_, no)| keys::record(no)).collect();
            let records = (self.store.get_many(wanted_keys).await).map_err(BatchError::from)?;
            for ((id, _), value) in numbered().zip(records) {
                // Who cannot be read is told elsewhere, and keeps nobody from being listed.
                let state = value.and_then(|v| decode::<CustomerState>(&v.value).ok());
                // Each is listed once, under their own id; who was merged into another is that one.
                let own = |r: &Record| r.id == *id && r.moved_to.is_none();
                if let Some(record) = state.map(|s| s.record).filter(own) {
                    rows.push(row(record, &catalogue.rules, self.clock.now()));
                }
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
            let quotas = Quotas::new();
            let context = Context {
                now,
                rules,
                history,
                unfinished: false,
                coupon: None,
                person: None,
                quotas: &quotas,
            };
            // Who asks about a record at which `react` panics gets it as it stands.
            catch_unwind(AssertUnwindSafe(|| {
                react(&record, boxes, &Cause::Walk, &context)
            }))
        };
        let reacted = match walk(None) {
            Ok(Err(Needs::History)) => walk(Some(
                &read_history(&*self.store, &record, rules.sieve()).await?,
            )),
            other => other,
        };
        Ok(match reacted {
            Ok(Ok(reaction)) => reaction.record,
            _ => record,
        })
    }

    pub(super) async fn number_of(&self, id: &CustomerId) -> Result<Option<CustomerNo>, Refused> {
        Ok(self.whom(id).await?.map(|(no, _)| no))
    }

    /// A customer with the mailboxes of the present address and of the messages under way.
    async fn with_boxes(&self, id: &CustomerId) -> Result<Option<(Record, Boxes)>, Refused> {
        let Some((_, Some(record))) = self.whom(id).await? else {
            return Ok(None);
        };
        let boxes = self.boxes_of(&record).await?;
        Ok(Some((record, boxes)))
    }

    /// The mailbox of the customer's present address, and those of messages under way.
    pub(in crate::engine) async fn boxes_of(&self, record: &Record) -> Result<Boxes, BatchError> {
        let under_way = record.messages.values().filter_map(|m| m.to.as_ref());
        let wanted: BTreeSet<_> = (under_way.chain(&record.email))
            .map(|a| a.mailbox())
            .collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        let found = self.forgotten.mailboxes(&*self.store, &wanted).await?;
        let mut boxes = Boxes::new();
        for (id, stood) in wanted.into_iter().zip(found) {
            boxes.insert(id, stood.mailbox?);
        }
        Ok(boxes)
    }
}
