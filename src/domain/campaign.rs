//! A campaign, validated: what [`super::react`] goes by. The `campaign` room makes it from TOML.

use super::cap::Cap;
use super::condition::{Condition, DateTrigger, EventSelector};
use super::id::{CampaignId, StepId, TopicId};
use super::preference::Class;
use super::schedule::CronRule;
use super::time::Span;
use super::window::Window;
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use std::collections::BTreeMap;

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
    /// From entry, when the step falls due.
    pub after: Span,
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
}

impl Step {
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

/// A version of a message under test; what is `None` is the step's.
#[derive(Clone, Debug)]
pub struct Variant {
    pub name: String,
    pub weight: u32,
    pub template: Option<String>,
    pub subject: Option<Localized>,
    pub preheader: Option<Localized>,
}

/// A campaign's own limits: on top of the customer's or the shop's, counting this campaign's messages only.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub caps: Vec<Cap>,
    pub gap: Option<Span>,
    pub window: CampaignWindow,
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
