//! `[[step]]` and its variants.

use super::file::{CLASS, localized, localized_lines};
use crate::campaign::keys;
use crate::config::schema::spelling::{DURATION, EVENT, LENGTH, NAME, PATH, TAG, TIME};
use crate::config::schema::{Described, Shape, lines};
use serde_json::{Value, json};

pub static STEP: Described = Described {
    keys: &keys::STEP,
    required: &["id"],
    lines: lines! {
        "id": Shape::Spelled(&NAME), "What the step is known by when the file is edited";
        "template": Shape::Text, "The name of a template";
        "subject": Shape::Special(localized), "Text by locale: { en = \"...\", ko = \"...\" }";
        "preheader": Shape::Special(localized), "Text by locale: what mail programs show beside the subject";
        "after": Shape::Spelled(&DURATION), "So long after entry";
        "wait": Shape::Spelled(&DURATION), "So long after the step before was settled";
        "at": Shape::WordOr(&["best"], &TIME), "The first such time of the customer's own clock from then on: \"10:00\"; \"best\": the hour that is best for each";
        "until": Shape::Defined("condition"), "Due as soon as this holds, at the latest after `wait`";
        "only_if": Shape::Defined("condition"), "Judged when the step falls due";
        "otherwise": Shape::Spelled(&NAME), "Where `only_if` does not hold: \"skip\" (default), \"exit\", or the id of a later step";
        "tag": Shape::Spelled(&TAG), "No message: the customer bears this tag from now on";
        "untag": Shape::Spelled(&TAG), "No message: the customer bears this tag no more";
        "leave": Shape::Spelled(&NAME), "No message: the customer leaves this topic";
        "notify": Shape::Spelled(&NAME), "A mail to staff about this customer: a name under [staff] in config.toml";
        "text": Shape::Special(localized_lines), "What a mail to staff says, where there is no template: one text, or by locale";
        "renamed_from": Shape::Spelled(&NAME), "The step's former id: whoever had it has had this one";
        "expires": Shape::Spelled(&LENGTH), "A message that could not go by then is dropped; default: advertising \"3d\", others \"7d\"";
        "variants": Shape::Some(&Shape::Table(&VARIANT)), "Versions under test; what one leaves out is the step's";
        "recheck": Shape::Flag, "Whether the audience is judged again when the message leaves; default true";
        "class": CLASS, "Default: the campaign's";
        "transport": Shape::Text, "The NAME of a [transport.NAME] in config.toml; default: main, or the only one";
        "coupon": Shape::Spelled(&NAME), "A pool of coupons.toml: each customer has a code of it";
        "products": Shape::Table(&PRODUCTS), "The products that the template shows, out of the customer's own events";
        "data": Shape::Special(any_table), "What the template sees as `data`";
        "data_file": Shape::Text, "A file (JSON, TOML, CSV) with what the template sees as `data`";
    },
    also: Some(asked_of_steps),
};

fn asked_of_steps() -> Value {
    // These do without a template and a subject, or have them elsewhere.
    let others = ["tag", "untag", "leave", "notify", "variants"];
    let other: Vec<Value> = (others.iter())
        .map(|key| json!({ "required": [key] }))
        .collect();
    json!({
        "not": { "required": ["after", "wait"] },
        "dependencies": {
            "until": ["wait"],
            "otherwise": ["only_if"],
            "text": ["notify"],
        },
        "if": { "not": { "anyOf": other } },
        "then": { "required": ["template", "subject"] },
    })
}

pub static VARIANT: Described = Described {
    keys: &keys::VARIANT,
    required: &["name"],
    lines: lines! {
        "name": Shape::Spelled(&NAME), "The variant's name, in logs and reports";
        "weight": Shape::Whole(1, 1_000_000), "How often it is drawn beside the others; default 1";
        "template": Shape::Text, "The name of a template; default: the step's";
        "subject": Shape::Special(localized), "Text by locale; default: the step's";
        "preheader": Shape::Special(localized), "Text by locale; default: the step's";
        "coupon": Shape::Spelled(&NAME), "A pool of coupons.toml; default: the step's";
        "products": Shape::Table(&PRODUCTS), "The products that the template shows; default: the step's";
        "data": Shape::Special(any_table), "What the template sees as `data`, over the step's";
        "data_file": Shape::Text, "A file with what the template sees as `data`; default: the step's";
    },
    also: None,
};

pub static PRODUCTS: Described = Described {
    keys: &keys::PRODUCTS,
    required: &["from"],
    lines: lines! {
        "from": Shape::Spelled(&EVENT), "\"cart\", \"order\", or an event's name, such as \"Product Viewed\"";
        "where": Shape::Defined("where"), "Of an event: only those with these properties";
        "within": Shape::Spelled(&LENGTH), "Only those in this time; default: as far back as events are kept";
        "most": Shape::Whole(1, 50), "So many at most; default 12";
        "fewest": Shape::Whole(0, 50), "With fewer, the message is dropped; default 0";
        "same": Shape::Spelled(&PATH), "Only events of which this property is the entry's key";
        "except": Shape::Special(events), "What this event, or any of a list, named since is left out";
    },
    also: None,
};

fn any_table() -> Value {
    json!({ "type": "object" })
}

fn events() -> Value {
    static LIST: Shape = Shape::Some(&Shape::Spelled(&EVENT));
    json!({ "anyOf": [EVENT.schema(), LIST.schema()] })
}
