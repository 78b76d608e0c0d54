//! What policy answers to a message that waits, or would, with every limit that bears on it.
//!
//! The answer is [`judge`]'s own, asked again at each instant that it names until the message goes or never does. The
//! limits beside it are listed as they stand at the instant from which the message may be asked for. Places are those
//! taken at present: what other messages take before then is not foretold.

use super::coupon::with_coupon;
use super::outlook::Outlook;
use super::{rfc3339, rfc3339_or_null, state_word};
use crate::domain::address::mask;
use crate::domain::best::{foreseen, learned_from};
use crate::domain::campaign::{Campaign, Step};
use crate::domain::cap::gap_fit;
use crate::domain::holdout::{who, withheld};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::Reason;
use crate::domain::policy::{Decision, LEAD, Limits, judge, recipient, zone_of};
use crate::domain::preference::{
    Class, Consent, ConsentState, Standing as ConsentStanding, consent_for, is_on_request,
    standing_on, takes_on_request_only,
};
use crate::domain::react::{Boxes, first_due, stays_put};
use crate::domain::record::{EntryState, Mailbox, Message, MessageState, Place, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use serde::Serialize;

/// A message, as policy sees it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MessageExplained {
    pub step: String,
    pub variant: Option<String>,
    /// `waiting`, `attempting`, `retrying`, `uncertain`; `planned` for one that an open entry will have; `supposed` for
    /// one that the next entry would have.
    pub state: &'static str,
    /// When its step falls, or fell, due.
    #[serde(serialize_with = "rfc3339")]
    pub due: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub expires: Timestamp,
    pub answer: PolicyAnswer,
    /// The reason's code.
    pub reason: &'static str,
    /// The reason for people.
    pub why: &'static str,
    pub detail: String,
    /// When it would go, or be held out.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub goes: Option<Timestamp>,
    pub checks: Vec<PolicyCheck>,
    /// At the best hour: which one, and what it was learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAnswer {
    /// As soon as it falls due.
    Goes,
    /// Later than that.
    Waits,
    Never,
    /// Until an operator resumes it.
    Paused,
    /// Its delivery is under way.
    UnderWay,
    /// It might go, and is not sent, so that what the others bring about can be measured.
    HeldOut,
}

/// One thing that policy looks at.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PolicyCheck {
    /// `address`, `suppression`, `consent`, `pause`, `closed`, `hours`, `cap`, `gap` or `coupon`.
    pub what: &'static str,
    /// What is asked, and whose it is: `the shop's cap, 3 per 7d`.
    pub rule: String,
    /// What stands against it, or not: `2 of 3 taken`.
    pub present: String,
    pub lets_it_go: bool,
    /// By this alone, from when on it could go.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub from: Option<Timestamp>,
}

/// The messages of one campaign: those under way, those that open entries will have, that of the next entry.
pub(super) fn messages(
    id: &CampaignId,
    campaign: &Campaign,
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    outlook: &Outlook,
    now: Timestamp,
) -> Vec<MessageExplained> {
    let judged = |message: &Message, state: &'static str, from: Timestamp| {
        explain_message(message, state, campaign, record, boxes, rules, from)
    };
    let supposed = |step: &Step, key: &EntryKey, due: Timestamp| {
        Message::waiting(record, campaign, step, key, due, &rules.salt)
    };
    let mut all: Vec<MessageExplained> = (record.messages.values())
        .filter(|m| m.campaign == *id)
        .map(|m| {
            // A waiting message is judged afresh whenever it is asked for; another try has its time.
            let from = match m.state {
                MessageState::Waiting => now.max(m.due),
                _ => now.max(m.not_before),
            };
            judged(m, state_word(m.state), from)
        })
        .collect();
    let entries = record
        .campaigns
        .get(id)
        .into_iter()
        .flat_map(|s| &s.entries);
    for entry in entries {
        if let EntryState::Waiting { step, due } = &entry.state
            && !stays_put(entry, campaign, &rules.controls)
            && let Some(step) = campaign.step(step).filter(|s| s.act.is_none())
        {
            let due = match entry.clock {
                Some(_) => (*due).max(now),
                None => foreseen(step, campaign, record, rules, (*due).max(now)),
            };
            let message = supposed(step, &entry.key, due);
            all.push(judged(&message, "planned", due));
        }
    }
    let enters = outlook.enters.or(outlook.supposed.then_some(now));
    if let (Some(enters), Some(step)) = (enters, campaign.steps.first())
        && step.act.is_none()
    {
        let due = first_due(step, enters, zone_of(record, rules));
        let due = foreseen(step, campaign, record, rules, due);
        let message = supposed(step, &EntryKey::default(), due);
        all.push(judged(&message, "supposed", due));
    }
    all
}

fn explain_message(
    message: &Message,
    state: &'static str,
    campaign: &Campaign,
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    from: Timestamp,
) -> MessageExplained {
    let nothing_known = Mailbox::default();
    let mailbox = recipient(message, record)
        .and_then(|to| boxes.get(&to.mailbox()))
        .unwrap_or(&nothing_known);
    let answered = match message.state {
        MessageState::Attempting(_) => {
            (PolicyAnswer::UnderWay, Reason::Policy, String::new(), None)
        }
        _ => {
            let answer = ask(message, record, mailbox, rules, from);
            held_out(message, campaign, record, rules, answer)
        }
    };
    let step = campaign.step_of(message);
    let ((answer, reason, detail, goes), coupon) =
        with_coupon(message, record, rules, from, answered);
    let mut checks = checks(message, campaign, record, mailbox, rules, from);
    checks.extend(coupon);
    MessageExplained {
        learned: step.and_then(|step| learned_from(step, record, rules, message.due)),
        step: message.step.to_string(),
        variant: message.variant.clone(),
        state,
        due: message.due,
        expires: message.expires,
        answer,
        reason: reason.code(),
        why: reason.text(),
        detail,
        goes,
        checks,
    }
}

type Answered = (PolicyAnswer, Reason, String, Option<Timestamp>);

/// What policy lets go may be held out, then.
fn held_out(
    message: &Message,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    answer: Answered,
) -> Answered {
    let (PolicyAnswer::Goes | PolicyAnswer::Waits, .., Some(goes)) = answer else {
        return answer;
    };
    let entries = (record.campaigns.get(&campaign.id).into_iter()).flat_map(|s| &s.entries);
    let mut own = entries.filter(|e| e.key == message.entry && e.state.is_open());
    match withheld(message, own.next(), record.no, campaign, rules) {
        Some(reason) => {
            let whom = who(reason, campaign, rules);
            (PolicyAnswer::HeldOut, reason, whom, Some(goes))
        }
        None => answer,
    }
}

/// Asks policy, and again at each instant that it names, as the outbox will.
fn ask(
    message: &Message,
    record: &Record,
    mailbox: &Mailbox,
    rules: &Rules,
    from: Timestamp,
) -> Answered {
    let mut at = from;
    let mut first: Option<(Reason, String)> = None;
    loop {
        match judge(message, record, mailbox, rules, at) {
            Decision::Go => {
                return match first {
                    None => (PolicyAnswer::Goes, Reason::Policy, String::new(), Some(at)),
                    Some((reason, detail)) => (PolicyAnswer::Waits, reason, detail, Some(at)),
                };
            }
            Decision::Later {
                at: then,
                reason,
                detail,
            } if then > at => {
                first.get_or_insert((reason, detail));
                at = then;
            }
            Decision::Later { reason, detail, .. } => {
                return (PolicyAnswer::Waits, reason, detail, None);
            }
            Decision::Never { reason, detail } => {
                return (PolicyAnswer::Never, reason, detail, None);
            }
            Decision::Paused { reason } => {
                return (PolicyAnswer::Paused, reason, String::new(), None);
            }
        }
    }
}

/// Every limit that bears on the message at `at`.
fn checks(
    message: &Message,
    campaign: &Campaign,
    record: &Record,
    mailbox: &Mailbox,
    rules: &Rules,
    at: Timestamp,
) -> Vec<PolicyCheck> {
    let check = |what, rule: String, present: String, lets_it_go| PolicyCheck {
        what,
        rule,
        present,
        lets_it_go,
        from: None,
    };
    let to = recipient(message, record);
    let mut all = vec![check(
        "address",
        "an email address".to_owned(),
        to.map_or("there is none".to_owned(), |to| mask(to.as_str())),
        to.is_some(),
    )];
    if let Some(s) = &mailbox.suppression {
        let present = format!("suppressed since {}: {}", s.at, s.note);
        let judged = judge(message, record, mailbox, rules, at);
        let binds =
            matches!(&judged, Decision::Never { reason, .. } if *reason == Reason::Suppressed);
        all.push(check(
            "suppression",
            "not suppressed".to_owned(),
            present,
            !binds,
        ));
    }
    if message.class != Class::Transactional {
        all.push(consent(message, record, mailbox, rules));
    }
    let limits = Limits::of(message.class, campaign, record, rules);
    if let Some(until) = limits.pause_until.filter(|until| *until > at) {
        all.push(PolicyCheck {
            what: "pause",
            rule: "the customer's pause".to_owned(),
            present: format!("until {until}"),
            lets_it_go: false,
            from: Some(until),
        });
    }
    if let Some(closed) = limits.closed {
        let open = closed.next_open(at, limits.zone, LEAD);
        all.push(PolicyCheck {
            what: "closed",
            rule: format!("the shop's closed days, {closed}"),
            present: match open == at {
                true => "open then".to_owned(),
                false => "closed then".to_owned(),
            },
            lets_it_go: open == at,
            from: Some(open).filter(|open| *open != at && *open != Timestamp::NEVER),
        });
    }
    for (window, whose) in &limits.windows {
        let open = window.next_open(at, limits.zone, LEAD);
        all.push(PolicyCheck {
            what: "hours",
            rule: format!("{whose}, {window}"),
            present: match open == Some(at) {
                true => "open then".to_owned(),
                false => "shut then".to_owned(),
            },
            lets_it_go: open == Some(at),
            from: open.filter(|open| *open != at),
        });
    }
    let others: Vec<&Place> = (mailbox.places.iter())
        .filter(|p| p.message.customer != record.no || p.message.message != message.no)
        .collect();
    for (cap, counts, whose) in &limits.caps {
        let places = limits.counted(&others, *counts);
        let fits = cap.next_fit(&places, at, limits.zone);
        all.push(PolicyCheck {
            what: "cap",
            rule: format!("{whose}, {cap}"),
            present: format!(
                "{} of {} taken",
                cap.taken(&places, at, limits.zone),
                cap.most
            ),
            lets_it_go: fits <= at,
            from: Some(fits).filter(|fits| *fits > at && *fits != Timestamp::NEVER),
        });
    }
    for (gap, counts, whose) in &limits.gaps {
        let places = limits.counted(&others, *counts);
        let fits = gap_fit(&places, *gap, at);
        let last = places.iter().max();
        all.push(PolicyCheck {
            what: "gap",
            rule: format!("{whose}, {gap}"),
            present: last.map_or("nothing was sent".to_owned(), |at| {
                format!("the last went {at}")
            }),
            lets_it_go: fits <= at,
            from: Some(fits).filter(|fits| *fits > at),
        });
    }
    all
}

fn consent(message: &Message, record: &Record, mailbox: &Mailbox, rules: &Rules) -> PolicyCheck {
    let topic = message.topic.as_ref();
    let what = topic.map_or("advertising".to_owned(), |t| format!("the topic \"{t}\""));
    let told = |c: &Consent| format!("{} ({})", c.at, c.source);
    let by_mailbox =
        consent_for(&mailbox.refusals, topic).filter(|c| c.state == ConsentState::Refused);
    let own = consent_for(&record.consents, topic);
    let refused = own.filter(|c| c.state == ConsentState::Refused);
    let rule = match message.class {
        Class::Advertising => format!("consent to {what}"),
        _ => format!("no refusal of {what}"),
    };
    let standing = standing_on(&record.consents, topic, &rules.topics);
    let pending = topic.and_then(|topic| record.pending.get(topic));
    let (lets_it_go, present) = match (by_mailbox, refused, message.class) {
        (.., Class::Advertising) if let Some(p) = pending => (
            false,
            format!("waits for confirmation since {} ({})", p.at, p.source),
        ),
        (Some(c), ..) => (false, format!("refused for this address {}", told(c))),
        (_, Some(c), _) => (false, format!("refused {}", told(c))),
        (.., Class::Informational | Class::Transactional) => (true, "none".to_owned()),
        (.., Class::Advertising)
            if standing == ConsentStanding::Given
                && takes_on_request_only(&record.attributes)
                && !is_on_request(topic, &rules.topics) =>
        {
            let present = "the customer takes only topics that go to those who ask for them";
            (false, present.to_owned())
        }
        (.., Class::Advertising) => match (standing, own) {
            (ConsentStanding::Given, Some(c)) => (true, format!("given {}", told(c))),
            (ConsentStanding::NotRequested, _) => {
                (false, "it goes only to those who asked for it".to_owned())
            }
            _ => (false, "none is known".to_owned()),
        },
    };
    PolicyCheck {
        what: "consent",
        rule,
        present,
        lets_it_go,
        from: None,
    }
}
