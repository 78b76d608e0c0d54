//! Dates, preferences and what became of campaigns: random ones, what the record says of them, and the answer from scratch.

use super::customers::{DAYS, Dice, START, World, spans};
use super::messages::{Act, Raw};
use chrono::{Datelike, Days, NaiveDate, TimeZone};
use chrono_tz::Tz;
use reveille::domain::about::About;
use reveille::domain::campaign::{
    Again, Campaign, CampaignState, EntryRules, Existing, Limits, Localized, OnChange, Otherwise,
    Start, Step, Timing,
};
use reveille::domain::cap::Cap;
use reveille::domain::condition::{
    CampaignCondition, CampaignWas, Condition, DateCondition, DateRule, Preference,
    PreferenceCondition, PreferenceTest, Range,
};
use reveille::domain::engagement::{HitClass, HitKind};
use reveille::domain::id::{CampaignId, EntryKey, StepId};
use reveille::domain::preference::{Class, ConsentState, Format, Preferences};
use reveille::domain::record::{Entry, EntryState, Standing};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::{Properties, Value};
use reveille::domain::window::Window;
use std::collections::BTreeMap;
use std::sync::Arc;

const STEP: i64 = 6 * 3_600_000;
pub const ZONES: [Tz; 5] = [
    Tz::UTC,
    Tz::Asia__Seoul,
    Tz::America__New_York,
    Tz::Pacific__Chatham,
    Tz::America__Havana,
];
const CAMPAIGNS: [(&str, Class, i32); 3] = [
    ("dormant", Class::Informational, 5),
    ("receipt", Class::Transactional, 50),
    ("welcome", Class::Advertising, -5),
];

/// One entry, and how and when it ended.
pub struct RawEntry {
    campaign: &'static str,
    at: i64,
    end: Option<(i64, CampaignWas)>,
}

impl RawEntry {
    pub fn instants(&self) -> impl Iterator<Item = i64> {
        [Some(self.at), self.end.map(|(at, _)| at)]
            .into_iter()
            .flatten()
    }
}

pub fn entries(dice: &mut Dice) -> Vec<RawEntry> {
    (0..dice.below(5))
        .map(|_| {
            let at = START + dice.below(90) as i64 * STEP;
            let end = at + dice.below(40) as i64 * STEP;
            let how = *dice.of(&[CampaignWas::Finished, CampaignWas::Left]);
            RawEntry {
                campaign: dice.of(&CAMPAIGNS).0,
                at,
                end: (!dice.one_in(3)).then_some((end, how)),
            }
        })
        .collect()
}

/// What the record remembers of campaigns at `now`.
pub fn standings(world: &World, now: i64) -> BTreeMap<CampaignId, Standing> {
    let mut all: BTreeMap<CampaignId, Standing> = BTreeMap::new();
    for (n, raw) in world.entries.iter().enumerate() {
        if raw.at > now {
            continue;
        }
        let state = match raw.end.filter(|(at, _)| *at <= now) {
            Some((at, CampaignWas::Finished)) => EntryState::Finished { at: Timestamp(at) },
            Some((at, _)) => EntryState::Left { at: Timestamp(at) },
            None => EntryState::Waiting {
                step: StepId::parse("hello").unwrap(),
                due: Timestamp::NEVER,
            },
        };
        let standing = all
            .entry(CampaignId::parse(raw.campaign).unwrap())
            .or_default();
        standing.entries.push(Entry {
            key: EntryKey(n.to_string()),
            at: Timestamp(raw.at),
            state,
            counted: true,
            since: Timestamp(raw.at),
            passed: Vec::new(),
            clock: None,
            drawn: None,
            about: About::default(),
            journey: 0,
        });
    }
    all
}

/// `dormant` is no advertising, save its step `gift`.
pub fn campaigns() -> BTreeMap<CampaignId, Arc<Campaign>> {
    let step = |id: &str, class| Step {
        id: StepId::parse(id).unwrap(),
        timing: Timing::AT_ONCE,
        only_if: None,
        otherwise: Otherwise::Skip,
        act: None,
        renamed_from: None,
        text: None,
        template: String::new(),
        subject: Localized::new(),
        preheader: Localized::new(),
        variants: Vec::new(),
        expires: Span::days(3),
        recheck: true,
        class,
        transport: None,
        shows: Default::default(),
        coupon: None,
    };
    let campaign = |(name, class, priority): (&str, Class, i32)| {
        let id = CampaignId::parse(name).unwrap();
        let campaign = Campaign {
            id: id.clone(),
            name: name.into(),
            state: CampaignState::Live,
            owner: None,
            class,
            topic: None,
            priority,
            tracking: None,
            start: Start::Audience,
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
            steps: vec![step("hello", class), step("gift", Class::Advertising)],
            limits: Limits::default(),
            hash: 0,
            audience_hash: 0,
            journey: 0,
            renamed_from: None,
            goal: None,
            breakers: Default::default(),
        };
        (id, Arc::new(campaign))
    };
    CAMPAIGNS.map(campaign).into()
}

pub fn preferences(dice: &mut Dice) -> Preferences {
    let some = |dice: &mut Dice| dice.one_in(2);
    Preferences {
        timezone: some(dice).then(|| *dice.of(&ZONES)),
        locale: some(dice).then(|| dice.word(&["ko", "ko-KR", "en-GB", "kok"]).to_owned()),
        window: some(dice).then(|| Window::parse("Mon-Fri 09:00-18:00").unwrap()),
        caps: some(dice).then(|| {
            let caps = ["1 per day", "2 per 7d"].map(|text| Cap::parse(text).unwrap());
            caps[..dice.below(3) as usize].to_vec()
        }),
        gap: some(dice).then(|| Span::days(1 + dice.below(2) as i64)),
        pause_until: some(dice).then(|| Timestamp(START + dice.below(100) as i64 * STEP)),
        format: some(dice).then(|| *dice.of(&[Format::Html, Format::Text])),
    }
}

/// A date near the days that are looked at, or none.
pub fn dates(dice: &mut Dice, properties: &mut Properties) {
    let day = NaiveDate::from_ymd_opt(2023, 11, 10).unwrap() + Days::new(dice.below(130));
    let text = match dice.below(6) {
        0 => day.format("%m-%d").to_string(),
        1 => day.format("--%m-%d").to_string(),
        2 => format!("{}", day.format("1990-%m-%d")),
        3 => "soon".to_owned(),
        _ => day.to_string(),
    };
    properties.insert("born".into(), Value::Text(text));
}

pub fn condition(dice: &mut Dice) -> Condition {
    match dice.below(6) {
        0 => Condition::Date(DateCondition {
            rule: DateRule {
                path: vec!["born".into()],
                yearly: dice.one_in(2),
            },
            before: dice.below(9) as u32 * 3,
            after: dice.below(9) as u32,
        }),
        1 => {
            let (name, what) = *dice.of(&Preference::ALL);
            let values = match name {
                "window" => &["Mon-Fri 09:00-18:00", "Sat 10:00-12:00"][..],
                "caps" => &["2 per 7d", "1 per day"],
                "gap" => &["24h", "3d"],
                "locale" => &["ko", "en-GB", "en"],
                "timezone" => &["Asia/Seoul", "UTC"],
                "format" => &["html", "text"],
                _ => &[],
            };
            let test = match values {
                [] => PreferenceTest::Exists(dice.one_in(2)),
                _ if dice.one_in(2) => PreferenceTest::Exists(dice.one_in(2)),
                values => PreferenceTest::OneOf(vec![what.spelled(dice.word(values)).unwrap()]),
            };
            Condition::Preference(PreferenceCondition { what, test })
        }
        2 => Condition::Campaign(CampaignCondition {
            campaign: CampaignId::parse(dice.of(&CAMPAIGNS).0).unwrap(),
            was: dice.of(&CampaignWas::ALL).1,
            within: (!dice.one_in(3)).then(|| super::customers::span(dice)),
        }),
        3 => Condition::UnderWay {
            above: *dice.of(&[-10, -5, 0, 5, 60]),
        },
        4 => Condition::Engaged(spans(dice)),
        _ => {
            let low = dice.below(4);
            Condition::Unanswered(Range {
                low: Some(low),
                high: dice.one_in(2).then_some(low + 1),
            })
        }
    }
}

/// When days begin on the customer's clock, around what is looked at.
pub fn midnights(zone: Tz) -> Vec<i64> {
    let first = NaiveDate::from_ymd_opt(2023, 11, 8).unwrap();
    (0..100)
        .filter_map(|n| {
            let midnight = (first + Days::new(n)).and_hms_opt(0, 0, 0)?;
            Some(
                zone.from_local_datetime(&midnight)
                    .earliest()?
                    .timestamp_millis(),
            )
        })
        .collect()
}

fn date_holds(world: &World, asked: &DateCondition, now: i64) -> bool {
    let Some(Value::Text(text)) = world.attributes.get("born") else {
        return false;
    };
    let today = chrono::Utc
        .timestamp_millis_opt(now)
        .unwrap()
        .with_timezone(&world.zone)
        .date_naive();
    let single = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let short = text.trim_start_matches("--");
    // 2000 is as good as any leap year.
    let monthly = NaiveDate::parse_from_str(&format!("2000-{short}"), "%Y-%m-%d").ok();
    let is = |day: NaiveDate| match (single, monthly) {
        (Some(date), _) if !asked.rule.yearly => day == date,
        (Some(date), _) => day.year() >= date.year() && same_day(day, date),
        (None, Some(date)) => same_day(day, date),
        (None, None) => false,
    };
    let ahead = (0..=asked.before).any(|n| is(today + Days::new(n.into())));
    ahead || (0..=asked.after).any(|n| is(today - Days::new(n.into())))
}

fn same_day(day: NaiveDate, date: NaiveDate) -> bool {
    let shown = if date.month() == 2 && date.day() == 29 && !day.leap_year() {
        28
    } else {
        date.day()
    };
    day.month() == date.month() && day.day() == shown
}

fn preference_holds(world: &World, asked: &PreferenceCondition, now: i64) -> bool {
    let own = &world.preferences;
    let digest = world.consents.iter().any(|(topic, consent)| {
        let refused_since = world
            .consents
            .get(&None)
            .is_some_and(|w| w.state == ConsentState::Refused && w.at > consent.at);
        topic.as_ref().is_some_and(|t| t.as_str() == "digest")
            && consent.state == ConsentState::Given
            && !refused_since
    });
    match (&asked.test, asked.what) {
        (PreferenceTest::Exists(wanted), what) => {
            let set = match what {
                Preference::Window => own.window.is_some(),
                Preference::Caps => own.caps.is_some(),
                Preference::Gap => own.gap.is_some(),
                Preference::Locale => own.locale.is_some(),
                Preference::Timezone => own.timezone.is_some(),
                Preference::Format => own.format.is_some(),
                Preference::Pause => own.pause_until.is_some_and(|until| until.0 > now),
                Preference::OnRequest => digest,
            };
            set == *wanted
        }
        (PreferenceTest::OneOf(wanted), what) => wanted.iter().any(|wanted| match what {
            Preference::Window => own.window == Window::parse(wanted).ok(),
            Preference::Caps => own
                .caps
                .iter()
                .flatten()
                .any(|cap| Some(*cap) == Cap::parse(wanted).ok()),
            Preference::Gap => own.gap.is_some_and(|gap| Ok(gap) == Span::parse(wanted)),
            Preference::Timezone => own.timezone.is_some_and(|zone| zone.name() == wanted),
            Preference::Format => own
                .format
                .is_some_and(|f| wanted == if f == Format::Text { "text" } else { "html" }),
            Preference::Locale => own.locale.as_ref().is_some_and(|own| {
                let own: Vec<String> = own.split('-').map(str::to_lowercase).collect();
                let wanted: Vec<&str> = wanted.split('-').collect();
                own.len() >= wanted.len() && wanted.iter().zip(&own).all(|(a, b)| a == b)
            }),
            Preference::Pause | Preference::OnRequest => false,
        }),
    }
}

/// The answers to one message that were heard of.
fn answers(world: &World, raw: &Raw) -> Vec<i64> {
    let heard = world.heard.get();
    let left = raw.acts[0].0;
    let orders = (world.messages.iter().flat_map(|m| &m.acts))
        .filter(|(at, act)| *act == Act::Ordered && left <= *at && at - left < 7 * DAYS);
    let hits = raw.acts.iter().filter(|(_, act)| {
        matches!(
            act,
            Act::Hit(HitKind::Open | HitKind::Click, HitClass::HumanLikely)
        )
    });
    (orders.chain(hits))
        .map(|(at, _)| *at)
        .filter(|at| *at <= heard && left <= heard)
        .collect()
}

/// The answer from scratch, by what was heard by `world.heard`.
pub fn holds(world: &World, condition: &Condition, now: i64) -> bool {
    let heard = world.heard.get();
    match condition {
        Condition::Date(date) => date_holds(world, date, now),
        Condition::Preference(preference) => preference_holds(world, preference, now),
        Condition::Campaign(asked) => world.entries.iter().any(|raw| {
            let at = match asked.was {
                CampaignWas::Entered => Some(raw.at),
                was => raw.end.filter(|(_, how)| *how == was).map(|(at, _)| at),
            };
            let recent = |at: i64| {
                at <= heard && raw.at <= heard && asked.within.is_none_or(|w| now - at < w.0)
            };
            raw.campaign == asked.campaign.as_str() && at.is_some_and(recent)
        }),
        Condition::UnderWay { above } => world.entries.iter().any(|raw| {
            let open = raw.at <= heard && raw.end.is_none_or(|(at, _)| at > heard);
            let (_, class, priority) = CAMPAIGNS.into_iter().find(|c| c.0 == raw.campaign).unwrap();
            open && priority > *above && class != Class::Transactional
        }),
        Condition::Engaged(range) => {
            let latest = world.messages.iter().flat_map(|raw| answers(world, raw));
            latest.max().is_some_and(|at| {
                let age = now - at;
                range.low.is_none_or(|low| age >= low.0)
                    && range.high.is_none_or(|high| age <= high.0)
            })
        }
        Condition::Unanswered(range) => {
            let mut left: Vec<&Raw> = world.messages.iter().collect();
            left.retain(|raw| raw.acts[0].0 <= heard && raw.advertises());
            left.retain(|raw| {
                !(raw.acts.iter()).any(|(at, act)| *act == Act::Bounced && *at <= heard)
            });
            left.sort_by_key(|raw| raw.acts[0].0);
            let mut row = 0;
            while let Some(raw) = left.pop() {
                if !answers(world, raw).is_empty() {
                    break;
                }
                row += 1;
            }
            range.low.is_none_or(|low| row >= low) && range.high.is_none_or(|high| row <= high)
        }
        _ => unreachable!("asked elsewhere"),
    }
}
