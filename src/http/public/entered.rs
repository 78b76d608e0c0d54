//! The preference centre's form as texts: what it holds for a customer as they stand, and what came back posted. What it
//! means is for [`super::choices`].

use super::body::Posted;
use crate::domain::id::TopicId;
use crate::domain::opt_in::{is_barred, is_held_back, reaches};
use crate::domain::policy::zone_of;
use crate::domain::preference::{Format, takes_on_request_only};
use crate::domain::record::{Mailbox, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wall::local;
use crate::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The caps that are offered; any other one that a customer has is kept unless they choose one of these.
pub const CAPS: [&str; 6] = [
    "1 per day",
    "3 per 7d",
    "2 per 7d",
    "1 per 7d",
    "1 per 14d",
    "1 per 30d",
];

/// What stands for "leave it as it is".
pub const KEEP: &str = "keep";

/// A customer, and what their choices are judged by.
pub struct Seen {
    pub record: Record,
    /// Of the present address.
    pub mailbox: Mailbox,
    pub rules: Arc<Rules>,
    pub now: Timestamp,
}

impl Seen {
    /// Whether mails on this topic reach the customer, as far as their word goes.
    pub fn gets(&self, topic: &TopicId) -> bool {
        reaches(&self.record, Some(&self.mailbox), &self.rules, topic)
    }

    pub fn takes_on_request_only(&self) -> bool {
        takes_on_request_only(&self.record.attributes)
    }

    /// Whether they want mails on this topic: what waits for a confirmation was asked for.
    pub fn wants(&self, topic: &TopicId) -> bool {
        self.gets(topic) || self.record.pending.contains_key(topic)
    }

    /// Whether the mail that asks for a confirmation can reach them at present.
    pub fn can_be_asked(&self) -> bool {
        !is_held_back(&self.rules.controls) && !is_barred(&self.mailbox, self.now)
    }

    /// The break that is under way, by its last day's morrow.
    pub fn paused_until(&self) -> Option<Timestamp> {
        let until = self.record.preferences.pause_until;
        until.filter(|until| *until > self.now)
    }
}

/// What stands in the form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entered {
    pub topics: BTreeSet<String>,
    /// The topics that were ticked when the form was made: only what the customer changed is taken, so that an old form
    /// brings nothing back that was left meanwhile.
    pub had: BTreeSet<String>,
    /// `any`, `own` or `keep`.
    pub hours: String,
    /// Weekdays by number, Monday is 0.
    pub days: BTreeSet<String>,
    pub from: String,
    pub to: String,
    pub zone: String,
    pub often: String,
    pub pause: String,
    pub locale: String,
    /// `html` or `text`.
    pub format: String,
    /// `yes` where they want no advertising but what they asked for by name.
    pub only: String,
    /// What stood in the fields when the form was made, for the same reason as `had`. A form of before there was this
    /// says nothing of it.
    pub was: BTreeMap<&'static str, String>,
}

/// The fields that are kept to what they were where the customer did not touch them.
const FIELDS: [&str; 7] = [
    "hours", "zone", "often", "pause", "locale", "format", "only",
];

impl Entered {
    /// The form as it is first shown.
    pub fn of(seen: &Seen) -> Entered {
        let own = &seen.record.preferences;
        let shop = seen.rules.shop.window.as_ref().and_then(plain);
        let own_hours = own.window.as_ref().map(plain);
        let (days, from, to) = (own_hours.clone().flatten()).or(shop).unwrap_or((
            0b111_1111,
            "09:00".into(),
            "21:00".into(),
        ));
        let topics: BTreeSet<String> = (seen.rules.topics.keys())
            .filter(|topic| seen.wants(topic))
            .map(|topic| topic.to_string())
            .collect();
        let zone = zone_of(&seen.record, &seen.rules);
        let mut entered = Entered {
            had: topics.clone(),
            topics,
            hours: match own_hours {
                None => "any",
                Some(None) => KEEP,
                Some(Some(_)) => "own",
            }
            .to_owned(),
            days: (0..7u8)
                .filter(|day| days >> day & 1 == 1)
                .map(|day| day.to_string())
                .collect(),
            from,
            to,
            zone: own.timezone.map_or("", |zone| zone.name()).to_owned(),
            often: match own.caps.as_deref() {
                None => String::new(),
                Some([cap]) if CAPS.contains(&cap.to_string().as_str()) => cap.to_string(),
                Some(_) => KEEP.to_owned(),
            },
            pause: (seen.paused_until())
                .map(|until| local(until, zone).date().to_string())
                .unwrap_or_default(),
            locale: own.locale.clone().unwrap_or_default(),
            format: own.format.unwrap_or(Format::Html).as_str().to_owned(),
            only: match seen.takes_on_request_only() {
                true => "yes".to_owned(),
                false => String::new(),
            },
            was: BTreeMap::new(),
        };
        entered.was = (FIELDS.iter())
            .map(|field| (*field, entered.field(field)))
            .collect();
        entered
    }

    /// One of [`FIELDS`] as a text; the hours with all that belongs to them.
    fn field(&self, name: &str) -> String {
        match name {
            "hours" if self.hours == "own" => {
                let days: Vec<&str> = self.days.iter().map(String::as_str).collect();
                format!("own {} {} {}", days.join(","), self.from, self.to)
            }
            "hours" => self.hours.clone(),
            "zone" => self.zone.clone(),
            "often" => self.often.clone(),
            "pause" => self.pause.clone(),
            "locale" => self.locale.clone(),
            "format" => self.format.clone(),
            "only" => self.only.clone(),
            _ => String::new(),
        }
    }

    /// Whether the customer has chosen anything else in this field than the form showed them, and than stands at present
    /// (`before`).
    pub fn changes(&self, field: &str, before: &Entered) -> bool {
        let (chosen, present) = (self.field(field), before.field(field));
        let shown = self.was.get(field).unwrap_or(&present);
        chosen != present && chosen != *shown
    }

    pub fn posted(posted: &Posted) -> Entered {
        let set = |name| posted.all(name).map(str::to_owned).collect();
        let text = |name| posted.get(name).unwrap_or_default().trim().to_owned();
        Entered {
            topics: set("topic"),
            had: set("had"),
            hours: text("hours"),
            days: set("day"),
            from: text("from"),
            to: text("to"),
            zone: text("zone"),
            often: text("often"),
            pause: text("pause"),
            locale: text("locale"),
            format: text("format"),
            only: text("only"),
            was: (FIELDS.iter())
                .filter_map(|field| {
                    let was = posted.get(&format!("was_{field}"))?;
                    Some((*field, was.trim().to_owned()))
                })
                .collect(),
        }
    }
}

/// Days, start and end of a window that the form can show: the same hours on some days.
fn plain(window: &Window) -> Option<(u8, String, String)> {
    let first = window.spans.first()?;
    let same = |span: &crate::domain::window::WindowSpan| {
        (span.start, span.end) == (first.start, first.end)
    };
    if !window.spans.iter().all(same) {
        return None;
    }
    let days = window.spans.iter().fold(0, |days, span| days | span.days);
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
    Some((days, time(first.start), time(first.end)))
}
