//! Counting what became of mails, by campaign, by variant, by the recipient's hour. Pure.

use super::goals::{GoalReport, Goals};
use super::rate::Rate;
use crate::domain::explain::{rfc3339, rfc3339_or_null};
use crate::domain::ledger::Reason;
use crate::domain::time::Timestamp;
use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Campaigns,
    /// And by step.
    Variants,
    /// The recipient's weekday and hour at which it left.
    Hours,
}

/// What became of one mail.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Mail {
    pub(super) campaign: String,
    pub(super) step: String,
    pub(super) variant: Option<String>,
    /// When its latest attempt began.
    pub(super) left: Timestamp,
    /// The recipient's, where it is asked for.
    pub(super) zone: Option<Tz>,
    /// An attempt came to an end with the server, or it is in doubt whether it did.
    pub(super) sent: bool,
    pub(super) accepted: bool,
    pub(super) bounced: bool,
    /// By a person, as far as can be told: the pixel, or a link.
    pub(super) opened: bool,
    /// The pixel was fetched by something else.
    pub(super) machine: bool,
    pub(super) clicked: bool,
    pub(super) unsubscribed: bool,
    /// The number of the customer who it was for then.
    pub(super) customer: u64,
    /// It did not leave: why it was held out. `left` is when it would have.
    pub(super) held: Option<Reason>,
    /// An event before then is credited to it, where its campaign had a goal.
    pub(super) goal_until: Option<Timestamp>,
    /// Events credited, less those that were undone, and their value in millionths.
    pub(super) goals: i64,
    pub(super) value: i64,
}

/// One line of a report. What does not tell it apart is null.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Group {
    pub campaign: Option<String>,
    pub step: Option<String>,
    pub variant: Option<String>,
    /// `Mon` to `Sun`.
    pub weekday: Option<&'static str>,
    pub hour: Option<u32>,
    pub sent: u64,
    /// Of those sent.
    pub delivered: Rate,
    /// Of those delivered, as all that follow.
    pub opened: Rate,
    /// Opened by machines and by no person.
    pub machine_only: Rate,
    pub clicked: Rate,
    pub unsubscribed: Rate,
    /// Where the campaign has a goal, or had one; not by hours.
    pub goal: Option<GoalReport>,
}

/// Which variant of a step does better, in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verdict {
    pub campaign: String,
    pub step: String,
    pub text: String,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    pub by: By,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub since: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339")]
    pub until: Timestamp,
    pub groups: Vec<Group>,
    /// By variants only.
    pub verdicts: Vec<Verdict>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Key {
    campaign: Option<String>,
    step: Option<String>,
    variant: Option<String>,
    /// Days from Monday, and the hour.
    at: Option<(u32, u32)>,
}

impl Key {
    /// The group of all variants together.
    pub(super) fn of_step(&self) -> Key {
        Key {
            variant: None,
            ..self.clone()
        }
    }
}

#[derive(Default)]
struct Counts {
    sent: u64,
    delivered: u64,
    opened: u64,
    machine_only: u64,
    clicked: u64,
    unsubscribed: u64,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub(super) fn tally(mails: &[Mail], by: By, since: Option<Timestamp>, now: Timestamp) -> Report {
    let mut groups: BTreeMap<Key, Counts> = BTreeMap::new();
    let goals = Goals::of(mails, by, now);
    for mail in mails {
        let held = mail.held.is_some() && by != By::Hours;
        let Some(key) = key_of(mail, by).filter(|_| mail.sent || held) else {
            continue;
        };
        let counts = groups.entry(key).or_default();
        if !mail.sent {
            continue;
        }
        counts.sent += 1;
        if !mail.accepted || mail.bounced {
            continue;
        }
        counts.delivered += 1;
        counts.opened += u64::from(mail.opened);
        counts.machine_only += u64::from(mail.machine && !mail.opened);
        counts.clicked += u64::from(mail.clicked);
        counts.unsubscribed += u64::from(mail.unsubscribed);
    }
    let groups: Vec<Group> = groups
        .into_iter()
        .map(|(k, c)| group(k, &c, &goals))
        .collect();
    Report {
        by,
        since,
        until: now,
        verdicts: match by {
            By::Variants => verdicts(&groups),
            By::Campaigns | By::Hours => Vec::new(),
        },
        groups,
    }
}

pub(super) fn key_of(mail: &Mail, by: By) -> Option<Key> {
    Some(match by {
        By::Campaigns => Key {
            campaign: Some(mail.campaign.clone()),
            ..Key::default()
        },
        By::Variants => Key {
            campaign: Some(mail.campaign.clone()),
            step: Some(mail.step.clone()),
            variant: mail.variant.clone(),
            ..Key::default()
        },
        By::Hours => {
            let local = mail.left.to_utc().with_timezone(&mail.zone?);
            Key {
                at: Some((local.weekday().num_days_from_monday(), local.hour())),
                ..Key::default()
            }
        }
    })
}

fn group(key: Key, counts: &Counts, goals: &Goals) -> Group {
    let goal = goals.report(&key);
    let of_delivered = |count| Rate::new(count, counts.delivered);
    Group {
        campaign: key.campaign,
        step: key.step,
        variant: key.variant,
        weekday: key.at.and_then(|(day, _)| DAYS.get(day as usize).copied()),
        hour: key.at.map(|(_, hour)| hour),
        sent: counts.sent,
        delivered: Rate::new(counts.delivered, counts.sent),
        opened: of_delivered(counts.opened),
        machine_only: of_delivered(counts.machine_only),
        clicked: of_delivered(counts.clicked),
        unsubscribed: of_delivered(counts.unsubscribed),
        goal,
    }
}

/// For each step with variants: which is opened, and clicked, more than every other, if that can be told.
fn verdicts(groups: &[Group]) -> Vec<Verdict> {
    let mut steps: BTreeMap<(&str, &str), Vec<(&str, &Group)>> = BTreeMap::new();
    for group in groups {
        if let (Some(campaign), Some(step), Some(variant)) =
            (&group.campaign, &group.step, &group.variant)
        {
            let of = steps.entry((campaign, step)).or_default();
            of.push((variant, group));
        }
    }
    let compared = steps.into_iter().filter(|(_, variants)| variants.len() > 1);
    compared
        .map(|((campaign, step), variants)| {
            let best = |rate: fn(&Group) -> &Rate| {
                variants.iter().find(|(name, one)| {
                    (variants.iter())
                        .all(|(other, group)| other == name || rate(one).surpasses(rate(group)))
                })
            };
            let say = |what: &str, rate: fn(&Group) -> &Rate| match best(rate) {
                Some((name, _)) => format!("\"{name}\" is {what} more than the others"),
                None => format!("too few to tell which is {what} more"),
            };
            let goals: Vec<(&str, &Rate)> = (variants.iter())
                .filter_map(|(name, g)| Some((*name, &g.goal.as_ref()?.written_to.converted)))
                .collect();
            let surpasses_all = |one: &Rate, name: &str| {
                let mut others = goals.iter().filter(|(other, _)| *other != name);
                others.all(|(_, other)| one.surpasses(other))
            };
            let goal = match goals.iter().find(|(name, rate)| surpasses_all(rate, name)) {
                _ if goals.len() < 2 => String::new(),
                Some((name, _)) => format!("; \"{name}\" reaches the goal more than the others"),
                None => "; too few to tell which reaches the goal more".to_owned(),
            };
            Verdict {
                campaign: campaign.to_owned(),
                step: step.to_owned(),
                text: format!(
                    "{}; {}{goal}",
                    say("opened", |g| &g.opened),
                    say("clicked", |g| &g.clicked)
                ),
            }
        })
        .collect()
}
