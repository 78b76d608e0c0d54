//! The top of a campaign file, what lets customers in, its limits; and topics.

use super::step::STEP;
use crate::campaign::keys;
use crate::config::schema::settings::BREAKERS;
use crate::config::schema::spelling::{
    CAP, CRON, EMAIL, EVENT, HOURS, LENGTH, LINE, LOCAL, LOCALE, NAME, PACE, PATH, QUOTA, SHARE,
    TIME, WORDS,
};
use crate::config::schema::{Described, Shape, lines};
use serde_json::{Value, json};

/// The classes, of a campaign or a step.
pub const CLASS: Shape = Shape::Words(&["advertising", "informational", "transactional"]);

/// One text, or a table of them by locale.
pub fn localized() -> Value {
    by_locale(LINE.schema())
}

/// The same of texts of several lines.
pub fn localized_lines() -> Value {
    by_locale(WORDS.schema())
}

fn by_locale(text: Value) -> Value {
    json!({
        "anyOf": [
            text,
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": LOCALE.schema(),
                "additionalProperties": text,
            },
        ],
    })
}

pub static CAMPAIGN: Described = Described {
    keys: &keys::CAMPAIGN,
    required: &["name", "state", "class", "step"],
    lines: lines! {
        "name": Shape::Spelled(&LINE), "How people call it; its identity is the file's name";
        "state": Shape::Words(&["draft", "test", "live"]), "\"draft\" enters nobody, \"test\" only customers marked as test, \"live\" everybody";
        "owner": Shape::Spelled(&EMAIL), "An address that is told by mail: the campaign has paused itself, waits for approval, its coupons run low";
        "class": CLASS, "\"advertising\" needs consent and a topic, \"informational\" no consent to advertising, \"transactional\" obeys nothing";
        "topic": Shape::Spelled(&NAME), "What customers subscribe to or leave, of topics.toml; advertising needs one";
        "priority": Shape::Whole(-1_000, 1_000), "Where several messages may go, the larger goes first; default 0";
        "tracking": Shape::Flag, "Whether opens and clicks are followed; default: of advertising only";
        "schedule": Shape::Table(&SCHEDULE), "At these times everybody in the audience enters who may";
        "trigger": Shape::Table(&TRIGGER), "An event, or a date of the profile, lets the customer in";
        "audience": Shape::Defined("condition"), "Who it is for: one condition";
        "entry": Shape::Table(&ENTRY), "On what terms customers enter and leave";
        "step": Shape::Some(&Shape::Table(&STEP)), "[[step]]: what a customer gets, one after the other";
        "limits": Shape::Table(&LIMITS), "On top of what the customer or the shop has set, for this campaign's messages";
        "renamed_from": Shape::Spelled(&NAME), "The file's former name, without .toml: what customers had of it goes on here";
        "goal": Shape::Table(&GOAL), "The event that counts as success, in a time after a message";
        "breakers": Shape::Table(&BREAKERS), "How much harm pauses this campaign, in place of the shop's limits";
    },
    also: Some(|| {
        json!({
            "not": { "required": ["schedule", "trigger"] },
            "anyOf": [{ "required": ["audience"] }, { "required": ["trigger"] }],
            "dependencies": { "schedule": ["audience", "entry"] },
            "if": { "required": ["class"], "properties": { "class": { "const": "advertising" } } },
            "then": { "required": ["topic"] },
            "allOf": [{
                "if": { "required": ["schedule"] },
                "then": { "properties": { "entry": { "required": ["existing"] } } },
            }],
        })
    }),
};

pub static SCHEDULE: Described = Described {
    keys: &keys::SCHEDULE,
    required: &[],
    lines: lines! {
        "cron": Shape::Spelled(&CRON), "Minute, hour, day of month, month, weekday: \"0 10 * * MON-FRI\"";
        "on": Shape::Spelled(&LOCAL), "Once, local time: \"2026-12-01 10:00\"";
        "timezone": Shape::Special(zone), "A zone such as \"Asia/Seoul\", or \"customer\": each customer's own clock; default: the shop's";
        "missed": Shape::Words(&["run_once", "skip"]), "Runs missed while the daemon was down: folded into the latest (default), or dropped";
        "max_late": Shape::Spelled(&LENGTH), "A missed run later than this is dropped; default \"6h\"";
    },
    also: Some(|| json!({ "oneOf": [{ "required": ["cron"] }, { "required": ["on"] }] })),
};

fn zone() -> Value {
    json!({ "anyOf": [{ "enum": ["customer"] }, { "$ref": "#/definitions/zone" }] })
}

pub static TRIGGER: Described = Described {
    keys: &keys::TRIGGER,
    required: &[],
    lines: lines! {
        "event": Shape::Spelled(&EVENT), "The event's name; \"*\" is anything that customers did themselves";
        "where": Shape::Defined("where"), "Only those with these properties";
        "count": Shape::Whole(1, 1_000_000), "That many of them; default 1";
        "within": Shape::Spelled(&LENGTH), "In this time; with `count`";
        "per": Shape::Spelled(&PATH), "One entry for each value of this property, such as \"cart_id\"";
        "repeat": Shape::Words(&["restart", "ignore"]), "The same event moves an entry that has sent nothing yet (default), or leaves it";
        "fresh": Shape::Spelled(&LENGTH), "Older than this on arrival, it is history and starts nothing; default \"24h\"";
        "date": Shape::Spelled(&PATH), "The attribute with the day, such as \"birthday\"";
        "every": Shape::Words(&["year"]), "The day comes each year";
        "before": Shape::Spelled(&LENGTH), "So many whole days before the day: \"3d\"";
        "after": Shape::Spelled(&LENGTH), "So many whole days after the day: \"3d\"";
        "at": Shape::Spelled(&TIME), "A time of the customer's own clock on that day: \"09:00\"";
    },
    also: Some(|| {
        json!({
            "oneOf": [{ "required": ["event"] }, { "required": ["date"] }],
            "not": { "required": ["before", "after"] },
            "dependencies": {
                "date": ["at"],
                "at": ["date"],
                "every": ["date"],
                "before": ["date"],
                "after": ["date"],
                "where": ["event"],
                "count": ["event"],
                "per": ["event"],
                "repeat": ["event"],
                "within": ["event", "count"],
            },
        })
    }),
};

pub static ENTRY: Described = Described {
    keys: &keys::ENTRY,
    required: &[],
    lines: lines! {
        "again": Shape::WordOr(&["never", "always", "after_leaving"], &LENGTH), "When a customer may enter again, for each entry key; default \"never\"";
        "at_most": Shape::Whole(1, 1_000_000), "So many entries in all";
        "existing": Shape::WordOr(&["skip", "enter"], &PACE), "Those whose audience holds already at the start: \"skip\", \"enter\", or a pace such as \"500 per 1d\"";
        "exit": Shape::List(&Shape::Defined("condition")), "When one of these holds, the entry ends and nothing more is sent";
        "on_change": Shape::Words(&["finish", "jump", "exit"]), "What a change of the steps means for those under way; default \"finish\"";
        "unless_in": Shape::Words(&["higher_priority"]), "Not while the customer is under way in a campaign of a higher priority";
        "appended": Shape::Words(&["never", "finished"]), "Whether a step appended to the end is for those who have finished, too; default \"never\"";
    },
    also: None,
};

pub static LIMITS: Described = Described {
    keys: &keys::LIMITS,
    required: &[],
    lines: lines! {
        "caps": Shape::List(&Shape::Spelled(&CAP)), "How many of this campaign's messages in what time: [\"2 per 30d\"]";
        "gap": Shape::Spelled(&LENGTH), "The least time between two messages of this campaign";
        "window": Shape::WordOr(&["always"], &HOURS), "Only in these hours; \"always\" lifts the shop's default window";
        "holdout": Shape::Spelled(&SHARE), "The share of customers who are not written to, to measure by: \"5%\"";
        "quota": Shape::Spelled(&QUOTA), "How many may enter: \"1000 per 1d\", \"100\" in all, or \"10%\" of all customers";
    },
    also: None,
};

pub static GOAL: Described = Described {
    keys: &keys::GOAL,
    required: &["event", "within"],
    lines: lines! {
        "event": Shape::Spelled(&EVENT), "The event's name; \"*\" is anything that customers did themselves";
        "where": Shape::Defined("where"), "Only those with these properties";
        "within": Shape::Spelled(&LENGTH), "So long after a message it counts, at most \"366d\"";
        "value": Shape::Spelled(&PATH), "The property that is its value; default: the event's `value` in config.toml";
    },
    also: None,
};

/// A pool of coupons.toml.
pub static POOL: Described = Described {
    keys: &keys::POOL,
    required: &[],
    lines: lines! {
        "file": Shape::Text, "A text file beside coupons.toml: a code a line";
        "generate": Shape::Table(&GENERATE), "The pool makes its codes itself";
        "valid": Shape::Spelled(&LENGTH), "How long a code is good, from when its mail was accepted; default: for ever";
        "most": Shape::Whole(1, 1_000_000), "Only the first so many codes are given; default: all";
        "most_each": Shape::Whole(1, 200), "So many codes a customer at most, over all campaigns; default: any number";
        "warn_below": Shape::Whole(0, 1_000_000), "Fewer left than this is told; default: a tenth";
        "renamed_from": Shape::Spelled(&NAME), "The pool's name before: its customers' codes are this pool's";
    },
    also: Some(|| json!({ "oneOf": [{ "required": ["file"] }, { "required": ["generate"] }] })),
};

pub static GENERATE: Described = Described {
    keys: &keys::GENERATE,
    required: &["count"],
    lines: lines! {
        "prefix": Shape::Text, "What each code begins with; default: nothing";
        "length": Shape::Whole(6, 16), "How many letters follow; default 8";
        "count": Shape::Whole(1, 1_000_000), "How many codes there are";
    },
    also: None,
};

pub static TOPIC: Described = Described {
    keys: &keys::TOPIC,
    required: &["name"],
    lines: lines! {
        "name": Shape::Special(localized), "Text by locale; customers see it";
        "description": Shape::Special(localized), "Text by locale; customers see it";
        "default": Shape::Flag, "Subscribed unless refused, once advertising as a whole is consented to; default true";
        "on_request": Shape::Flag, "Only for those who asked for it; default false";
        "confirm": Shape::Flag, "Double opt-in: nothing goes before the link of one mail was followed and confirmed; default false";
    },
    also: None,
};
