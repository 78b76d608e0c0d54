//! What each key of config.toml means, in one line, and what may stand there.

use super::spelling::{
    AT_ONCE, CAP, CLOSED, COUNTRY, DAY, EMAIL, EVENT, HARM, HOST, HOURS, LENGTH, LINE, LISTEN,
    LOCALE, NAME, ORIGIN, PACE, PAGE, PATH, PLACE, RECIPIENTS, SENDER, SHA256, SHARE, SIZE, WEB,
    WORDS,
};
use super::{Described, Shape, document, lines, zones};
use crate::config::http::May;
use crate::config::keys;
use crate::config::webhook::SHIPPED;
use crate::config::webhook::keys::WEBHOOK;
use serde_json::{Value, json};

/// The schema of config.toml.
pub fn schema() -> Value {
    document(
        "Reveille: config.toml",
        ROOT.schema(),
        vec![("zone", zones())],
    )
}

/// Every table of config.toml.
pub static ALL: [&Described; 22] = [
    &CONTROL,
    &SEEDS,
    &BREAKERS,
    &CALENDAR,
    &EVENT_RULE,
    &UNDONE_BY,
    &SHOP,
    &TRACKING,
    &ROOT,
    &STORE,
    &RETENTION,
    &FROM,
    &HTTP,
    &KEY,
    &ADMIN,
    &DEFAULTS,
    &CEILING,
    &LAW,
    &SAFETY,
    &ENGINE,
    &TRANSPORT,
    &TIMEOUTS,
];

static ROOT: Described = Described {
    keys: &keys::ROOT,
    required: &[],
    lines: lines! {
        "campaigns": Shape::Text, "The folder of campaign files; default \"campaigns\"";
        "templates": Shape::Text, "The folder of templates; default \"templates\"";
        "store": Shape::Table(&STORE), "Where all data is kept";
        "retention": Shape::Table(&RETENTION), "How long things are kept";
        "sender": Shape::Table(&FROM), "Who the mails come from";
        "transport": Shape::Special(transports), "How mail gets out: [transport.main], and others by name";
        "http": Shape::Table(&HTTP), "Events in, links and pages out";
        "webhook": Shape::Named(&PLACE, &Shape::Table(&SHOP)), "Shops that tell of checkouts, orders and customers by themselves: [webhook.NAME]";
        "tracking": Shape::Table(&TRACKING), "What of a mail is followed";
        "admin": Shape::Table(&ADMIN), "How commands reach the running daemon";
        "defaults": Shape::Table(&DEFAULTS), "For customers who have said nothing of their own";
        "ceiling": Shape::Table(&CEILING), "Holds for every message but transactional ones, whoever asked for more";
        "law": Shape::Table(&LAW), "Which country's rules apply";
        "staff": Shape::Named(&NAME, &Shape::Spelled(&EMAIL)), "Whom steps with `notify` tell of a customer: a name and an address";
        "calendar": Shape::Table(&CALENDAR), "Days on which advertising waits";
        "control": Shape::Table(&CONTROL), "Customers who get no advertising at all, to measure by";
        "breakers": Shape::Table(&BREAKERS), "How much harm pauses a campaign";
        "seeds": Shape::Table(&SEEDS), "Who of the shop gets a copy of what goes out";
        "links": Shape::Named(&NAME, &Shape::Spelled(&PAGE)), "Pages of the shop that templates name: shop = \"https://shop.example\" is {{links.shop}}";
        "safety": Shape::Table(&SAFETY), "What waits until somebody has looked";
        "engine": Shape::Table(&ENGINE), "Deadlines and back-offs of the daemon itself; few need to touch these";
        "events": Shape::Named(&EVENT, &Shape::Table(&EVENT_RULE)), "What is known of a kind of event: [events.\"Order Completed\"]";
    },
    also: None,
};

fn transports() -> Value {
    json!({ "type": "object", "minProperties": 1, "additionalProperties": TRANSPORT.schema() })
}

static STORE: Described = Described {
    keys: &keys::STORE,
    required: &[],
    lines: lines! {
        "path": Shape::Text, "The folder, held by one daemon at a time; default \"data\"";
        "cache": Shape::Spelled(&SIZE), "Memory for what is read at random; default \"64MB\"";
    },
    also: None,
};

static RETENTION: Described = Described {
    keys: &keys::RETENTION,
    required: &[],
    lines: lines! {
        "events": Shape::Spelled(&LENGTH), "Events; a condition that looks further back is an error; default \"3y\"";
        "log": Shape::Spelled(&LENGTH), "The send log; default \"3y\"";
        "journal": Shape::Spelled(&LENGTH), "How far back `restore` can go; default \"90d\"";
        "sent_copies": Shape::Spelled(&LENGTH), "The mails themselves, as long as [engine] give_up at least; default \"30d\"";
    },
    also: None,
};

static FROM: Described = Described {
    keys: &keys::SENDER,
    required: &[],
    lines: lines! {
        "from": Shape::Spelled(&SENDER), "Name and address that mails are from; needed for smtp";
        "address": Shape::Spelled(&LINE), "Postal; advertising by smtp needs it";
        "company": Shape::Spelled(&LINE), "The company's name, at the end of advertising";
        "phone": Shape::Spelled(&LINE), "A telephone number, at the end of advertising";
        "unsubscribe_mailto": Shape::Spelled(&EMAIL), "An address that leaves who writes to it; advertising by smtp needs this or [http] public_url";
    },
    also: None,
};

static HTTP: Described = Described {
    keys: &keys::HTTP,
    required: &[],
    lines: lines! {
        "listen": Shape::Spelled(&LISTEN), "Links in mails and pages; events and operations too, unless set apart. Without it no port is opened";
        "ingest_listen": Shape::Spelled(&LISTEN), "Events (/v1/...) are taken here only";
        "admin_listen": Shape::Spelled(&LISTEN), "/metrics without a key; not for the world";
        "public_url": Shape::Spelled(&WEB), "Where customers reach `listen`; links in mails name it";
        "connections": Shape::Whole(1, 100_000), "At once on each listener; more wait to be accepted; default 512";
        "in_hand": Shape::Spelled(&SIZE), "Of requests with events; more are answered 429; default \"16MB\"";
        "origins": Shape::List(&Shape::Spelled(&ORIGIN)), "Whose pages may send events from a browser; \"*\": all; default none";
        "keys": Shape::Named(&WORDS, &Shape::Table(&KEY)), "Who may send events: [http.keys.NAME]; `reveille key NAME` prints one";
    },
    also: None,
};

static KEY: Described = Described {
    keys: &keys::HTTP_KEY,
    required: &["sha256"],
    lines: lines! {
        "sha256": Shape::Spelled(&SHA256), "The key's hash, as `reveille key` prints it; never the key itself";
        "may": Shape::List(&Shape::WordsOf(may)), "What it may do; default all but \"metrics\"";
    },
    also: None,
};

fn may() -> Vec<&'static str> {
    May::WORDS.iter().map(|(word, _)| *word).collect()
}

static SHOP: Described = Described {
    keys: &WEBHOOK,
    required: &[],
    lines: lines! {
        "platform": Shape::WordsOf(platforms), "The shop's software, for which a mapping is shipped";
        "mapping": Shape::Text, "A mapping file of your own, in place of `platform`";
        "secret_file": Shape::Text, "The file with what the shop signs with";
        "credential": Shape::Text, "The name of a systemd credential, in place of `secret_file`";
    },
    also: Some(|| {
        json!({
            "allOf": [
                { "oneOf": [{ "required": ["platform"] }, { "required": ["mapping"] }] },
                { "oneOf": [{ "required": ["secret_file"] }, { "required": ["credential"] }] },
            ],
        })
    }),
};

fn platforms() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

static TRACKING: Described = Described {
    keys: &keys::TRACKING,
    required: &[],
    lines: lines! {
        "opens": Shape::Flag, "A pixel at the end of a mail; default true";
        "clicks": Shape::Flag, "Links lead through public_url; default true";
        "honeypot": Shape::Flag, "A link that no person sees: who follows it is a machine; default true";
    },
    also: None,
};

static ADMIN: Described = Described {
    keys: &keys::ADMIN,
    required: &[],
    lines: lines! {
        "socket": Shape::Text, "Through which commands speak to the running daemon; default: in the store's folder";
    },
    also: None,
};

static DEFAULTS: Described = Described {
    keys: &keys::DEFAULTS,
    required: &[],
    lines: lines! {
        "timezone": Shape::Defined("zone"), "The shop's zone, an IANA name such as \"Asia/Seoul\"; default \"UTC\"";
        "locale": Shape::Spelled(&LOCALE), "The shop's language; default \"en\"";
        "window": Shape::WordOr(&["always"], &HOURS), "Advertising goes only in these hours; default \"Mon-Sun 08:00-21:00\"";
        "caps": Shape::List(&Shape::Spelled(&CAP)), "How many messages in what time; default [\"1 per 20h\", \"3 per 7d\"]";
        "gap": Shape::Spelled(&LENGTH), "The least time between two messages; default none";
    },
    also: None,
};

static CEILING: Described = Described {
    keys: &keys::CEILING,
    required: &[],
    lines: lines! {
        "window": Shape::WordOr(&["always"], &HOURS), "Nothing goes outside these hours; default none";
        "caps": Shape::List(&Shape::Spelled(&CAP)), "No more than this in what time; default none";
        "gap": Shape::Spelled(&LENGTH), "The least time between two messages; default none";
    },
    also: None,
};

static LAW: Described = Described {
    keys: &keys::LAW,
    required: &[],
    lines: lines! {
        "country": Shape::Spelled(&COUNTRY), "Of customers without an attribute `country`; decides on \"(광고)\" and notices";
    },
    also: None,
};

static CONTROL: Described = Described {
    keys: &keys::CONTROL,
    required: &[],
    lines: lines! {
        "share": Shape::Spelled(&SHARE), "Their share of all customers: \"2%\"";
    },
    also: None,
};

static SEEDS: Described = Described {
    keys: &keys::SEEDS,
    required: &[],
    lines: lines! {
        "addresses": Shape::List(&Shape::Spelled(&EMAIL)), "Each gets one copy of each step, variant and language the first time that it goes out";
    },
    also: None,
};

pub static BREAKERS: Described = Described {
    keys: &keys::BREAKERS,
    required: &[],
    lines: lines! {
        "unsubscribes": Shape::Spelled(&HARM), "Customers who left by a link of its mails; default \"2% of at least 200 in 1d\"";
        "refusals": Shape::Spelled(&HARM), "Mails that recipients' servers refused for good; default \"5% of at least 200 in 1d\"";
        "complaints": Shape::Spelled(&HARM), "Customers who reported mail as unwanted; default \"0.3% of at least 1000 in 1d\"";
        "errors": Shape::Spelled(&HARM), "Mails that could not be composed; default \"10% of at least 50 in 1h\"";
    },
    also: None,
};

static CALENDAR: Described = Described {
    keys: &keys::CALENDAR,
    required: &[],
    lines: lines! {
        "closed": Shape::List(&Shape::Spelled(&CLOSED)), "Dates and weekdays of each customer's own calendar on which advertising waits";
    },
    also: None,
};

static SAFETY: Described = Described {
    keys: &keys::SAFETY,
    required: &[],
    lines: lines! {
        "at_once": Shape::Spelled(&AT_ONCE), "More than this (whichever is more) enter at once only after `campaign approve`; default \"200 or 1%\"";
        "resume_after": Shape::Spelled(&LENGTH), "A clock further ahead at start holds sending until somebody has looked; default \"7d\"";
        "in_doubt": Shape::Words(&["resend", "hold"]), "A mail that may or may not have left: once more, or held; default \"resend\"";
    },
    also: None,
};

static ENGINE: Described = Described {
    keys: &keys::ENGINE,
    required: &[],
    lines: lines! {
        "tick": Shape::Spelled(&LENGTH), "Between two looks at alarms and schedules; default \"1s\"";
        "retry": Shape::Some(&Shape::Spelled(&LENGTH)), "Before the second, third, ... attempt; the last is repeated";
        "give_up": Shape::Spelled(&LENGTH), "After the first attempt, at most 30d; default \"4d\"";
        "start_within": Shape::Spelled(&LENGTH), "A message judged fit leaves within this or is given back, at most 2.5 s; default \"2500ms\"";
        "settle": Shape::Spelled(&LENGTH), "Before a mail in doubt is sent again; default \"1m\"";
        "relay_aside": Shape::Spelled(&LENGTH), "How long a failing relay is set aside at first; default \"30s\"";
        "relay_aside_most": Shape::Spelled(&LENGTH), "How long it is set aside at most; default \"15m\"";
        "relay_faults": Shape::Whole(1, 1_000_000), "So many faults in a row set a relay aside; default 5";
        "clock_gap": Shape::Spelled(&LENGTH), "If wall clock and uptime part by more, sending is held; default \"5m\"";
        "stop_within": Shape::Spelled(&LENGTH), "What is in hand is finished within this after SIGTERM; default \"30s\"";
    },
    also: None,
};

static TRANSPORT: Described = Described {
    keys: &keys::TRANSPORT,
    required: &["kind"],
    lines: lines! {
        "kind": Shape::Words(&["folder", "smtp"]), "\"folder\" writes one .eml a message and nothing leaves; \"smtp\" sends";
        "path": Shape::Text, "Of a folder: where the mails are put; default \"mail\"";
        "host": Shape::Spelled(&HOST), "The relay's name or address";
        "port": Shape::Whole(1, 65_535), "Default 587 for \"starttls\", 465 for \"implicit\", 25 for \"none\"";
        "tls": Shape::Words(&["starttls", "implicit", "none"]), "\"starttls\" is required, without falling back; default \"starttls\"";
        "username": Shape::Text, "For logging in";
        "password_file": Shape::Text, "The file that holds the password, one line";
        "credential": Shape::Text, "The name of a systemd credential (LoadCredential), in place of `password_file`";
        "connections": Shape::Whole(1, 1_000), "At most so many at once; default 8";
        "rate": Shape::Spelled(&PACE), "Default: as fast as the relay takes them";
        "only_to": Shape::Some(&Shape::Spelled(&RECIPIENTS)), "Rehearsal: every other recipient is dropped with that reason";
        "ca_file": Shape::Text, "Where the relay's certificate comes from an authority of your own: its certificate, PEM";
        "tls_name": Shape::Spelled(&HOST), "The name that the relay's certificate must bear; default: host";
        "helo": Shape::Spelled(&HOST), "The name given in EHLO; default: this host's";
        "timeouts": Shape::Table(&TIMEOUTS), "Deadlines of the phases of a conversation";
    },
    also: Some(|| {
        json!({
            "allOf": [
                {
                    "if": { "required": ["kind"], "properties": { "kind": { "const": "smtp" } } },
                    "then": { "required": ["host"], "not": { "required": ["path"] } },
                },
                {
                    "if": { "required": ["kind"], "properties": { "kind": { "const": "folder" } } },
                    "then": { "propertyNames": { "enum": ["kind", "path"] } },
                },
            ],
        })
    }),
};

static TIMEOUTS: Described = Described {
    keys: &keys::TIMEOUTS,
    required: &[],
    lines: lines! {
        "connect": Shape::Spelled(&LENGTH), "For connecting; default \"30s\"";
        "tls": Shape::Spelled(&LENGTH), "For the TLS handshake; default \"60s\"";
        "greeting": Shape::Spelled(&LENGTH), "For the server's greeting; default \"5m\"";
        "helo": Shape::Spelled(&LENGTH), "For the answer to EHLO; default \"5m\"";
        "auth": Shape::Spelled(&LENGTH), "For logging in; default \"60s\"";
        "mail": Shape::Spelled(&LENGTH), "For the answer to MAIL; default \"5m\"";
        "rcpt": Shape::Spelled(&LENGTH), "For the answer to RCPT; default \"5m\"";
        "data": Shape::Spelled(&LENGTH), "For the answer to DATA; default \"2m\"";
        "body": Shape::Spelled(&LENGTH), "For writing the message; default \"3m\"";
        "reply": Shape::Spelled(&LENGTH), "For the reply to the final dot, short of which the message is in doubt; default \"10m\"";
        "quit": Shape::Spelled(&LENGTH), "For the answer to QUIT; default \"5s\"";
        "idle": Shape::Spelled(&LENGTH), "A connection without work is closed after this; default \"30s\"";
    },
    also: None,
};

static EVENT_RULE: Described = Described {
    keys: &keys::EVENT_RULE,
    required: &[],
    lines: lines! {
        "complete_since": Shape::Spelled(&DAY), "From this day on every such event was told; who did not do it earlier is not known";
        "value": Shape::Spelled(&PATH), "The property that is its value; `is` without `sum` adds it up";
        "undone_by": Shape::Table(&UNDONE_BY), "What undoes it: a cancelled order leaves counts, sums and `last`";
        "once_per": Shape::Special(once_per), "Events with the same value of this property are one, whatever told them; default \"order_id\" for Order Completed, else false: each that is told is one";
    },
    also: None,
};

fn once_per() -> Value {
    json!({ "anyOf": [PATH.schema(), { "enum": [false] }] })
}

static UNDONE_BY: Described = Described {
    keys: &keys::UNDONE_BY,
    required: &["event", "same"],
    lines: lines! {
        "event": Shape::Spelled(&EVENT), "The event that undoes it, such as \"Order Cancelled\"";
        "same": Shape::Spelled(&PATH), "The property that tells which one is undone, such as \"order_id\"";
    },
    also: None,
};
