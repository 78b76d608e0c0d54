//! Whether and when a customer would enter a campaign, if nothing else happens.

use super::rfc3339_or_null;
use crate::domain::campaign::{Again, Campaign, Existing, Schedule, ScheduleZone, Start, When};
use crate::domain::chance::draw;
use crate::domain::condition::{Facts, evaluate};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::policy::zone_of;
use crate::domain::react::kept_out;
use crate::domain::record::{EntryState, Record, Standing};
use crate::domain::rules::Rules;
use crate::domain::schedule::instant_of;
use crate::domain::time::{Span, Timestamp};
use chrono_tz::Tz;
use serde::Serialize;

/// So many occurrences, or changes of the audience, are looked at.
const LOOKED_AT: usize = 1_000;

/// Whether what the customer did in this campaign before lets them enter (again).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MayEnter {
    pub may: bool,
    pub why: String,
    /// When that changes by itself.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub until: Option<Timestamp>,
}

/// When the customer would enter.
pub(super) struct Outlook {
    pub may_enter: MayEnter,
    pub enters: Option<Timestamp>,
    pub words: String,
    /// What would be sent is shown as if the customer entered now (a trigger, whose event nobody knows ahead).
    pub supposed: bool,
}

/// The schedule's next occurrence after `after`.
pub fn next_occurrence(schedule: &Schedule, after: Timestamp, zone: Tz) -> Option<Timestamp> {
    match &schedule.when {
        When::Cron(rule) => rule.next(after, zone).map(|(_, at)| at),
        When::On(local) => Some(instant_of(*local, zone)).filter(|at| *at > after),
    }
}

/// What is drawn nobody knows before: it is said beside the rest.
pub(super) fn outlook(
    id: &CampaignId,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    now: Timestamp,
) -> Outlook {
    let mut outlook = apart_from_draws(id, campaign, record, rules, now);
    // What keeps them out as they would enter; where an event would let them in, as things stand.
    if let Some(kept) = (outlook.enters.or(outlook.supposed.then_some(now)))
        .and_then(|at| kept_out(campaign, record, rules, at))
    {
        outlook.words = match outlook.enters {
            Some(at) => format!(
                "would not enter at {at}: {}: {}",
                kept.reason.text(),
                kept.detail
            ),
            None => format!(
                "would not enter now: {}: {}",
                kept.reason.text(),
                kept.detail
            ),
        };
        (outlook.enters, outlook.supposed) = (None, false);
    }
    let numbered = campaign.quota().filter(|quota| quota.is_number());
    if let Some(quota) = numbered
        && (outlook.enters.is_some() || outlook.supposed)
    {
        let more = format!(", if the quota ({quota}) has a place then");
        outlook.words.push_str(&more);
    }
    outlook
}

fn apart_from_draws(
    id: &CampaignId,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    now: Timestamp,
) -> Outlook {
    let standing = record.campaigns.get(id);
    // Of a campaign with entry keys, a new key is meant.
    let keyed = match &campaign.start {
        Start::Triggered(trigger) => trigger.per.is_some(),
        Start::Dated(_) => true,
        Start::Scheduled(_) | Start::Audience | Start::Asked => false,
    };
    let mut may_enter = may_enter(standing.filter(|_| !keyed), standing, campaign, now);
    if let Start::Triggered(trigger) = &campaign.start
        && let Some(per) = &trigger.per
        && may_enter.may
        && standing.is_some_and(|s| !s.entries.is_empty())
    {
        may_enter.why = format!("for another \"{per}\"");
    }
    let audience = |at: Timestamp| match &campaign.audience {
        None => (true, None),
        Some(audience) => {
            let verdict = evaluate(audience, &Facts::of(record, rules), at);
            (verdict.holds, verdict.until)
        }
    };
    let blocked = standing.is_some_and(|s| s.blocked);
    let no = |words: &str| Outlook {
        may_enter: may_enter.clone(),
        enters: None,
        words: words.to_owned(),
        supposed: false,
    };
    let waits = matches!(campaign.start, Start::Audience) && standing.is_some_and(|s| s.existing);
    if !may_enter.may && may_enter.until.is_none() {
        return match standing {
            Some(standing) if waits && may_once_over(standing, campaign, now) => no(
                "enters with those whose audience held when the campaign started, once this way is over",
            ),
            _ => no("would not enter"),
        };
    }
    if let Some(quota) = campaign.quota()
        && !quota.admits(&rules.salt, id, record.no)
    {
        return no(&format!(
            "would not enter: not of the {quota} of all customers who may"
        ));
    }
    if rules.controls.cancelled.contains(id) {
        return no("would not enter: the campaign was cancelled");
    }
    let free_from = match may_enter.may {
        true => now,
        false => may_enter.until.unwrap_or(now),
    };
    match &campaign.start {
        Start::Triggered(trigger) => {
            let event = trigger.event.describe();
            match audience(now).0 && may_enter.may {
                true => Outlook {
                    enters: None,
                    words: format!("would enter as soon as {event} happens"),
                    // While one is under way, the next would only say the same again.
                    supposed: standing.is_none_or(|s| s.entries.iter().all(|e| !e.state.is_open())),
                    may_enter,
                },
                false if !may_enter.may => no(&format!("would not enter yet: {}", may_enter.why)),
                false => no(&format!(
                    "would not enter even if {event} happened now: the audience does not hold"
                )),
            }
        }
        Start::Asked => no("enters when the customer asks for a topic that wants a confirmation"),
        Start::Dated(trigger) => {
            let zone = zone_of(record, rules);
            let mut from = now;
            // One that is over for this year comes again in the next.
            for _ in 0..3 {
                let Some((date, at)) = trigger.near(&record.attributes, zone, from).next else {
                    break;
                };
                let met = standing.and_then(|s| s.met);
                let over = met.is_some_and(|met| trigger.is_over(met.date(), date));
                match over {
                    true => from = at,
                    false if audience(at).0 => {
                        return Outlook {
                            enters: Some(at),
                            words: format!("would enter {}", trigger.describe()),
                            supposed: false,
                            may_enter,
                        };
                    }
                    false => {
                        return no(&format!(
                            "would not enter {}: the audience does not hold at that time",
                            trigger.describe()
                        ));
                    }
                }
            }
            no(&format!(
                "would not enter {}: there is none to come",
                trigger.describe()
            ))
        }
        Start::Audience => {
            if waits {
                let at = admitted(id, campaign, record, rules);
                return match at {
                    Some(at) => Outlook {
                        enters: Some(at.max(free_from)),
                        words: "enters with those whose audience held when the campaign started"
                            .to_owned(),
                        supposed: false,
                        may_enter,
                    },
                    None => no(
                        "waits with those whose audience held when the campaign started, until it is live",
                    ),
                };
            }
            let (holds, until) = audience(now);
            if holds {
                return no(
                    "would not enter: the audience holds already, and the campaign enters those for whom it begins to hold",
                );
            }
            let mut at = until;
            for _ in 0..LOOKED_AT {
                let Some(then) = at else { break };
                match audience(then) {
                    (true, _) if then >= free_from => {
                        return Outlook {
                            enters: Some(then),
                            words: "would enter when the audience begins to hold".to_owned(),
                            supposed: false,
                            may_enter,
                        };
                    }
                    (_, until) => at = until,
                }
            }
            no("would not enter: the audience does not hold, and time alone does not change that")
        }
        Start::Scheduled(schedule) => {
            if blocked {
                return no(
                    "would not enter: an earlier message was dropped for want of an address or of consent, and nothing about that has changed",
                );
            }
            let zone = match schedule.zone {
                ScheduleZone::Customer => zone_of(record, rules),
                ScheduleZone::Fixed(zone) => zone,
            };
            let mut from = now.max(free_from - Span::millis(1));
            let existing = standing.is_some_and(|s| s.existing);
            if existing && let Some(at) = admitted(id, campaign, record, rules) {
                from = from.max(at - Span::millis(1));
            }
            for _ in 0..LOOKED_AT {
                let Some(at) = next_occurrence(schedule, from, zone) else {
                    return no("would not enter: the schedule has no occurrence to come");
                };
                match audience(at) {
                    (true, _) => {
                        let words = match existing {
                            true => {
                                "would enter at the schedule's occurrence, at the pace for those who were there at the start"
                            }
                            false => "would enter at the schedule's occurrence",
                        };
                        return Outlook {
                            enters: Some(at),
                            words: words.to_owned(),
                            supposed: false,
                            may_enter,
                        };
                    }
                    (false, None) => {
                        return no(
                            "would not enter: the audience does not hold, and time alone does not change that",
                        );
                    }
                    (false, Some(until)) => from = at.max(until - Span::millis(1)),
                }
            }
            no("would not enter in any of the next thousand occurrences")
        }
    }
}

/// When a customer whose audience held at the start may enter, as the engine works it out.
fn admitted(
    id: &CampaignId,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
) -> Option<Timestamp> {
    let activation = rules.controls.activations.get(id)?;
    let live = activation.live?;
    match campaign.entry.existing {
        Existing::Skip => None,
        Existing::Enter => Some(live),
        Existing::Pace { count, per } => {
            let key = EntryKey::default();
            let h = draw(&rules.salt, "existing", id, record.no, &key);
            let periods = (h * activation.existing as f64 / f64::from(count.max(1))).floor();
            Some(live + Span::millis((periods * per.0 as f64) as i64))
        }
    }
}

/// Whether the customer, who is under way, may enter again when that is over: at once, or later. What is under way counts by
/// then, since a message of it goes out.
fn may_once_over(standing: &Standing, campaign: &Campaign, now: Timestamp) -> bool {
    let mut over = standing.clone();
    let under_way = over.entries.iter_mut().filter(|e| e.state.is_under_way());
    let mut any = false;
    for entry in under_way {
        if !entry.counted {
            (entry.counted, over.entered) = (true, over.entered + 1);
        }
        entry.state = EntryState::Finished { at: now };
        any = true;
    }
    let then = may_enter(Some(&over), Some(&over), campaign, now);
    any && (then.may || then.until.is_some())
}

/// As the engine judges it, with the reason. `of_key` is the standing as far as it concerns the key that is asked for.
fn may_enter(
    of_key: Option<&Standing>,
    standing: Option<&Standing>,
    campaign: &Campaign,
    now: Timestamp,
) -> MayEnter {
    let answer = |may: bool, why: String, until: Option<Timestamp>| MayEnter { may, why, until };
    if let (Some(standing), Some(most)) = (standing, campaign.entry.at_most)
        && standing.entered >= most
    {
        let why = format!(
            "has entered {} times, and no more are allowed",
            standing.entered
        );
        return answer(false, why, None);
    }
    let entries = || of_key.iter().flat_map(|s| &s.entries);
    if entries().any(|e| e.state.is_under_way()) {
        return answer(false, "is in it now".to_owned(), None);
    }
    let Some(last) = entries().filter(|e| e.counted).map(|e| e.at).max() else {
        return answer(true, "has not been in it".to_owned(), None);
    };
    match campaign.entry.again {
        Again::Never => answer(
            false,
            "has been in it, and nobody enters twice".to_owned(),
            None,
        ),
        Again::Always => answer(true, "may enter any number of times".to_owned(), None),
        Again::AfterLeaving => match of_key.is_some_and(|s| s.left_since_entry) {
            true => answer(
                true,
                "the audience has stopped holding since the last time".to_owned(),
                None,
            ),
            false => answer(
                false,
                "has been in it, and the audience has held ever since".to_owned(),
                None,
            ),
        },
        Again::After(span) if now >= last + span => {
            answer(true, format!("the last time is more than {span} ago"), None)
        }
        Again::After(span) => answer(
            false,
            format!("the last time is less than {span} ago"),
            Some(last + span),
        ),
    }
}
