//! A mapping file: how a shop's deliveries are proved, and what becomes of each topic.

use super::keys::{CONSENT, DELIVERY, IDENTIFY, MAPPING, ON, SIGNATURE, TRACK};
use super::pick::{self, Field, Pick, When};
use crate::config::problem::Problem;
use crate::config::text::zone;
use crate::config::toml_reader::{Item, Reader, Table};
use crate::domain::id::{EventName, TopicId};
use chrono_tz::Tz;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Debug)]
pub struct Mapping {
    pub signature: Signature,
    /// What a delivery is about.
    pub topic: Pick,
    /// What two sendings of one delivery share; without it, their bytes.
    pub id: Option<Pick>,
    /// When it happened; without it, when it comes in.
    pub time: Option<Pick>,
    /// Of times that name no offset.
    pub zone: Option<Tz>,
    /// A form with this field, a number, is the shop's trial of the address.
    pub ping: Option<String>,
    pub on: Vec<On>,
}

/// How a delivery proves that it comes from the shop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    pub header: String,
    pub scheme: Scheme,
    /// Stands before the proof.
    pub prefix: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// HMAC-SHA-256 of the body's bytes as they came (RFC 2104).
    Base64,
    Hex,
    /// The secret itself.
    Shared,
}

/// What becomes of some topics.
#[derive(Clone, PartialEq, Debug)]
pub struct On {
    pub topics: Vec<String>,
    pub when: Vec<When>,
    pub user: Option<Pick>,
    /// Somebody of whom only a checkout, a cart or an order is known.
    pub visitor: Option<Pick>,
    /// Other names of the user, as visitors.
    pub aliases: Vec<Pick>,
    pub identify: Option<Identify>,
    pub tracks: Vec<Track>,
    pub ask: Option<Ask>,
    /// Nothing becomes of it, knowingly.
    pub ignore: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Identify {
    pub traits: BTreeMap<String, Field>,
    pub time: Option<Pick>,
    pub consent: Option<Consent>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Consent {
    pub state: Pick,
    pub given: Vec<String>,
    pub refused: Vec<String>,
    /// Without it a consent is not taken as given: it could overrule a later refusal.
    pub at: Pick,
    /// `None`: advertising as a whole.
    pub topic: Option<TopicId>,
    pub source: Option<String>,
    pub wording: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    pub event: EventName,
    /// Of the visitor, also where the user is known.
    pub by_visitor: bool,
    /// What makes it one event, however often and in whatever delivery it is told.
    pub identity: Vec<Pick>,
    pub time: Option<Pick>,
    pub when: Vec<When>,
    pub properties: BTreeMap<String, Field>,
}

/// What a shop asks of the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// To forget a customer.
    Forget,
    /// For a copy of what is kept of a customer.
    Export,
    /// To forget the shop with all its customers.
    ForgetShop,
}

impl Mapping {
    /// Reads a file's text; the warnings of a good one are left out, since there are none so far.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, Vec<Problem>> {
        let reader = Reader::new(file, text);
        let mapping = reader.document(&MAPPING, |root| read(&root));
        let failed = reader.failed();
        match mapping {
            Some(mapping) if !failed => Ok(mapping),
            _ => Err(reader.into_problems()),
        }
    }
}

fn read(root: &Table<'_>) -> Option<Mapping> {
    let signature = root
        .required("signature", "write [signature] with its scheme and header")
        .and_then(|i| read_signature(&i));
    let delivery = root
        .required("delivery", "write [delivery] with its topic")
        .and_then(|i| i.table(&DELIVERY));
    let on = root
        .required("on", "write an [[on]] for each topic")
        .and_then(|i| {
            let items = i.list("write [[on]], in double brackets")?;
            let all: Vec<Option<On>> = items.iter().map(read_on).collect();
            all.into_iter().collect::<Option<Vec<On>>>()
        });
    let delivery = delivery?;
    let topic = delivery
        .required(
            "topic",
            "write topic = { header = \"X-Shop-Topic\" } or a path",
        )
        .and_then(|i| pick::read(&i));
    let id = optional(&delivery, "id");
    let time = optional(&delivery, "time");
    let zone = delivery
        .get("zone")
        .map_or(Some(None), |i| i.parsed(zone).map(Some));
    let ping = delivery
        .get("ping")
        .map_or(Some(None), |i| i.text().map(|t| Some(t.to_owned())));
    Some(Mapping {
        signature: signature?,
        topic: topic?,
        id: id?,
        time: time?,
        zone: zone?,
        ping: ping?,
        on: on?,
    })
}

/// A place that need not be told; the outer `None` is one that cannot be read.
fn optional(table: &Table<'_>, key: &str) -> Option<Option<Pick>> {
    table
        .get(key)
        .map_or(Some(None), |i| pick::read(&i).map(Some))
}

fn read_signature(item: &Item<'_>) -> Option<Signature> {
    let table = item.table(&SIGNATURE)?;
    let hmac = table
        .required(
            "scheme",
            "write scheme = \"hmac-sha256\" or \"shared-secret\"",
        )
        .and_then(|i| i.choice(&[("hmac-sha256", true), ("shared-secret", false)]));
    let header = table
        .required("header", "name the header that holds the proof")
        .and_then(|i| i.parsed(pick::header));
    let prefix = table.get("prefix").map_or(Some(""), |i| i.text());
    let encoding = match (hmac?, table.get("encoding")) {
        (true, None) => Some(Scheme::Base64),
        (true, Some(i)) => i.choice(&[("base64", Scheme::Base64), ("hex", Scheme::Hex)]),
        (false, None) => Some(Scheme::Shared),
        (false, Some(i)) => {
            let what = "`encoding` has no meaning for a shared secret";
            i.reader().error(i.key_span(), what, "remove it");
            None
        }
    };
    Some(Signature {
        header: header?,
        scheme: encoding?,
        prefix: prefix?.to_owned(),
    })
}

fn read_on(item: &Item<'_>) -> Option<On> {
    let table = item.table(&ON)?;
    let topics = table
        .required("topics", "write topics = [\"orders/create\"]")
        .and_then(|i| pick::texts(&i));
    let when = pick::conditions(table.get("when"));
    let user = optional(&table, "user");
    let visitor = optional(&table, "visitor");
    let aliases = table.get("aliases").map_or(Some(Vec::new()), |i| {
        let items = i.list("write aliases = [{ path = \"id\", prefix = \"order-\" }]")?;
        items.iter().map(pick::read).collect()
    });
    let identify = table
        .get("identify")
        .map_or(Some(None), |i| read_identify(&i).map(Some));
    let tracks = table.get("track").map_or(Some(Vec::new()), |i| {
        let items = i.list("write [[on.track]], in double brackets")?;
        let all: Vec<Option<Track>> = items.iter().map(read_track).collect();
        all.into_iter().collect()
    });
    let ask = table.get("ask").map_or(Some(None), |i| {
        let words = [
            ("forget", Ask::Forget),
            ("export", Ask::Export),
            ("forget-shop", Ask::ForgetShop),
        ];
        i.choice(&words).map(Some)
    });
    let ignore = table.get("ignore").map_or(Some(false), |i| i.flag());
    let on = On {
        topics: topics?,
        when: when?,
        user: user?,
        visitor: visitor?,
        aliases: aliases?,
        identify: identify?,
        tracks: tracks?,
        ask: ask?,
        ignore: ignore?,
    };
    let nobody = on.user.is_none() && on.visitor.is_none();
    let wrong = |what: &str, help: &str| {
        table.reader().error(item.span(), what, help);
        None
    };
    if on.identify.is_none() && on.tracks.is_empty() && on.ask.is_none() && !on.ignore {
        return wrong(
            "nothing is said of what becomes of these topics",
            "add [on.identify], [[on.track]] or `ask`; or say ignore = true",
        );
    }
    if nobody && (on.identify.is_some() || !on.tracks.is_empty()) {
        return wrong(
            "it is not said whom these topics are about",
            "add `user` (the customer's id) or `visitor`, or both",
        );
    }
    if on.user.is_none() && !on.aliases.is_empty() {
        return wrong(
            "`aliases` are other names of the user, and there is no `user`",
            "add `user`",
        );
    }
    if on.visitor.is_none() && on.tracks.iter().any(|t| t.by_visitor) {
        return wrong(
            "an event is by the visitor, and there is no `visitor`",
            "add `visitor`, or leave `by` out",
        );
    }
    Some(on)
}

fn read_identify(item: &Item<'_>) -> Option<Identify> {
    let table = item.table(&IDENTIFY)?;
    let traits = table
        .required(
            "traits",
            "write [on.identify.traits] with email = \"email\"",
        )
        .and_then(|i| pick::fields(&i));
    let time = optional(&table, "time");
    let consent = table
        .get("consent")
        .map_or(Some(None), |i| read_consent(&i).map(Some));
    Some(Identify {
        traits: traits?,
        time: time?,
        consent: consent?,
    })
}

fn read_consent(item: &Item<'_>) -> Option<Consent> {
    let table = item.table(&CONSENT)?;
    let state = table
        .required("state", "name the place that says whether they consented")
        .and_then(|i| pick::read(&i));
    let words = |key: &str| table.get(key).map_or(Some(Vec::new()), |i| pick::texts(&i));
    let (given, refused) = (words("given"), words("refused"));
    let at = table
        .required(
            "at",
            "name the place that says since when; a consent without a time is not taken",
        )
        .and_then(|i| pick::read(&i));
    let topic = table
        .get("topic")
        .map_or(Some(None), |i| i.parsed(TopicId::parse).map(Some));
    let text = |key: &str| {
        table
            .get(key)
            .map_or(Some(None), |i| i.text().map(|t| Some(t.to_owned())))
    };
    let (source, wording) = (text("source"), text("wording"));
    Some(Consent {
        state: state?,
        given: given?,
        refused: refused?,
        at: at?,
        topic: topic?,
        source: source?,
        wording: wording?,
    })
}

fn read_track(item: &Item<'_>) -> Option<Track> {
    let table = item.table(&TRACK)?;
    let event = table
        .required("event", "write event = \"Order Completed\"")
        .and_then(|i| i.parsed(EventName::parse));
    let by_visitor = table.get("by").map_or(Some(false), |i| {
        i.choice(&[("user", false), ("visitor", true)])
    });
    let identity = table.get("identity").map_or(Some(Vec::new()), |i| {
        let items = i.list("write identity = [\"id\"]: what makes it one event")?;
        let all: Vec<Option<Pick>> = items.iter().map(pick::read).collect();
        all.into_iter().collect()
    });
    let time = optional(&table, "time");
    let when = pick::conditions(table.get("when"));
    let properties = table
        .get("properties")
        .map_or(Some(BTreeMap::new()), |i| pick::fields(&i));
    Some(Track {
        event: event?,
        by_visitor: by_visitor?,
        identity: identity?,
        time: time?,
        when: when?,
        properties: properties?,
    })
}
