//! Engagement: what came back for a message that left. Here are the hits (a pixel fetched, a link followed) and what
//! they are taken for; [`mod@classify`] judges, [`SentMessages`] is what a customer's record remembers of it.
//!
//! No hit is believed blindly: mail programs' proxies and scanners fetch pixels and links as people do. A hit is judged
//! [`SETTLING`] after it happened, with all the others around it, and its class is final from then on. Taking hits in and
//! keeping them is left to the engine.

mod classify;
mod sent;

pub use classify::classify;
pub use sent::{SentMessage, SentMessages};

use super::id::MessageNo;
use super::ledger::Reason;
use super::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// How long after a hit it is judged: what surrounds it within this time is known then.
pub const SETTLING: Span = Span::seconds(60);

/// The longest user agent that is kept, in bytes.
pub const MOST_AGENT: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// The pixel was fetched.
    Open,
    /// A link was followed.
    Click,
}

/// The request's method, as far as it tells anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitMethod {
    Get,
    Head,
}

/// Whose addresses a request came from, as far as the ranges are known. Told with the hit, not judged by: people come
/// from the same ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    Apple,
    Google,
    Microsoft,
    /// The machine itself or its own network: a proxy of the shop's that tells nothing of whom it speaks for.
    Private,
    #[default]
    Other,
}

/// A link's place in its mail and how many links the mail has, in one number that stands in the link's token: what is
/// asked of "all links of a mail" needs no look at the mail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LinkPlace(u16);

impl LinkPlace {
    /// A mail's links beyond this many share the last place.
    pub const MOST: usize = 250;
    const HONEYPOT: u8 = u8::MAX;

    /// The `place`th (from 0) of `of` links.
    pub fn new(place: usize, of: usize) -> LinkPlace {
        let place = place.min(Self::MOST - 1) as u16;
        LinkPlace((Self::count(of) << 8) | place)
    }

    /// The link that no person sees, in a mail of `of` links.
    pub fn honeypot(of: usize) -> LinkPlace {
        LinkPlace((Self::count(of) << 8) | u16::from(Self::HONEYPOT))
    }

    fn count(of: usize) -> u16 {
        of.min(Self::MOST) as u16
    }

    pub fn code(self) -> u16 {
        self.0
    }

    pub fn from_code(code: u16) -> LinkPlace {
        LinkPlace(code)
    }

    pub fn place(self) -> u8 {
        (self.0 & 0xFF) as u8
    }

    /// How many links the mail has, the honeypot not among them.
    pub fn of(self) -> u8 {
        (self.0 >> 8) as u8
    }

    pub fn is_honeypot(self) -> bool {
        self.place() == Self::HONEYPOT
    }
}

/// One request for a pixel or a link of a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hit {
    pub kind: HitKind,
    /// `None` for the pixel.
    pub link: Option<LinkPlace>,
    pub at: Timestamp,
    pub method: HitMethod,
    /// What the client calls itself, at most [`MOST_AGENT`] bytes.
    pub agent: String,
    /// A keyed hash of the client's address: equal for equal addresses, and nothing else can be read from it.
    pub origin: Option<u64>,
    pub network: Network,
    /// The request said that it was made ahead, before anybody asked for it.
    pub ahead: bool,
}

/// What a hit is taken for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitClass {
    HumanLikely,
    /// A proxy that fetches for people, whether they look or not.
    PrivacyProxy,
    /// A program that looks at mail for what may be harmful.
    Scanner,
    Unknown,
}

impl HitClass {
    pub const ALL: [HitClass; 4] = [
        HitClass::HumanLikely,
        HitClass::PrivacyProxy,
        HitClass::Scanner,
        HitClass::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            HitClass::HumanLikely => "human_likely",
            HitClass::PrivacyProxy => "privacy_proxy",
            HitClass::Scanner => "scanner",
            HitClass::Unknown => "unknown",
        }
    }
}

/// What settled hits of one message come to: those of one kind and class, together. Told again it changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Engagement {
    pub message: MessageNo,
    pub kind: HitKind,
    pub class: HitClass,
    /// Of the first of them.
    pub reason: Reason,
    pub link: Option<LinkPlace>,
    pub first: Timestamp,
    pub last: Timestamp,
}

impl Engagement {
    /// Groups one message's settled hits by kind and class, in the order in which they began.
    pub fn of<'a>(
        message: MessageNo,
        settled: impl IntoIterator<Item = (&'a Hit, HitClass, Reason)>,
    ) -> Vec<Engagement> {
        let mut all: Vec<Engagement> = Vec::new();
        for (hit, class, reason) in settled {
            match all
                .iter_mut()
                .find(|e| e.kind == hit.kind && e.class == class)
            {
                Some(known) => {
                    if hit.at < known.first {
                        (known.first, known.reason, known.link) = (hit.at, reason, hit.link);
                    }
                    known.last = known.last.max(hit.at);
                }
                None => all.push(Engagement {
                    message,
                    kind: hit.kind,
                    class,
                    reason,
                    link: hit.link,
                    first: hit.at,
                    last: hit.at,
                }),
            }
        }
        all.sort_by_key(|e| (e.first, e.kind, e.class));
        all
    }
}
