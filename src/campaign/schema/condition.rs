//! Conditions: one table with one leading key, on which the others depend.
//!
//! Each kind is a rule of its own, asked for by its leading key (`dependencies`), so that an editor names what is wrong
//! with that kind and not that none of seventeen fits. All keys stand in `properties`, too, for completion.

use super::value::{TESTS, filter};
use crate::campaign::keys::{self, CONDITIONS};
use crate::config::schema::spelling::{
    AGE, COUNT, EVENT as EVENT_NAME, LENGTH, NAME, PATH, RANGE, STEP, TAG as TAG_NAME, WORDS,
};
use crate::config::schema::{Described, Line, Shape};
use crate::domain::condition::{CampaignWas, MessageWas, Preference};
use serde_json::{Map, Value, json};

/// What conditions refer to in a schema: the condition first.
pub fn definitions() -> Vec<(&'static str, Value)> {
    vec![("condition", condition()), ("where", filter())]
}

fn kinds() -> impl Iterator<Item = (&'static str, &'static Described)> {
    CONDITIONS.iter().filter_map(|(leading, keys)| {
        let described = super::ALL.iter().find(|d| std::ptr::eq(d.keys, *keys));
        described.map(|described| (*leading, *described))
    })
}

fn condition() -> Value {
    let mut by_key: Map<String, Value> = Map::new();
    let mut rules = Map::new();
    let mut leading_keys = Vec::new();
    for (leading, described) in kinds() {
        let rule = described.schema();
        if let Some(properties) = rule["properties"].as_object() {
            for (key, schema) in properties {
                join(&mut by_key, key, schema);
            }
        }
        rules.insert(leading.to_owned(), rule);
        leading_keys.push(json!({ "required": [leading] }));
    }
    json!({
        "type": "object",
        "description": "A condition: one leading key, which the others refine",
        "properties": by_key,
        "additionalProperties": false,
        "anyOf": leading_keys,
        "dependencies": rules,
    })
}

/// A key that several kinds know: what any of them takes.
fn join(all: &mut Map<String, Value>, key: &str, schema: &Value) {
    let Some(known) = all.get_mut(key) else {
        all.insert(key.to_owned(), schema.clone());
        return;
    };
    let plain = |schema: &Value| {
        let mut schema = schema.clone();
        if let Value::Object(object) = &mut schema {
            object.remove("description");
        }
        schema
    };
    let texts = [known, schema].map(|s| s["description"].as_str().unwrap_or("").to_owned());
    let mut forms: Vec<Value> = match known.get("anyOf").and_then(Value::as_array) {
        Some(forms) if known.get("type").is_none() => forms.clone(),
        _ => vec![plain(known)],
    };
    let new = plain(schema);
    if !forms.contains(&new) {
        forms.push(new);
    }
    let [before, now] = texts;
    let meaning = match before.split(" / ").any(|one| one == now) {
        true => before,
        false => format!("{before} / {now}"),
    };
    *known = match forms.as_slice() {
        [one] => one.clone(),
        _ => json!({ "anyOf": forms }),
    };
    known["description"] = json!(meaning);
}

fn words<T>(all: &'static [(&'static str, T)]) -> Vec<&'static str> {
    all.iter().map(|(word, _)| *word).collect()
}

fn message_was() -> Vec<&'static str> {
    words(&MessageWas::ALL)
}

fn campaign_was() -> Vec<&'static str> {
    words(&CampaignWas::ALL)
}

fn preferences() -> Vec<&'static str> {
    words(&Preference::ALL)
}

const WHERE: Line = (
    "where",
    Shape::Defined("where"),
    "Only those with these properties: { category = \"tea\", price = { is = \">= 10\" } }",
);
pub(super) const WITHIN: Line = (
    "within",
    Shape::Spelled(&LENGTH),
    "Only in the time up to now: \"30d\"",
);
const SINCE: Line = (
    "since",
    Shape::Words(&["entry"]),
    "Only at or after the entry; in `exit` and in steps",
);
const SAME: Line = (
    "same",
    Shape::Spelled(&PATH),
    "Only those whose property equals the entry's key; in `exit` and steps of a campaign with `per`",
);

pub static EVENT: Described = Described {
    keys: &keys::EVENT,
    required: &["event"],
    lines: &[
        (
            "event",
            Shape::Spelled(&EVENT_NAME),
            "It happened; \"*\" is anything that customers did themselves",
        ),
        WHERE,
        (
            "count",
            Shape::Spelled(&COUNT),
            "How many: \">= 3\", \"3..5\", \"0\"",
        ),
        (
            "sum",
            Shape::Spelled(&PATH),
            "The property that is added up; with `is`",
        ),
        (
            "is",
            Shape::Spelled(&RANGE),
            "What the sum must be: \">= 100\"",
        ),
        WITHIN,
        SINCE,
        (
            "last",
            Shape::Spelled(&AGE),
            "The age of the latest: \">= 90d\", \"75d..90d\"",
        ),
        (
            "first",
            Shape::Spelled(&AGE),
            "The age of the earliest: \">= 90d\"",
        ),
        (
            "gap",
            Shape::Spelled(&AGE),
            "The time between the latest two: \">= 180d\"",
        ),
        SAME,
    ],
    also: Some(|| json!({ "dependencies": { "sum": ["is"] } })),
};

pub static NO_EVENT: Described = Described {
    keys: &keys::NO_EVENT,
    required: &["no_event"],
    lines: &[
        (
            "no_event",
            Shape::Spelled(&EVENT_NAME),
            "It did not happen, also to customers who are new",
        ),
        WHERE,
        WITHIN,
        SINCE,
        SAME,
    ],
    also: None,
};

pub static KNOWN_FOR: Described = Described {
    keys: &keys::KNOWN_FOR,
    required: &["known_for"],
    lines: &[(
        "known_for",
        Shape::Spelled(&AGE),
        "How long since `createdAt`, the first event or first sight: \">= 30d\"",
    )],
    also: None,
};

pub static ATTRIBUTE: Described = Described {
    keys: &keys::ATTRIBUTE,
    required: &["attribute"],
    lines: &[
        (
            "attribute",
            Shape::Spelled(&PATH),
            "The profile says so; \"address.city\" is a path",
        ),
        TESTS[0],
        TESTS[1],
        TESTS[2],
        TESTS[3],
        TESTS[4],
        TESTS[5],
    ],
    also: Some(|| json!({ "minProperties": 2 })),
};

pub static TAG: Described = Described {
    keys: &keys::TAG,
    required: &["tag"],
    lines: &[(
        "tag",
        Shape::Spelled(&TAG_NAME),
        "The customer bears this tag",
    )],
    also: None,
};

pub static SEGMENT: Described = Described {
    keys: &keys::SEGMENT,
    required: &["segment"],
    lines: &[(
        "segment",
        Shape::Spelled(&NAME),
        "The customer is in this segment of segments.toml",
    )],
    also: None,
};

pub static MESSAGE: Described = Described {
    keys: &keys::MESSAGE,
    required: &["message", "was"],
    lines: &[
        (
            "message",
            Shape::Spelled(&STEP),
            "A step of this campaign, or \"campaign/step\"",
        ),
        (
            "was",
            Shape::WordsOf(message_was),
            "What became of the message",
        ),
        WITHIN,
    ],
    also: None,
};

pub static DATE: Described = Described {
    keys: &keys::DATE,
    required: &["date"],
    lines: &[
        (
            "date",
            Shape::Spelled(&PATH),
            "An attribute with a day, such as \"birthday\", is near",
        ),
        (
            "before",
            Shape::Spelled(&LENGTH),
            "From so many whole days before: \"7d\"",
        ),
        (
            "after",
            Shape::Spelled(&LENGTH),
            "Until so many whole days after: \"3d\"",
        ),
        ("every", Shape::Words(&["year"]), "That day in each year"),
    ],
    also: None,
};

pub static PREFERENCE: Described = Described {
    keys: &keys::PREFERENCE,
    required: &["preference"],
    lines: &[
        (
            "preference",
            Shape::WordsOf(preferences),
            "What the customer has set about being written to",
        ),
        (
            "is",
            Shape::Spelled(&WORDS),
            "That preference has this value",
        ),
        (
            "in",
            Shape::Some(&Shape::Spelled(&WORDS)),
            "That preference has any of these values",
        ),
        ("exists", Shape::Flag, "Whether the customer has set it"),
    ],
    also: Some(|| json!({ "minProperties": 2 })),
};

pub static IN_CAMPAIGN: Described = Described {
    keys: &keys::IN_CAMPAIGN,
    required: &["campaign", "was"],
    lines: &[
        (
            "campaign",
            Shape::Spelled(&NAME),
            "What became of the customer in another campaign",
        ),
        (
            "was",
            Shape::WordsOf(campaign_was),
            "What became of the customer there",
        ),
        WITHIN,
    ],
    also: None,
};

pub static ENGAGED: Described = Described {
    keys: &keys::ENGAGED,
    required: &["engaged"],
    lines: &[(
        "engaged",
        Shape::Spelled(&AGE),
        "How long since the customer last answered any message: \"< 7d\"",
    )],
    also: None,
};

pub static UNANSWERED: Described = Described {
    keys: &keys::UNANSWERED,
    required: &["unanswered"],
    lines: &[(
        "unanswered",
        Shape::Spelled(&COUNT),
        "Advertising messages in a row without an answer, up to the latest: \">= 5\"",
    )],
    also: None,
};

/// `all`.
pub static EVERY: Described = Described {
    keys: &keys::ALL,
    required: &["all"],
    lines: &[(
        "all",
        Shape::Some(&Shape::Defined("condition")),
        "All of these hold",
    )],
    also: None,
};

/// `any`.
pub static EITHER: Described = Described {
    keys: &keys::ANY,
    required: &["any"],
    lines: &[(
        "any",
        Shape::Some(&Shape::Defined("condition")),
        "Any of these holds",
    )],
    also: None,
};

pub static NOT: Described = Described {
    keys: &keys::NOT,
    required: &["not"],
    lines: &[(
        "not",
        Shape::Defined("condition"),
        "This one condition does not hold",
    )],
    also: None,
};
