//! What each hit of one message is taken for, and why.
//!
//! The marks of a machine are looked for first, the plainest before the others: a link that no person sees, a HEAD, a
//! name that scanners give themselves, a mail that cannot have been read yet, every link within seconds, links faster
//! than a hand. What came with such hits, from the same place or under the same name, is theirs too. Only then is a name
//! that people's programs bear believed.

use super::{Hit, HitClass, HitKind, HitMethod};
use crate::domain::ledger::Reason;
use crate::domain::time::{Span, Timestamp};
use std::collections::HashMap;

/// Nobody has read a mail so soon after the server accepted it.
const TOO_EARLY: Span = Span::seconds(5);
/// All links of a mail within this: nobody follows them all.
const ALL_LINKS: Span = Span::seconds(10);
/// Two links of a mail in less than this: no hand is so fast.
const BURST: Span = Span::seconds(2);
/// From the same address as a scanner's, within this of it: the scanner.
const SAME_ORIGIN: Span = Span::seconds(10);
/// Under the same name as a scanner's, within this of it (scanners come from many addresses): the scanner.
const SAME_AGENT: Span = Span::seconds(2);

/// Parts of names that scanners and other programs give themselves, in lower case.
const SCANNERS: [&str; 28] = [
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "safe links",
    "ironport",
    "fireeye",
    "trendmicro",
    "symantec",
    "messagelabs",
    "forcepoint",
    "sophos",
    "checkpoint",
    "fortinet",
    "virustotal",
    "urlscan",
    "bingpreview",
    "slackbot",
    "headlesschrome",
    "phantomjs",
    "python-requests",
    "python-urllib",
    "curl/",
    "wget/",
    "go-http-client",
    "okhttp",
    "libwww-perl",
    "apache-httpclient",
];

/// How people's programs begin to name themselves.
const READERS: [&str; 8] = [
    "mozilla/",
    "opera/",
    "microsoft office",
    "outlook",
    "thunderbird",
    "airmail",
    "spark/",
    "samsung",
];

const GMAIL: &str = "googleimageproxy";
const YAHOO: &str = "yahoomailproxy";
/// The whole of what Apple Mail's Privacy Protection calls itself.
const APPLE: &str = "mozilla/5.0";

/// Judges hits of one message, which may come in any order, each with all the others; the answers stand in the order of
/// `hits`. `accepted`: when a server took the mail, if that is known.
pub fn classify(hits: &[Hit], accepted: Option<Timestamp>) -> Vec<(HitClass, Reason)> {
    let agents: Vec<String> = hits.iter().map(|h| h.agent.trim().to_lowercase()).collect();
    let mut machine: Vec<Option<Reason>> = (hits.iter().zip(&agents))
        .map(|(hit, agent)| plain_mark(hit, agent, accepted))
        .collect();
    mark_links(hits, &mut machine);
    let companions = Companions::of(hits, &agents, &machine);
    (hits.iter().zip(&agents).zip(&machine))
        .map(|((hit, agent), machine)| {
            let early = is_early(hit, accepted);
            match machine {
                Some(reason) => (HitClass::Scanner, *reason),
                None => proxy(hit, agent, early)
                    .or_else(|| {
                        let along = companions.along(hit, agent);
                        along.then_some((HitClass::Scanner, Reason::WithScanner))
                    })
                    .unwrap_or_else(|| by_name(hit, agent)),
            }
        })
        .collect()
}

fn is_early(hit: &Hit, accepted: Option<Timestamp>) -> bool {
    accepted.is_some_and(|accepted| hit.at < accepted + TOO_EARLY)
}

/// What marks this hit as a scanner's by itself. Proxies that fetch pixels ahead are told as what they are.
fn plain_mark(hit: &Hit, agent: &str, accepted: Option<Timestamp>) -> Option<Reason> {
    if hit.link.is_some_and(|l| l.is_honeypot()) {
        return Some(Reason::Honeypot);
    }
    if hit.method == HitMethod::Head {
        return Some(Reason::HeadRequest);
    }
    if SCANNERS.iter().any(|name| agent.contains(name)) {
        return Some(Reason::KnownScanner);
    }
    let by_proxy = hit.kind == HitKind::Open && proxy(hit, agent, false).is_some();
    (is_early(hit, accepted) && !by_proxy).then_some(Reason::TooEarly)
}

/// Proxies that fetch pixels for people.
fn proxy(hit: &Hit, agent: &str, early: bool) -> Option<(HitClass, Reason)> {
    if hit.kind == HitKind::Click {
        // They show pictures and follow no links.
        let one = agent.contains(GMAIL) || agent.contains(YAHOO) || agent == APPLE;
        return one.then_some((HitClass::Unknown, Reason::ProxyClick));
    }
    if agent.contains(GMAIL) {
        return Some(match early {
            true => (HitClass::PrivacyProxy, Reason::GmailEarly),
            // It fetches when the mail is opened, and keeps what it has fetched.
            false => (HitClass::HumanLikely, Reason::GmailOpened),
        });
    }
    if agent.contains(YAHOO) {
        return Some((HitClass::PrivacyProxy, Reason::YahooProxy));
    }
    (agent == APPLE).then_some((HitClass::PrivacyProxy, Reason::ApplePrivacy))
}

fn by_name(hit: &Hit, agent: &str) -> (HitClass, Reason) {
    if hit.ahead {
        (HitClass::Unknown, Reason::FetchedAhead)
    } else if agent.is_empty() {
        (HitClass::Unknown, Reason::NoAgent)
    } else if READERS.iter().any(|name| agent.starts_with(name)) {
        (HitClass::HumanLikely, Reason::Reader)
    } else {
        (HitClass::Unknown, Reason::OddAgent)
    }
}

/// Marks clicks that followed all links of the mail within seconds, or several faster than a hand.
fn mark_links(hits: &[Hit], machine: &mut [Option<Reason>]) {
    let mut clicks: Vec<usize> = (0..hits.len())
        .filter(|i| hits[*i].link.is_some())
        .collect();
    clicks.sort_by_key(|i| hits[*i].at);
    let all = |distinct: usize, of: usize| of >= 2 && distinct >= of;
    mark_windows(
        hits,
        &clicks,
        ALL_LINKS,
        true,
        all,
        Reason::AllLinks,
        machine,
    );
    let burst = |distinct: usize, _| distinct >= 2;
    mark_windows(
        hits,
        &clicks,
        BURST,
        false,
        burst,
        Reason::LinkBurst,
        machine,
    );
}

/// Marks every click of each stretch of this length (its end in it or not) whose distinct links are `too_many`.
fn mark_windows(
    hits: &[Hit],
    clicks: &[usize],
    length: Span,
    closed: bool,
    too_many: impl Fn(usize, usize) -> bool,
    reason: Reason,
    machine: &mut [Option<Reason>],
) {
    let mut counts: HashMap<u8, usize> = HashMap::new();
    let mut begin = 0;
    // All clicks before this place of `clicks` that had to be marked are marked.
    let mut marked = 0;
    for (end, at) in clicks.iter().enumerate() {
        let Some(link) = hits[*at].link else { continue };
        *counts.entry(link.place()).or_default() += 1;
        let outside = |first: usize| {
            let apart = hits[*at].at.since(hits[clicks[first]].at);
            apart > length || (apart == length && !closed)
        };
        while outside(begin) {
            let gone = hits[clicks[begin]].link.map_or(0, |l| l.place());
            if let Some(count) = counts.get_mut(&gone) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&gone);
                }
            }
            begin += 1;
        }
        if too_many(counts.len(), usize::from(link.of())) {
            for one in &clicks[begin.max(marked)..=end] {
                machine[*one].get_or_insert(reason);
            }
            marked = end + 1;
        }
    }
}

/// When scanners came, by address and by name.
struct Companions<'a> {
    by_origin: HashMap<u64, Vec<Timestamp>>,
    by_agent: HashMap<&'a str, Vec<Timestamp>>,
}

impl<'a> Companions<'a> {
    fn of(hits: &[Hit], agents: &'a [String], machine: &[Option<Reason>]) -> Companions<'a> {
        let mut found = Companions {
            by_origin: HashMap::new(),
            by_agent: HashMap::new(),
        };
        for ((hit, agent), _) in (hits.iter().zip(agents).zip(machine)).filter(|(_, m)| m.is_some())
        {
            if let Some(origin) = hit.origin {
                found.by_origin.entry(origin).or_default().push(hit.at);
            }
            if !agent.is_empty() {
                found.by_agent.entry(agent).or_default().push(hit.at);
            }
        }
        let times = (found.by_origin.values_mut()).chain(found.by_agent.values_mut());
        times.for_each(|times| times.sort_unstable());
        found
    }

    fn along(&self, hit: &Hit, agent: &str) -> bool {
        let near = |times: Option<&Vec<Timestamp>>, within: Span| {
            times.is_some_and(|times| {
                let next = times.partition_point(|t| *t < hit.at - within);
                times.get(next).is_some_and(|t| *t <= hit.at + within)
            })
        };
        let origin = hit.origin.and_then(|origin| self.by_origin.get(&origin));
        near(origin, SAME_ORIGIN) || near(self.by_agent.get(agent), SAME_AGENT)
    }
}
