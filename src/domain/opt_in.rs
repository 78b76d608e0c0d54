//! Double opt-in: who asks for a topic that says `confirm` is written to, and gets nothing of it before the link in that
//! mail was followed and its button pressed. What is kept meanwhile, and the campaign of the program's own by which the
//! mail goes: it takes the one way that all messages take. What is done with it is [`super::react`]'s.

use super::breaker::Breakers;
use super::campaign::{Again, Campaign, CampaignState, EntryRules, Existing, Shows, Start, Step};
use super::campaign::{CampaignWindow, Limits, Localized, OnChange, Otherwise, Timing};
use super::cap::Cap;
use super::id::{CampaignId, EntryKey, StepId, TopicId};
use super::preference::{Class, ConsentState, Consents, Standing, consent_for, standing_on};
use super::record::{Mailbox, Record, Suppression, SuppressionCause};
use super::rules::{Controls, Rules};
use super::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The campaign's id; no file may bear it.
pub const CAMPAIGN: &str = "confirm_subscription";
/// Its template, which a shop may have of its own.
pub const TEMPLATE: &str = "confirm_subscription";
/// How many days a link confirms, from the asking that it answers.
pub const DAYS: i64 = 30;
pub const HOLDS: Span = Span::days(DAYS);
/// How often one mailbox is asked, whoever asks: nobody is to be flooded by way of a form.
pub const CAP: &str = "3 per 24h";
/// A mail that cannot go within this time of the asking does not go.
const EXPIRES: Span = Span::days(1);

/// A consent that was asked for and waits for its confirmation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// When it was said, as it was told.
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    /// Links of askings before this instant confirm nothing: they are answers to what was taken back since, or went to a
    /// former address.
    pub since: Timestamp,
}

pub type Pendings = BTreeMap<TopicId, Pending>;

/// The topic that an entry of the campaign asks about.
pub fn topic_of(key: &EntryKey) -> Option<TopicId> {
    TopicId::parse(&key.0).ok()
}

pub fn key_of(topic: &TopicId) -> EntryKey {
    EntryKey(topic.to_string())
}

/// What has become of an asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asking {
    /// Its link confirms.
    Open,
    /// It was confirmed, and that is in force.
    Confirmed,
    /// Its link has run out, or it was taken back.
    Over,
}

/// How the asking of `asked` for `topic` stands. `mailbox` is that of the customer's present address.
pub fn asking(
    record: &Record,
    mailbox: Option<&Mailbox>,
    rules: &Rules,
    topic: &TopicId,
    asked: Timestamp,
    now: Timestamp,
) -> Asking {
    let own = record.consents.get(&Some(topic.clone()));
    let given = own.is_some_and(|c| c.state == ConsentState::Given && c.at >= asked);
    if given && reaches(record, mailbox, rules, topic) {
        return Asking::Confirmed;
    }
    let holds = (record.pending.get(topic))
        .is_some_and(|pending| asked >= pending.since && now < asked + HOLDS);
    // Whoever shares the mailbox may have refused since.
    let refused = mailbox.and_then(|m| latest_refusal(&m.refusals, topic));
    match holds && refused.is_none_or(|refused| refused < asked) {
        true => Asking::Open,
        false => Asking::Over,
    }
}

/// Whether nothing goes to the mailbox, whatever its owner consents to now: that it could not be reached, reported mail as
/// unwanted, or was stopped by hand is undone by no press of a button.
pub fn is_barred(mailbox: &Mailbox, now: Timestamp) -> bool {
    use SuppressionCause::{Forgotten, Unsubscribe};
    let lifted = |s: &Suppression| matches!(s.cause, Unsubscribe | Forgotten) && s.at < now;
    (mailbox.suppression.as_ref()).is_some_and(|s| !lifted(s))
}

/// Whether the mails that ask for a confirmation are held back at present.
pub fn is_held_back(controls: &Controls) -> bool {
    let id = campaign_id();
    controls.held.is_some()
        || controls.paused_all
        || controls.paused.contains(&id)
        || controls.cancelled.contains(&id)
        || controls.paused_classes.contains(&Class::Transactional)
}

/// Whether advertising on `topic` reaches the customer, as far as words go: theirs, and those that bind the mailbox.
pub fn reaches(record: &Record, mailbox: Option<&Mailbox>, rules: &Rules, topic: &TopicId) -> bool {
    let bound = mailbox.and_then(|m| consent_for(&m.refusals, Some(topic)));
    standing_on(&record.consents, Some(topic), &rules.topics) == Standing::Given
        && bound.is_none_or(|c| c.state != ConsentState::Refused)
}

/// When `topic`, or advertising as a whole, was last refused, by what is known at present.
pub fn latest_refusal(consents: &Consents, topic: &TopicId) -> Option<Timestamp> {
    let refusal = |key: Option<TopicId>| {
        let known = consents.get(&key);
        let refused = known.filter(|c| c.state == ConsentState::Refused);
        refused.map(|c| c.at)
    };
    refusal(Some(topic.clone())).max(refusal(None))
}

pub fn campaign_id() -> CampaignId {
    // A constant, which a test reads.
    CampaignId::parse(CAMPAIGN).expect("the id of the program's own campaign is one")
}

/// The campaign, with these subjects; `hash` tells versions of its templates apart.
pub fn campaign(subject: Localized, hash: u64) -> Campaign {
    let step = Step {
        // Constants, as above.
        id: StepId::parse("ask").expect("the id of its step is one"),
        timing: Timing::AT_ONCE,
        only_if: None,
        otherwise: Otherwise::Skip,
        act: None,
        renamed_from: None,
        text: None,
        coupon: None,
        template: TEMPLATE.to_owned(),
        subject,
        preheader: Localized::new(),
        variants: Vec::new(),
        expires: EXPIRES,
        recheck: false,
        class: Class::Transactional,
        transport: None,
        shows: Shows::default(),
    };
    Campaign {
        id: campaign_id(),
        name: "Confirming a subscription".to_owned(),
        state: CampaignState::Live,
        owner: None,
        class: Class::Transactional,
        topic: None,
        priority: 0,
        tracking: Some(false),
        start: Start::Asked,
        audience: None,
        entry: EntryRules {
            again: Again::Always,
            at_most: None,
            existing: Existing::Skip,
            exit: Vec::new(),
            unless_in: None,
            on_change: OnChange::Finish,
            appended: false,
        },
        steps: vec![step],
        limits: Limits {
            caps: Cap::parse(CAP).into_iter().collect(),
            gap: None,
            window: CampaignWindow::None,
            holdout: None,
            quota: None,
        },
        hash,
        audience_hash: 1,
        journey: 1,
        renamed_from: None,
        goal: None,
        breakers: Breakers::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::{campaign, key_of, topic_of};
    use crate::domain::campaign::Localized;
    use crate::domain::id::TopicId;

    #[test]
    fn the_campaign_has_its_cap_and_an_entry_names_its_topic() {
        let campaign = campaign(Localized::new(), 1);
        assert_eq!(campaign.limits.caps.len(), 1);
        let topic = TopicId::parse("소식").unwrap();
        assert_eq!(topic_of(&key_of(&topic)), Some(topic));
    }
}
