//! Why a customer gets what they get: for each campaign, what each condition finds, where the customer stands, whether
//! they could enter, and what policy would answer, and when the message would go.
//!
//! Pure, as all of the domain: it asks the same functions that decide (`condition::evaluate`, `policy::judge`), so that what it says
//! before the fact is what then happens, if nothing else does. [`render()`] puts it into words; programs take the data.

mod coupon;
mod outlook;
mod policy;
mod render;
mod steps;

pub use outlook::{MayEnter, next_occurrence};
pub use policy::{MessageExplained, PolicyAnswer, PolicyCheck};
pub use render::render;
pub use steps::{StepPlace, step_words};

use super::campaign::{Campaign, CampaignState, ScheduleZone, Start, When};
use super::condition::{Condition, EntryFacts, Explained, Facts, explain as explain_condition};
use super::holdout::is_control;
use super::id::{CampaignId, CustomerId, TopicId};
use super::ledger::Reason;
use super::policy::zone_of;
use super::preference::Class;
use super::react::{Boxes, stays_put};
use super::record::{EntryState, MessageState, Record};
use super::rules::Rules;
use super::time::Timestamp;
use chrono_tz::Tz;
use serde::{Serialize, Serializer};

/// An instant as RFC 3339, for JSON that people and programs read.
pub fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// The same; none is null.
pub fn rfc3339_or_null<S: Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

/// Everything, for one customer at one instant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Explanation {
    pub customer: CustomerId,
    #[serde(serialize_with = "rfc3339")]
    pub now: Timestamp,
    /// The customer's, else the shop's.
    pub zone: Tz,
    /// Why nothing leaves to anybody at present.
    pub held: Option<String>,
    pub campaigns: Vec<CampaignExplained>,
    /// In the control group, which gets no advertising.
    pub control: bool,
}

/// One campaign, for this customer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CampaignExplained {
    pub campaign: CampaignId,
    pub name: String,
    pub class: Class,
    pub topic: Option<TopicId>,
    /// What lets customers in, in words.
    pub start: String,
    /// Whether it lets anybody in at present, in words.
    pub in_force: String,
    /// Whether the audience holds, and why; none where everybody may enter.
    pub audience: Option<ConditionExplained>,
    /// Of the entries, the open ones and the latest that is over.
    pub enrollments: Vec<Enrollment>,
    pub may_enter: MayEnter,
    /// When the customer would enter, if nothing else happens.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub enters: Option<Timestamp>,
    /// The same in words, and what it hangs on.
    pub outlook: String,
    /// Messages under way; those that open entries will have; the one of the next entry.
    pub messages: Vec<MessageExplained>,
}

/// A condition, answered.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ConditionExplained {
    pub text: String,
    pub holds: bool,
    /// What is so at present.
    pub present: String,
    /// The answer stands until then, if nothing happens; null: only an event or a change of the profile changes it.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub until: Option<Timestamp>,
    pub parts: Vec<ConditionExplained>,
}

impl From<Explained> for ConditionExplained {
    fn from(explained: Explained) -> Self {
        ConditionExplained {
            text: explained.text,
            holds: explained.verdict.holds,
            present: explained.present,
            until: explained.verdict.until,
            parts: explained.children.into_iter().map(Into::into).collect(),
        }
    }
}

/// One way through a campaign.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Enrollment {
    /// The cart, the order; empty where nothing tells two apart.
    pub key: String,
    #[serde(serialize_with = "rfc3339")]
    pub entered: Timestamp,
    pub state: &'static str,
    pub step: Option<String>,
    /// Which of how many steps that is, where there are several.
    pub place: Option<StepPlace>,
    /// What the step waits for, and on what condition it is had; answered for this entry as it stands now.
    pub waits_for: Option<ConditionExplained>,
    pub only_if: Option<ConditionExplained>,
    /// When the next step falls due, or when it ended.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub at: Option<Timestamp>,
    /// What would end it early, each answered for this entry.
    pub exits: Vec<ConditionExplained>,
    /// Why its messages are not sent (the reason's code), where that was drawn for it.
    pub held_out: Option<&'static str>,
    /// Why no step of it falls due at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stays: Option<&'static str>,
}

/// Explains all campaigns, or one, for a customer. `boxes` are the mailboxes of the present address and of the messages
/// under way; `held` says why nothing leaves to anybody.
pub fn explain(
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    held: Option<&str>,
    now: Timestamp,
    only: Option<&CampaignId>,
) -> Explanation {
    let campaigns = (rules.campaigns.iter())
        .filter(|(id, _)| only.is_none_or(|only| only == *id))
        .map(|(id, campaign)| explain_campaign(id, campaign, record, boxes, rules, now))
        .collect();
    Explanation {
        customer: record.id.clone(),
        now,
        zone: zone_of(record, rules),
        held: held.map(str::to_owned),
        campaigns,
        control: is_control(record.no, rules),
    }
}

fn explain_campaign(
    id: &CampaignId,
    campaign: &Campaign,
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    now: Timestamp,
) -> CampaignExplained {
    let facts = Facts::of(record, rules);
    let outlook = outlook::outlook(id, campaign, record, rules, now);
    let messages = policy::messages(id, campaign, record, boxes, rules, &outlook, now);
    CampaignExplained {
        campaign: id.clone(),
        name: campaign.name.clone(),
        class: campaign.class,
        topic: campaign.topic.clone(),
        start: start_words(campaign),
        in_force: in_force(id, campaign, record, rules),
        audience: (campaign.audience.as_ref()).map(|a| explain_condition(a, &facts, now).into()),
        enrollments: enrollments(id, campaign, record, rules, now),
        may_enter: outlook.may_enter,
        enters: outlook.enters,
        outlook: outlook.words,
        messages,
    }
}

fn enrollments(
    id: &CampaignId,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    now: Timestamp,
) -> Vec<Enrollment> {
    let Some(standing) = record.campaigns.get(id) else {
        return Vec::new();
    };
    let why_it_stays = match rules.controls.waiting_to_go_on(id) {
        Some(_) => "the edit of the steps waits for approval; until then it stays where it is",
        None => "the steps were edited: it goes on when all customers have been looked at",
    };
    let latest_over = standing.entries.iter().rposition(|e| !e.state.is_open());
    (standing.entries.iter().enumerate())
        .filter(|(place, e)| e.state.is_open() || Some(*place) == latest_over)
        .map(|(_, entry)| {
            let (state, step, at) = match &entry.state {
                EntryState::Waiting { step, due } => ("waiting", Some(step), Some(*due)),
                EntryState::Sending { step, .. } | EntryState::Elsewhere { step } => {
                    ("sending", Some(step), None)
                }
                EntryState::Finished { at } => ("finished", None, Some(*at)),
                EntryState::Left { at } => ("left", None, Some(*at)),
            };
            let facts = Facts::of(record, rules).for_exit(EntryFacts::of(entry, campaign));
            let present = step.and_then(|s| campaign.step(s));
            // Of one that stays where it is nobody knows when a step falls due.
            let at = at.filter(|at| *at != Timestamp::NEVER);
            let waiting = matches!(entry.state, EntryState::Waiting { .. });
            let explained = |c: &Condition| explain_condition(c, &facts, now).into();
            let exits = campaign.entry.exit.iter().filter(|_| entry.state.is_open());
            Enrollment {
                key: entry.key.0.clone(),
                entered: entry.at,
                state,
                step: step.map(|s| s.to_string()),
                place: step.and_then(|s| StepPlace::of(campaign, s)),
                waits_for: (present.filter(|_| waiting))
                    .and_then(|s| s.timing.until.as_ref().map(explained)),
                only_if: present.and_then(|s| s.only_if.as_ref().map(explained)),
                at,
                exits: exits.map(explained).collect(),
                held_out: (entry.drawn)
                    .and_then(|drawn| drawn.withholds(campaign.class))
                    .map(Reason::code),
                stays: stays_put(entry, campaign, &rules.controls).then_some(why_it_stays),
            }
        })
        .collect()
}

/// What lets customers in, in words.
pub fn start_words(campaign: &Campaign) -> String {
    match &campaign.start {
        Start::Scheduled(schedule) => {
            let clock = match schedule.zone {
                ScheduleZone::Customer => "on each customer's own clock".to_owned(),
                ScheduleZone::Fixed(zone) => format!("{zone} time"),
            };
            match &schedule.when {
                When::Cron(rule) => format!("by the schedule \"{}\", {clock}", rule.as_str()),
                When::On(local) => {
                    format!("once, on {}, {clock}", local.format("%-d %b %Y at %H:%M"))
                }
            }
        }
        Start::Triggered(trigger) => {
            let event = trigger.event.describe();
            let mut text = format!("when {event} happens");
            if trigger.count > 1 {
                text = format!("when {event} has happened {} times", trigger.count);
                if let Some(within) = trigger.within {
                    text.push_str(&format!(" within {within}"));
                }
            }
            if let Some(per) = &trigger.per {
                text.push_str(&format!(", once for each \"{per}\""));
            }
            text
        }
        Start::Dated(trigger) => trigger.describe(),
        Start::Audience => "when the audience begins to hold".to_owned(),
        Start::Asked => "when a customer asks for a topic that wants a confirmation".to_owned(),
    }
}

/// Whether the campaign lets this customer in at all at present.
fn in_force(id: &CampaignId, campaign: &Campaign, record: &Record, rules: &Rules) -> String {
    let controls = &rules.controls;
    if controls.cancelled.contains(id) {
        return "it was cancelled".to_owned();
    }
    let test = record.attributes.get("test");
    match campaign.state {
        CampaignState::Draft => return "a draft: it enters nobody".to_owned(),
        CampaignState::Test if test != Some(&super::value::Value::Bool(true)) => {
            return "on test: it enters customers with the attribute \"test\" only, and this is none"
                .to_owned();
        }
        CampaignState::Test | CampaignState::Live => {}
    }
    if controls.paused_all {
        return "everything is paused".to_owned();
    }
    if let Some(trip) = controls.tripped.get(id) {
        return format!("it has paused itself: {trip}");
    }
    if controls.paused.contains(id) {
        return "it is paused".to_owned();
    }
    if controls.paused_classes.contains(&campaign.class) {
        return format!("all {} messages are paused", campaign.class.as_str());
    }
    match controls.activations.get(id) {
        Some(a) if a.awaiting_approval => format!(
            "it waits for approval: {} customers would enter at once",
            a.existing
        ),
        Some(a) if a.live.is_some() && controls.waiting_to_go_on(id).is_some() => format!(
            "live; the edit of its steps waits for approval: {}",
            campaign.who_moves(controls.waiting_to_go_on(id).unwrap_or_default())
        ),
        Some(a) if a.live.is_some() => match (&campaign.start, controls.importing) {
            (Start::Scheduled(_), Some(_)) => {
                "live; its schedule waits until the import that is under way has ended".to_owned()
            }
            _ => "live".to_owned(),
        },
        _ => {
            "it has just been read: it goes live when all customers have been looked at".to_owned()
        }
    }
}

/// The word for a message's state.
pub fn state_word(state: MessageState) -> &'static str {
    match state {
        MessageState::Waiting => "waiting",
        MessageState::Attempting(_) => "attempting",
        MessageState::Retrying => "retrying",
        MessageState::Uncertain => "uncertain",
    }
}
