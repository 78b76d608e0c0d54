//! Messages that left and what came back for them: at random, told to the domain's memory in the order in which it
//! happened, and asked of naively.

use super::customers::{Dice, START, World, span};
use reveille::domain::condition::{Condition, MessageCondition, MessageWas};
use reveille::domain::engagement::{Engagement, HitClass, HitKind, SentMessages};
use reveille::domain::id::{CampaignId, EntryKey, MessageNo, StepId};
use reveille::domain::ledger::Reason;
use reveille::domain::preference::Class;
use reveille::domain::record::{Message, MessageState};
use reveille::domain::time::{Span, Timestamp};

const STEP: i64 = 6 * 3_600_000;
const CAMPAIGNS: [&str; 2] = ["welcome", "dormant"];
const STEPS: [&str; 2] = ["hello", "gift"];
const KEYS: [&str; 3] = ["1", "2", "3"];

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Act {
    Leaves,
    Accepted,
    Bounced,
    Hit(HitKind, HitClass),
    Ordered,
}

/// A message, with everything that ever happened to it.
pub struct Raw {
    campaign: &'static str,
    step: &'static str,
    key: &'static str,
    pub acts: Vec<(i64, Act)>,
}

impl Raw {
    /// As `standing::campaigns` says.
    pub fn advertises(&self) -> bool {
        self.campaign == "welcome" || self.step == "gift"
    }
}

pub fn raws(dice: &mut Dice) -> Vec<Raw> {
    let grid = |dice: &mut Dice, most: u64| dice.below(most) as i64 * STEP;
    (0..dice.below(6))
        .map(|_| {
            let left = START + grid(dice, 80);
            let mut acts = vec![(left, Act::Leaves)];
            for _ in 0..dice.below(6) {
                let act = match dice.below(8) {
                    0 => Act::Accepted,
                    1 => Act::Bounced,
                    2 => Act::Ordered,
                    _ => Act::Hit(
                        *dice.of(&[HitKind::Open, HitKind::Click]),
                        *dice.of(&HitClass::ALL),
                    ),
                };
                acts.push((left + grid(dice, 40), act));
            }
            acts.sort_by_key(|(at, _)| *at);
            Raw {
                campaign: dice.word(&CAMPAIGNS),
                step: dice.word(&STEPS),
                key: dice.word(&KEYS),
                acts,
            }
        })
        .collect()
}

fn message(no: u32, raw: &Raw) -> Message {
    let at = Timestamp(raw.acts[0].0);
    Message {
        no: MessageNo(no),
        campaign: CampaignId::parse(raw.campaign).unwrap(),
        step: StepId::parse(raw.step).unwrap(),
        entry: EntryKey(raw.key.to_owned()),
        class: Class::Advertising,
        topic: None,
        priority: 0,
        variant: None,
        state: MessageState::Attempting(1),
        due: at,
        expires: at,
        not_before: at,
        released: true,
        parked: false,
        to: None,
        attempts: 1,
        doubted: false,
        before: None,
        staff: None,
        coupon: None,
        dry: false,
    }
}

/// What the record remembers at `now`.
pub fn remembered(world: &World, now: i64) -> SentMessages {
    let mut sent = SentMessages::default();
    let mut all: Vec<(i64, usize, Act)> = Vec::new();
    for (n, raw) in world.messages.iter().enumerate() {
        all.extend(raw.acts.iter().map(|(at, act)| (*at, n, *act)));
    }
    all.retain(|(at, _, _)| *at <= now);
    // What leaves at an instant has left when the rest of that instant is told.
    all.sort_by_key(|(at, _, act)| (*at, *act != Act::Leaves));
    for (at, n, act) in all {
        let (no, at) = (MessageNo(n as u32 + 1), Timestamp(at));
        match act {
            Act::Leaves => sent.leaves(&message(no.0, &world.messages[n]), at),
            Act::Accepted => sent.accepted(no, at),
            Act::Bounced => sent.bounced(no, at),
            Act::Ordered => sent.ordered(at),
            Act::Hit(kind, class) => {
                let engagement = Engagement {
                    message: no,
                    kind,
                    class,
                    reason: Reason::Reader,
                    link: None,
                    first: at,
                    last: at,
                };
                sent.engaged(&engagement).unwrap();
            }
        }
    }
    sent
}

pub fn condition(dice: &mut Dice) -> Condition {
    let (_, was) = *dice.of(&MessageWas::ALL);
    Condition::Message(MessageCondition {
        campaign: CampaignId::parse(dice.word(&CAMPAIGNS)).unwrap(),
        step: StepId::parse(dice.word(&STEPS)).unwrap(),
        was,
        within: (!dice.one_in(3)).then(|| span(dice)),
        of_entry: dice.one_in(4),
    })
}

/// The answer from scratch, by what was heard by `world.heard`.
pub fn holds(world: &World, asked: &MessageCondition, now: i64) -> bool {
    let heard = world.heard.get();
    let fits = |raw: &&Raw| {
        let own = world
            .entry
            .as_ref()
            .is_some_and(|(entered, key, _)| raw.key == key.as_str() && raw.acts[0].0 >= *entered);
        raw.campaign == asked.campaign.as_str()
            && raw.step == asked.step.as_str()
            && (own || !asked.of_entry)
    };
    let orders: Vec<i64> = (world.messages.iter().flat_map(|raw| &raw.acts))
        .filter(|(_, act)| *act == Act::Ordered)
        .map(|(at, _)| *at)
        .collect();
    let human = |act: &Act, kind: Option<HitKind>| match act {
        Act::Hit(k, HitClass::HumanLikely) => kind.is_none_or(|kind| kind == *k),
        _ => false,
    };
    let counts = |raw: &Raw, at: i64, act: &Act| match asked.was {
        MessageWas::Sent => *act == Act::Leaves,
        // The latest word is the one that stands.
        MessageWas::Accepted => *act == Act::Accepted && latest(raw, Act::Accepted, heard) == at,
        MessageWas::Bounced => *act == Act::Bounced && latest(raw, Act::Bounced, heard) == at,
        MessageWas::Opened | MessageWas::Answered => human(act, None),
        MessageWas::MaybeOpened => {
            let machine = matches!(
                act,
                Act::Hit(HitKind::Open, HitClass::PrivacyProxy | HitClass::Unknown)
            );
            human(act, None) || machine
        }
        MessageWas::Clicked => human(act, Some(HitKind::Click)),
    };
    let recent =
        |at: i64| at <= heard && at <= now && asked.within.is_none_or(|within| now - at < within.0);
    let week = Span::days(7).0;
    world.messages.iter().filter(fits).any(|raw| {
        let left = raw.acts[0].0;
        let ordered = asked.was == MessageWas::Answered
            && orders
                .iter()
                .any(|at| left <= *at && at - left < week && left <= heard && recent(*at));
        ordered || (raw.acts.iter()).any(|(at, act)| recent(*at) && counts(raw, *at, act))
    })
}

fn latest(raw: &Raw, wanted: Act, heard: i64) -> i64 {
    let at = (raw.acts.iter()).filter(|(at, act)| *act == wanted && *at <= heard);
    at.map(|(at, _)| *at).max().unwrap_or(i64::MIN)
}
