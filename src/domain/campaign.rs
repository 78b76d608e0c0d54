//! A campaign, validated: what [`super::react`] goes by. The `campaign` room makes it from TOML.

use super::breaker::Breakers;
use super::cap::Cap;
use super::condition::{Condition, DateTrigger, EventSelector, Named};
use super::goal::Goal;
use super::holdout::Share;
use super::id::{CampaignId, EventName, PoolName, StaffName, StepId, TagName, TopicId};
use super::preference::Class;
use super::products::Wanted;
use super::quota::Quota;
use super::record::Message;
use super::schedule::CronRule;
use super::time::Span;
use super::value::Properties;
use super::window::Window;
use chrono::{NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CampaignState {
    /// Checked and planned, enters nobody.
    Draft,
    /// Only customers marked as test (attribute `test` is true).
    Test,
    Live,
}

/// A text by locale; the empty key is the text for every other locale.
pub type Localized = BTreeMap<String, String>;

/// One campaign file, compiled.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub id: CampaignId,
    pub name: String,
    pub state: CampaignState,
    /// Hears of breakers, approvals, pools running dry.
    pub owner: Option<String>,
    pub class: Class,
    pub topic: Option<TopicId>,
    /// Larger goes first.
    pub priority: i32,
    /// Whether its mails are followed; `None` leaves it to their class.
    pub tracking: Option<bool>,
    pub start: Start,
    pub audience: Option<Condition>,
    pub entry: EntryRules,
    pub steps: Vec<Step>,
    pub limits: Limits,
    /// Of the file, its templates, partials, segments and topics: what an approval holds for.
    pub hash: u64,
    /// Of what decides who stands in the due index: audience with the segments it names, and schedule.
    pub audience_hash: u64,
    /// Of what decides where those under way stand: the steps, their times, conditions and acts; no texts.
    pub journey: u64,
    /// The file's name before: what the record knows under it goes on under `id`.
    pub renamed_from: Option<CampaignId>,
    pub goal: Option<Goal>,
    /// Its own limits of harm, in place of the shop's.
    pub breakers: Breakers,
}

impl Campaign {
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|s| s.id == *id)
    }

    /// How many enter it; a transactional campaign obeys no limits.
    pub fn quota(&self) -> Option<&Quota> {
        let quota = self.limits.quota.as_ref();
        quota.filter(|_| self.class != Class::Transactional)
    }

    /// The step that a message is of; none if the file has no such step any more, or made something else of it.
    pub fn step_of(&self, message: &Message) -> Option<&Step> {
        let sends = |s: &&Step| s.act.is_some() == message.staff.is_some();
        self.step(&message.step).filter(sends)
    }

    /// The name of the event that starts it, where one does.
    pub fn trigger_name(&self) -> Option<&EventName> {
        match &self.start {
            Start::Triggered(trigger) => trigger.event.name.as_ref(),
            Start::Dated(_) | Start::Scheduled(_) | Start::Audience | Start::Asked => None,
        }
    }

    /// Every condition of the file: the audience's, the entry's, the steps'.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let of_steps = (self.steps.iter()).flat_map(|s| s.timing.until.iter().chain(&s.only_if));
        let of_entry = self.entry.exit.iter().chain(&self.entry.unless_in);
        self.audience.iter().chain(of_entry).chain(of_steps)
    }

    /// The same, to be changed.
    pub fn conditions_mut(&mut self) -> impl Iterator<Item = &mut Condition> {
        let of_steps =
            (self.steps.iter_mut()).flat_map(|s| s.timing.until.iter_mut().chain(&mut s.only_if));
        let of_entry = (self.entry.exit.iter_mut()).chain(&mut self.entry.unless_in);
        self.audience.iter_mut().chain(of_entry).chain(of_steps)
    }

    /// The properties of the event that starts an entry which conditions compare with those of others.
    pub fn compared(&self) -> BTreeSet<&[String]> {
        let mut paths = BTreeSet::new();
        for condition in self.conditions() {
            condition.each_event(&mut |event, _| {
                paths.extend(event.alike().map(|like| like.of.as_slice()));
            });
        }
        paths
    }

    /// Whether a step makes customers leave a topic.
    pub fn makes_leave(&self) -> bool {
        let leaves = |s: &Step| matches!(s.act, Some(Act::Leave(_)));
        self.steps.iter().any(leaves)
    }

    /// What [`Campaign::journey`] is of these steps.
    pub fn journey_hash(&self, named: &Named<'_>) -> u64 {
        let steps: Vec<String> = self.steps.iter().map(|s| s.journey_part(named)).collect();
        journey_of(steps.iter().map(String::as_str))
    }
}

/// The hash of a journey whose steps read so.
pub(in crate::domain) fn journey_of<'a>(steps: impl Iterator<Item = &'a str>) -> u64 {
    // 0 is kept for "by none".
    xxh3_64(steps.collect::<Vec<_>>().join("\n").as_bytes()).max(1)
}

/// What lets customers in.
#[derive(Clone, Debug)]
pub enum Start {
    Scheduled(Schedule),
    Triggered(Trigger),
    /// When a date of the profile comes.
    Dated(DateTrigger),
    /// When the audience begins to hold.
    Audience,
    /// When a customer asks for a topic that wants confirming: the program's own campaign ([`super::opt_in`]).
    Asked,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    pub when: When,
    pub zone: ScheduleZone,
    pub missed: Missed,
    /// How late a missed occurrence may still be made up for.
    pub max_late: Span,
}

#[derive(Clone, Debug)]
pub enum When {
    Cron(CronRule),
    /// Once, at this local time.
    On(NaiveDateTime),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScheduleZone {
    /// Each customer's own clock.
    Customer,
    Fixed(Tz),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missed {
    /// Folded into the latest, if that is within `max_late`.
    RunOnce,
    Skip,
}

#[derive(Clone, Debug)]
pub struct Trigger {
    pub event: EventSelector,
    /// That many of them, the present one included, ...
    pub count: u64,
    /// ... within that time.
    pub within: Option<Span>,
    /// One entry per value of this property.
    pub per: Option<String>,
    pub repeat: Repeat,
    /// An event older than this on arrival is history: it starts nothing.
    pub fresh: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// The same event moves an entry that has sent nothing.
    Restart,
    Ignore,
}

#[derive(Clone, Debug)]
pub struct EntryRules {
    pub again: Again,
    pub at_most: Option<u32>,
    pub existing: Existing,
    pub exit: Vec<Condition>,
    /// Who may be in it, asked at entry and when each message leaves, beside the audience: whoever is under way in no
    /// campaign of a higher priority.
    pub unless_in: Option<Condition>,
    pub on_change: OnChange,
    /// Who has finished has the steps, too, that were appended to the end since.
    pub appended: bool,
}

/// What a change of the steps means for those who are under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnChange {
    /// They go on from their place.
    Finish,
    /// Their place is worked out anew by the file as it stands.
    Jump,
    /// They leave.
    Exit,
}

/// When a customer may enter again, judged per entry key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    Never,
    Always,
    /// The audience was seen not to hold since the last entry.
    AfterLeaving,
    /// So long after the last entry.
    After(Span),
}

/// What becomes of those whose audience already holds at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    Skip,
    Enter,
    /// So many in so long.
    Pace {
        count: u32,
        per: Span,
    },
}

#[derive(Clone, Debug)]
pub struct Step {
    pub id: StepId,
    pub timing: Timing,
    /// Judged when the step is due, of a message again when it leaves (unless `recheck` is false).
    pub only_if: Option<Condition>,
    /// What follows where `only_if` does not hold.
    pub otherwise: Otherwise,
    /// What it does; `None`: it sends the customer a message.
    pub act: Option<Act>,
    /// The step's id before.
    pub renamed_from: Option<StepId>,
    pub template: String,
    pub subject: Localized,
    pub preheader: Localized,
    pub variants: Vec<Variant>,
    /// How long after falling due the message may still go.
    pub expires: Span,
    /// Whether the audience is judged again when the message leaves.
    pub recheck: bool,
    pub class: Class,
    /// Which `[transport.NAME]` carries it; `None` is the only one, or `main`.
    pub transport: Option<String>,
    /// In place of a template: what a mail to staff says.
    pub text: Option<Localized>,
    pub shows: Shows,
    /// The pool out of which its message has a code.
    pub coupon: Option<PoolName>,
}

/// What a message's templates see beside the customer and the entry.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Shows {
    pub products: Option<Wanted>,
    /// `data`, over what stands in `data_file`.
    pub data: Option<Arc<Properties>>,
}

/// When a step falls due.
#[derive(Clone, PartialEq, Debug)]
pub struct Timing {
    pub from: DueFrom,
    /// Which time of the customer's own clock from then on.
    pub at: Option<At>,
    /// Due as soon as this holds; at the latest by `from`.
    pub until: Option<Condition>,
}

/// A time of the customer's own clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// The first such one.
    Clock(NaiveTime),
    /// The one of the coming day that is best for them ([`super::best`]).
    Best,
}

impl Timing {
    /// At once after the step before; the first one at entry.
    pub const AT_ONCE: Timing = Timing {
        from: DueFrom::Before(Span::ZERO),
        at: None,
        until: None,
    };
}

/// What a step's time counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DueFrom {
    Entry(Span),
    /// From when the step before was settled; for the first one that is the entry.
    Before(Span),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Otherwise {
    /// The next step is next.
    Skip,
    /// The customer leaves.
    Exit,
    /// That step, further on, is next.
    GoTo(StepId),
}

/// What a step does that is no message to the customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    Tag(TagName),
    Untag(TagName),
    /// A refusal of the topic in the customer's name.
    Leave(TopicId),
    /// A mail to staff.
    Notify(StaffName),
}

impl Step {
    /// How it reads in the hash of its journey.
    pub(in crate::domain) fn journey_part(&self, named: &Named<'_>) -> String {
        let hash = |c: &Condition| c.stable_hash(named);
        let until = self.timing.until.as_ref().map(hash);
        let only_if = self.only_if.as_ref().map(hash);
        let timing = (self.timing.from, self.timing.at, until);
        format!(
            "{:?}",
            (&self.id, timing, only_if, &self.otherwise, &self.act)
        )
    }

    /// The pool out of which a message has a code: the variant's where it names one, else the step's.
    pub fn coupon_of(&self, variant: Option<&str>) -> Option<&PoolName> {
        let variant = variant.and_then(|name| self.variants.iter().find(|v| v.name == name));
        (variant.and_then(|v| v.coupon.as_ref())).or(self.coupon.as_ref())
    }

    /// The template, subject and preheader that a message goes out with: the variant's where it has one, else the step's.
    pub fn texts(&self, variant: Option<&str>) -> (&str, &Localized, &Localized) {
        let variant = variant.and_then(|name| self.variants.iter().find(|v| v.name == name));
        (
            variant
                .and_then(|v| v.template.as_deref())
                .unwrap_or(&self.template),
            variant
                .and_then(|v| v.subject.as_ref())
                .unwrap_or(&self.subject),
            variant
                .and_then(|v| v.preheader.as_ref())
                .unwrap_or(&self.preheader),
        )
    }
}

impl Step {
    /// What a message of this variant shows: the variant's own, else the step's.
    pub fn shown(&self, variant: Option<&str>) -> Shows {
        let variant = variant.and_then(|name| self.variants.iter().find(|v| v.name == name));
        let own = variant.map(|v| v.shows.clone()).unwrap_or_default();
        Shows {
            products: own.products.or_else(|| self.shows.products.clone()),
            data: own.data.or_else(|| self.shows.data.clone()),
        }
    }
}

/// A version of a message under test; what is `None` is the step's.
#[derive(Clone, Debug)]
pub struct Variant {
    pub name: String,
    pub weight: u32,
    pub template: Option<String>,
    pub subject: Option<Localized>,
    pub preheader: Option<Localized>,
    /// What of it is `None` is the step's; its `data` holds the step's, too.
    pub shows: Shows,
    pub coupon: Option<PoolName>,
}

/// A campaign's own limits: on top of the customer's or the shop's, counting this campaign's messages only.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub caps: Vec<Cap>,
    pub gap: Option<Span>,
    pub window: CampaignWindow,
    /// Not written to, to measure what the campaign brings about; whatever its class.
    pub holdout: Option<Share>,
    /// How many enter.
    pub quota: Option<Quota>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum CampaignWindow {
    #[default]
    None,
    /// `"always"`: over the shop's default window, never over the customer's own.
    Always,
    Only(Window),
}

/// A topic that customers can subscribe to or leave.
#[derive(Clone, PartialEq, Debug)]
pub struct Topic {
    pub id: TopicId,
    pub name: Localized,
    pub description: Localized,
    /// Only for those who asked for it.
    pub on_request: bool,
    /// What is given by name counts once it was confirmed by mail (double opt-in).
    pub confirm: bool,
    /// Subscribed unless refused, once advertising as a whole is consented to; otherwise must be given by name.
    pub default: bool,
}
