//! The keys of `[webhook.NAME]` and of mapping files; docs/webhooks.md is checked against this list.

use crate::config::toml_reader::Keys;

pub static WEBHOOK: Keys = Keys {
    of: "a [webhook]",
    known: &["platform", "mapping", "secret_file", "credential"],
    later: &[],
};

pub static MAPPING: Keys = Keys {
    of: "a mapping",
    known: &["signature", "delivery", "on"],
    later: &[],
};
pub static SIGNATURE: Keys = Keys {
    of: "[signature]",
    known: &["scheme", "header", "encoding", "prefix"],
    later: &[],
};
pub static DELIVERY: Keys = Keys {
    of: "[delivery]",
    known: &["topic", "id", "time", "zone", "ping"],
    later: &[],
};
pub static ON: Keys = Keys {
    of: "an [[on]]",
    known: &[
        "topics", "when", "user", "visitor", "aliases", "identify", "track", "ask", "ignore",
    ],
    later: &[],
};
pub static IDENTIFY: Keys = Keys {
    of: "[on.identify]",
    known: &["traits", "time", "consent"],
    later: &[],
};
pub static CONSENT: Keys = Keys {
    of: "[on.identify.consent]",
    known: &[
        "state", "given", "refused", "at", "topic", "source", "wording",
    ],
    later: &[],
};
pub static TRACK: Keys = Keys {
    of: "an [[on.track]]",
    known: &["event", "by", "identity", "time", "when", "properties"],
    later: &[],
};
pub static PLACE: Keys = Keys {
    of: "a value",
    known: &["path", "header", "const", "prefix", "except", "as"],
    later: &[],
};
pub static FIELD: Keys = Keys {
    of: "a value",
    known: &[
        "path", "header", "const", "prefix", "except", "as", "each", "fields",
    ],
    later: &[],
};
pub static WHEN: Keys = Keys {
    of: "a condition of `when`",
    known: &["path", "header", "is", "not", "empty"],
    later: &[],
};

/// Every kind of table of a mapping file.
pub static MAPPING_TABLES: [&Keys; 10] = [
    &MAPPING, &SIGNATURE, &DELIVERY, &ON, &IDENTIFY, &CONSENT, &TRACK, &PLACE, &FIELD, &WHEN,
];
