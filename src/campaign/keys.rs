//! The keys that campaign files know, and those of later releases, which are refused by that name.
//!
//! They stand together because people meet them together: the manual is checked against this list.

use crate::config::keys::BREAKERS;
use crate::config::toml_reader::Keys;

pub static CAMPAIGN: Keys = Keys {
    of: "a campaign",
    known: &[
        "name",
        "state",
        "owner",
        "class",
        "topic",
        "priority",
        "tracking",
        "schedule",
        "trigger",
        "audience",
        "entry",
        "step",
        "limits",
        "renamed_from",
        "goal",
        "breakers",
    ],
    later: &["channel"],
};
pub static SCHEDULE: Keys = Keys {
    of: "[schedule]",
    known: &["cron", "on", "timezone", "missed", "max_late"],
    later: &[],
};
pub static TRIGGER: Keys = Keys {
    of: "[trigger]",
    known: &[
        "event", "where", "count", "within", "per", "repeat", "fresh", "date", "every", "before",
        "after", "at",
    ],
    later: &[],
};
pub static ENTRY: Keys = Keys {
    of: "[entry]",
    known: &[
        "again",
        "at_most",
        "existing",
        "exit",
        "on_change",
        "unless_in",
        "appended",
    ],
    later: &[],
};
pub static STEP: Keys = Keys {
    of: "a [[step]]",
    known: &[
        "id",
        "template",
        "subject",
        "preheader",
        "after",
        "wait",
        "at",
        "until",
        "only_if",
        "otherwise",
        "tag",
        "untag",
        "leave",
        "notify",
        "text",
        "renamed_from",
        "expires",
        "variants",
        "recheck",
        "class",
        "transport",
        "products",
        "data",
        "data_file",
        "coupon",
    ],
    later: &["channel"],
};
pub static VARIANT: Keys = Keys {
    of: "a variant",
    known: &[
        "name",
        "weight",
        "template",
        "subject",
        "preheader",
        "products",
        "data",
        "data_file",
        "coupon",
    ],
    later: &[],
};
pub static PRODUCTS: Keys = Keys {
    of: "`products`",
    known: &[
        "from", "where", "within", "most", "fewest", "same", "except",
    ],
    later: &[],
};
pub static LIMITS: Keys = Keys {
    of: "[limits]",
    known: &["caps", "gap", "window", "holdout", "quota"],
    later: &[],
};
pub static GOAL: Keys = Keys {
    of: "[goal]",
    known: &["event", "where", "within", "value"],
    later: &[],
};
pub static TOPIC: Keys = Keys {
    of: "a topic",
    known: &["name", "description", "default", "on_request", "confirm"],
    later: &["renamed_from"],
};

pub static EVENT: Keys = Keys {
    of: "an `event` condition",
    known: &[
        "event", "where", "count", "sum", "is", "within", "since", "last", "first", "gap", "same",
    ],
    later: &[],
};
pub static NO_EVENT: Keys = Keys {
    of: "a `no_event` condition",
    known: &["no_event", "where", "within", "since", "same"],
    later: &[],
};
pub static KNOWN_FOR: Keys = Keys {
    of: "a `known_for` condition",
    known: &["known_for"],
    later: &[],
};
pub static ATTRIBUTE: Keys = Keys {
    of: "an `attribute` condition",
    known: &[
        "attribute",
        "is",
        "in",
        "contains",
        "contains_any",
        "matches",
        "exists",
    ],
    later: &[],
};
pub static TAG: Keys = Keys {
    of: "a `tag` condition",
    known: &["tag"],
    later: &[],
};
pub static SEGMENT: Keys = Keys {
    of: "a `segment` condition",
    known: &["segment"],
    later: &[],
};
pub static SUBSCRIBED: Keys = Keys {
    of: "a `subscribed` condition",
    known: &["subscribed", "given"],
    later: &[],
};
pub static REFUSED: Keys = Keys {
    of: "a `refused` condition",
    known: &["refused", "within"],
    later: &[],
};
pub static MESSAGE: Keys = Keys {
    of: "a `message` condition",
    known: &["message", "was", "within"],
    later: &[],
};
pub static DATE: Keys = Keys {
    of: "a `date` condition",
    known: &["date", "before", "after", "every"],
    later: &[],
};
pub static PREFERENCE: Keys = Keys {
    of: "a `preference` condition",
    known: &["preference", "is", "in", "exists"],
    later: &[],
};
pub static IN_CAMPAIGN: Keys = Keys {
    of: "a `campaign` condition",
    known: &["campaign", "was", "within"],
    later: &[],
};
pub static ENGAGED: Keys = Keys {
    of: "an `engaged` condition",
    known: &["engaged"],
    later: &[],
};
pub static UNANSWERED: Keys = Keys {
    of: "an `unanswered` condition",
    known: &["unanswered"],
    later: &[],
};
pub static ALL: Keys = Keys {
    of: "an `all` condition",
    known: &["all"],
    later: &[],
};
pub static ANY: Keys = Keys {
    of: "an `any` condition",
    known: &["any"],
    later: &[],
};
pub static NOT: Keys = Keys {
    of: "a `not` condition",
    known: &["not"],
    later: &[],
};

/// The tests that a property in `where` takes.
pub static PROPERTY: Keys = Keys {
    of: "the test of a property",
    known: &[
        "is",
        "in",
        "contains",
        "contains_any",
        "matches",
        "exists",
        "same",
    ],
    later: &[],
};

/// A condition's leading keys, each with the keys of its kind.
pub static CONDITIONS: [(&str, &Keys); 17] = [
    ("event", &EVENT),
    ("no_event", &NO_EVENT),
    ("known_for", &KNOWN_FOR),
    ("attribute", &ATTRIBUTE),
    ("tag", &TAG),
    ("segment", &SEGMENT),
    ("subscribed", &SUBSCRIBED),
    ("refused", &REFUSED),
    ("message", &MESSAGE),
    ("date", &DATE),
    ("preference", &PREFERENCE),
    ("campaign", &IN_CAMPAIGN),
    ("engaged", &ENGAGED),
    ("unanswered", &UNANSWERED),
    ("all", &ALL),
    ("any", &ANY),
    ("not", &NOT),
];

/// A pool of `coupons.toml`.
pub static POOL: Keys = Keys {
    of: "a pool of coupons",
    known: &[
        "file",
        "generate",
        "valid",
        "most",
        "most_each",
        "warn_below",
        "renamed_from",
    ],
    later: &[],
};
pub static GENERATE: Keys = Keys {
    of: "`generate`",
    known: &["prefix", "length", "count"],
    later: &[],
};

/// Every kind of table that campaign files know.
pub static ALL_TABLES: [&Keys; 31] = [
    &GOAL,
    &CAMPAIGN,
    &SCHEDULE,
    &TRIGGER,
    &ENTRY,
    &STEP,
    &VARIANT,
    &LIMITS,
    &TOPIC,
    &EVENT,
    &NO_EVENT,
    &KNOWN_FOR,
    &ATTRIBUTE,
    &TAG,
    &SEGMENT,
    &SUBSCRIBED,
    &REFUSED,
    &MESSAGE,
    &DATE,
    &PREFERENCE,
    &IN_CAMPAIGN,
    &ENGAGED,
    &UNANSWERED,
    &ALL,
    &ANY,
    &NOT,
    &PROPERTY,
    &PRODUCTS,
    &BREAKERS,
    &POOL,
    &GENERATE,
];
