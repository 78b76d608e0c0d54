//! Rules: the compiled, immutable set of campaigns and policies that [`super::react`] goes by, and the controls
//! that operators and the engine turn beside them.

use super::address::EmailAddress;
use super::alert::Alerts;
use super::breaker::{Anew, Trip};
use super::calendar::ClosedDays;
use super::campaign::{Campaign, Topic};
use super::cap::Cap;
use super::condition::{Condition, Pattern};
use super::coupon::Pools;
use super::holdout::Share;
use super::hours::Learned;
use super::id::{CampaignId, PoolName, SegmentName, StaffName, TagName, TopicId};
use super::moved::Moved;
use super::once::{Once, Sieve};
use super::preference::Class;
use super::time::{Span, Timestamp};
use super::track::TrackPlan;
use super::window::Window;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Rules {
    /// A hash of campaigns, segments, topics, zone data and domain version; a change of it starts a walk.
    pub version: u64,
    pub campaigns: BTreeMap<CampaignId, Arc<Campaign>>,
    pub segments: BTreeMap<SegmentName, Condition>,
    /// Tags that a condition derives.
    pub tags: BTreeMap<TagName, Condition>,
    /// The campaigns in the order in which they are judged ([`judging_order`](super::order::judging_order)).
    pub order: Vec<CampaignId>,
    pub topics: BTreeMap<TopicId, Topic>,
    pub shop: Shop,
    pub plan: TrackPlan,
    pub controls: Arc<Controls>,
    /// The store's salt, for chance and identities.
    pub salt: [u8; 16],
    /// Pools of coupon codes. The codes are outside the version, changing them walks nobody; what one customer may have,
    /// and what a pool was called before, are in it.
    pub pools: Arc<Pools>,
    /// Which events are one by what they say. It is part of the plan: by another rule tracks are made anew.
    pub once: Once,
}

impl Rules {
    /// For a customer's events in the order in which they were taken in: it lets each through that counts.
    pub fn sieve(&self) -> Sieve<'_> {
        self.once.sieve(&self.salt)
    }

    /// How long a mailbox keeps its places: a cap's period is at most that long (366 days), so no cap that is made
    /// longer later lacks the places that it counts.
    pub fn keep_places(&self) -> Span {
        super::cap::LONGEST
    }

    /// Whether any campaign may write a refusal into a mailbox, whatever the cause.
    pub fn make_leave(&self) -> bool {
        self.campaigns.values().any(|c| c.makes_leave())
    }

    /// Campaigns that were called otherwise before: by that name, and by the present one.
    pub fn renamed(&self) -> impl Iterator<Item = (&CampaignId, &CampaignId)> {
        let campaigns = self.campaigns.values();
        let renamed = campaigns.filter_map(|c| Some((c.renamed_from.as_ref()?, &c.id)));
        renamed.filter(|(old, _)| !self.campaigns.contains_key(*old))
    }

    /// What a pool is called now, by its present name or the one before.
    pub fn present_pool<'a>(&'a self, name: &'a PoolName) -> &'a PoolName {
        match self.pools.contains_key(name) {
            true => name,
            false => {
                (self.pools.values().find(|pool| pool.is_called(name))).map_or(name, |p| &p.name)
            }
        }
    }

    /// What a campaign is called now, by its present name or the one before.
    pub fn present_name<'a>(&'a self, id: &'a CampaignId) -> &'a CampaignId {
        let renamed = |c: &&Arc<Campaign>| c.renamed_from.as_ref() == Some(id);
        match self.campaigns.contains_key(id) {
            true => id,
            false => (self.campaigns.values().find(renamed)).map_or(id, |c| &c.id),
        }
    }
}

/// What config.toml says of everybody: `[defaults]`, `[ceiling]`, `[law]`, `[safety]`.
#[derive(Clone, Debug)]
pub struct Shop {
    pub timezone: Tz,
    pub locale: String,
    pub window: Option<Window>,
    pub caps: Vec<Cap>,
    pub gap: Option<Span>,
    pub ceiling: Ceiling,
    pub in_doubt: InDoubt,
    /// The wait before a message in doubt is sent again.
    pub settle: Span,
    /// From the first attempt; after it nothing is tried again (RFC 5321 §4.5.4.1).
    pub give_up: Span,
    /// Waits before the second, third, ... attempt; the last one repeats (RFC 5321 §4.5.4.1).
    pub retry: Vec<Span>,
    /// For rehearsal: every other recipient is dropped with that reason.
    pub only_to: Option<Vec<Pattern>>,
    /// Who may be told of customers, and where.
    pub staff: BTreeMap<StaffName, EmailAddress>,
    /// Days on which advertising waits.
    pub closed: ClosedDays,
    /// Of all customers: they get no advertising, whatever the campaign.
    pub control: Option<Share>,
}

/// Limits that hold for every advertising and informational message, whoever asked for more.
#[derive(Clone, Debug, Default)]
pub struct Ceiling {
    pub window: Option<Window>,
    pub caps: Vec<Cap>,
    pub gap: Option<Span>,
}

/// What settles a message whose delivery is in doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InDoubt {
    /// The same bytes again, after policy.
    Resend,
    /// Left to an operator.
    Hold,
}

/// What operators and the engine turn while the rules stand: outside the version, changing it walks nobody.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Controls {
    pub paused_all: bool,
    pub paused_classes: BTreeSet<Class>,
    pub paused: BTreeSet<CampaignId>,
    /// Cancelled for good: open entries leave, waiting messages are dropped.
    pub cancelled: BTreeSet<CampaignId>,
    /// Nothing leaves until an operator has looked: after a restore, or when the clocks part.
    pub held: Option<String>,
    /// Since when an import of history is under way: occurrences of schedules wait until it ends.
    pub importing: Option<Timestamp>,
    pub activations: BTreeMap<CampaignId, Activation>,
    /// Why campaigns that are paused have paused themselves.
    pub tripped: BTreeMap<CampaignId, Trip>,
    /// Since when campaigns that were resumed are counted.
    pub counted: BTreeMap<CampaignId, Anew>,
    /// At which hours customers answer.
    pub learned: Learned,
    /// What owners are to hear of beside trips.
    pub alerts: Alerts,
    /// Whether those go on whom the steps as they stand move, of campaigns whose edits may move many.
    pub moved: BTreeMap<CampaignId, Moved>,
}

impl Controls {
    /// Whether those whom the campaign's steps as they stand move go on: who has finished, with what stands after all that
    /// they had; who is under way, from their new place.
    pub fn go_on(&self, campaign: &Campaign) -> bool {
        let let_on = |m: &Moved| m.goes_on == campaign.goes_on() && m.waiting.is_none();
        self.moved.get(&campaign.id).is_some_and(let_on)
    }

    /// How many wait for approval to go on.
    pub fn waiting_to_go_on(&self, id: &CampaignId) -> Option<u64> {
        self.moved.get(id).and_then(|m| m.waiting)
    }

    /// The store goes over from a rehearsal to sending for real, or back: every campaign starts anew, and what was counted
    /// counts for nothing. What operators have paused or cancelled stays so, and so does what has tripped in earnest, over
    /// a rehearsal in between too: that lasts until somebody resumes.
    pub fn begin_anew(&mut self) {
        let paused = &mut self.paused;
        self.tripped.retain(|id, trip| {
            if !trip.in_earnest && !trip.by_hand {
                paused.remove(id);
            }
            trip.in_earnest
        });
        self.activations.clear();
        self.counted.clear();
        self.moved.clear();
        self.alerts.clear();
        self.learned = Learned::default();
    }

    /// What somebody has to approve of the campaign next. One approval is of what was shown: who would enter first, then
    /// whom an edit moves.
    pub fn awaited(&self, id: &CampaignId) -> Option<Awaited<'_>> {
        let activation = self.activations.get(id);
        match activation.filter(|a| a.awaiting_approval) {
            Some(activation) => Some(Awaited::Entering(activation)),
            None => self.waiting_to_go_on(id).map(Awaited::GoingOn),
        }
    }

    /// Somebody has to approve that many enter, or go on, at once.
    pub fn awaits_approval(&self, id: &CampaignId) -> bool {
        self.awaited(id).is_some()
    }
}

/// What waits for approval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Awaited<'a> {
    /// That many enter at once.
    Entering(&'a Activation),
    /// That an edit of the steps moves so many at once.
    GoingOn(u64),
}

/// How a campaign came into force.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Activation {
    /// The campaign's hash that an approval holds for.
    pub hash: u64,
    /// The audience's hash that this speaks of: an edit of texts alone activates nothing anew.
    pub audience_hash: u64,
    /// When the rules with it were taken; events before it start nothing.
    pub at: Timestamp,
    /// When the walk had ended and the guard was passed or approved; until then nobody enters but by trigger.
    pub live: Option<Timestamp>,
    /// How many already stood in the audience when the walk ended; a pace is worked out from it.
    pub existing: u64,
    /// It would enter more than `[safety] at_once`: waits for approval.
    pub awaiting_approval: bool,
}

impl Activation {
    /// A campaign that goes by a schedule was live under another name: it waits until all customers stand in its index
    /// under the new one, and for nobody's approval.
    pub fn rename(&mut self, now: Timestamp) {
        if self.live.take().is_some() {
            self.existing = self.existing.max(1);
        }
        self.at = now;
    }

    /// Whether it was live before it got its present name. What was counted of a campaign is written down as it goes live
    /// or begins to wait, so of one that does neither it is of then.
    pub fn was_let(&self) -> bool {
        self.live.is_none() && !self.awaiting_approval && self.existing > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Controls, Moved};
    use crate::domain::alert::Case;
    use crate::domain::breaker::{Harm, Trip};
    use crate::domain::id::CampaignId;
    use crate::domain::time::Timestamp;

    #[test]
    fn what_was_counted_of_another_mode_goes_and_what_tripped_in_earnest_stays() {
        let id = |name: &str| CampaignId::parse(name).unwrap();
        let trip = |in_earnest, by_hand| Trip {
            at: Timestamp(1),
            harm: Harm::Refusals,
            many: 1,
            of: 2,
            limit: "1 in 1d".into(),
            told: true,
            by_hand,
            in_earnest,
        };
        let waiting = Moved {
            goes_on: 7,
            waiting: Some(300),
        };
        let mut controls = Controls {
            paused: ["real", "rehearsed", "both", "hand"].map(id).into(),
            tripped: [
                (id("real"), trip(true, false)),
                (id("rehearsed"), trip(false, false)),
                (id("both"), trip(false, true)),
            ]
            .into(),
            moved: [(id("grown"), waiting)].into(),
            ..Controls::default()
        };
        controls.heed_approvals(Timestamp(2));
        assert!(controls.alerts.contains_key(&Case::GoesOn(id("grown"))));
        controls.begin_anew();
        assert_eq!(controls.paused, ["both", "hand", "real"].map(id).into());
        assert_eq!(controls.tripped.keys().collect::<Vec<_>>(), [&id("real")]);
        assert!(controls.moved.is_empty() && controls.alerts.is_empty());
    }
}
