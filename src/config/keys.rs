//! The keys that config.toml knows, and those of later releases; the default file is checked against this list.

use super::toml_reader::Keys;
use super::webhook::keys::WEBHOOK;

pub static ROOT: Keys = Keys {
    of: "config.toml",
    known: &[
        "campaigns",
        "templates",
        "store",
        "retention",
        "sender",
        "transport",
        "http",
        "webhook",
        "tracking",
        "admin",
        "defaults",
        "ceiling",
        "law",
        "staff",
        "calendar",
        "control",
        "safety",
        "engine",
        "events",
        "breakers",
        "seeds",
        "links",
    ],
    later: &["dkim", "bounces", "dashboard"],
};
pub static STORE: Keys = Keys {
    of: "[store]",
    known: &["path", "cache"],
    later: &["url"],
};
pub static RETENTION: Keys = Keys {
    of: "[retention]",
    known: &["events", "log", "journal", "sent_copies"],
    later: &[],
};
pub static SENDER: Keys = Keys {
    of: "[sender]",
    known: &["from", "address", "company", "phone", "unsubscribe_mailto"],
    later: &[],
};
pub static HTTP: Keys = Keys {
    of: "[http]",
    known: &[
        "listen",
        "ingest_listen",
        "admin_listen",
        "public_url",
        "connections",
        "in_hand",
        "origins",
        "keys",
    ],
    later: &[],
};
pub static HTTP_KEY: Keys = Keys {
    of: "a key of [http.keys]",
    known: &["sha256", "may"],
    later: &[],
};
pub static TRACKING: Keys = Keys {
    of: "[tracking]",
    known: &["opens", "clicks", "honeypot"],
    later: &[],
};
pub static ADMIN: Keys = Keys {
    of: "[admin]",
    known: &["socket"],
    later: &[],
};
pub static DEFAULTS: Keys = Keys {
    of: "[defaults]",
    known: &["timezone", "locale", "window", "caps", "gap"],
    later: &[],
};
pub static CEILING: Keys = Keys {
    of: "[ceiling]",
    known: &["window", "caps", "gap"],
    later: &[],
};
pub static LAW: Keys = Keys {
    of: "[law]",
    known: &["country"],
    later: &[],
};
pub static CALENDAR: Keys = Keys {
    of: "[calendar]",
    known: &["closed"],
    later: &[],
};
pub static CONTROL: Keys = Keys {
    of: "[control]",
    known: &["share"],
    later: &[],
};
pub static SAFETY: Keys = Keys {
    of: "[safety]",
    known: &["at_once", "resume_after", "in_doubt"],
    later: &[],
};
pub static ENGINE: Keys = Keys {
    of: "[engine]",
    known: &[
        "tick",
        "retry",
        "give_up",
        "start_within",
        "settle",
        "relay_aside",
        "relay_aside_most",
        "relay_faults",
        "clock_gap",
        "stop_within",
    ],
    later: &[],
};

pub static TRANSPORT: Keys = Keys {
    of: "a [transport]",
    known: &[
        "kind",
        "path",
        "host",
        "port",
        "tls",
        "username",
        "password_file",
        "credential",
        "connections",
        "rate",
        "only_to",
        "ca_file",
        "tls_name",
        "helo",
        "timeouts",
    ],
    later: &["dkim", "webhook"],
};

pub static TIMEOUTS: Keys = Keys {
    of: "`timeouts`",
    known: &[
        "connect", "tls", "greeting", "helo", "auth", "mail", "rcpt", "data", "body", "reply",
        "quit", "idle",
    ],
    later: &[],
};

pub static EVENT_RULE: Keys = Keys {
    of: "[events.NAME]",
    known: &["complete_since", "value", "undone_by", "once_per"],
    later: &[],
};

pub static UNDONE_BY: Keys = Keys {
    of: "`undone_by`",
    known: &["event", "same"],
    later: &[],
};

/// In a campaign's file too.
pub static BREAKERS: Keys = Keys {
    of: "[breakers]",
    known: &["unsubscribes", "refusals", "complaints", "errors"],
    later: &[],
};

pub static SEEDS: Keys = Keys {
    of: "[seeds]",
    known: &["addresses"],
    later: &[],
};

/// Every kind of table that config.toml knows.
pub static ALL_TABLES: [&Keys; 22] = [
    &CONTROL,
    &SEEDS,
    &CALENDAR,
    &EVENT_RULE,
    &UNDONE_BY,
    &WEBHOOK,
    &TRACKING,
    &ROOT,
    &STORE,
    &RETENTION,
    &SENDER,
    &HTTP,
    &HTTP_KEY,
    &ADMIN,
    &DEFAULTS,
    &CEILING,
    &LAW,
    &SAFETY,
    &ENGINE,
    &TRANSPORT,
    &TIMEOUTS,
    &BREAKERS,
];
