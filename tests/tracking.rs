//! Hits: pixels fetched and links followed. What they are taken for is held against a list labelled by hand; taking
//! them in, keeping them and what follows from them run on the real application.

use reveille::domain::engagement::{
    Hit, HitClass, HitKind, HitMethod, LinkPlace, Network, classify,
};
use reveille::domain::ledger::Reason;
use reveille::domain::time::{Span, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const ACCEPTED: Timestamp = Timestamp(1_772_442_000_000);

/// One line of the labelled list.
struct Labelled {
    mail: u64,
    hit: Hit,
    class: String,
    reason: String,
}

/// `tests/data/hits.jsonl`: hits of many mails, each with what it is.
fn labelled() -> Vec<Labelled> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hits.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let of = row["links"].as_u64().unwrap() as usize;
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let link = match &row["link"] {
            Value::Null => None,
            Value::String(_) => Some(LinkPlace::honeypot(of)),
            place => Some(LinkPlace::new(place.as_u64().unwrap() as usize, of)),
        };
        Labelled {
            mail: row["mail"].as_u64().unwrap(),
            hit: Hit {
                kind: match text("kind").as_str() {
                    "open" => HitKind::Open,
                    _ => HitKind::Click,
                },
                link,
                at: ACCEPTED + Span::millis(row["after_ms"].as_i64().unwrap()),
                method: match text("method").as_str() {
                    "HEAD" => HitMethod::Head,
                    _ => HitMethod::Get,
                },
                agent: text("agent"),
                origin: row["origin"].as_u64(),
                network: Network::Other,
                ahead: row["ahead"].as_bool().unwrap(),
            },
            class: text("expect"),
            reason: text("reason"),
        }
    };
    text.lines().map(read).collect()
}

fn by_mail(all: &[Labelled]) -> BTreeMap<u64, Vec<&Labelled>> {
    let mut mails: BTreeMap<u64, Vec<&Labelled>> = BTreeMap::new();
    for one in all {
        mails.entry(one.mail).or_default().push(one);
    }
    mails
}

#[test]
fn each_hit_of_the_labelled_list_is_taken_for_what_it_is() {
    let all = labelled();
    assert!(all.len() >= 200, "{}", all.len());
    let mut wrong = Vec::new();
    let mut reasons = std::collections::BTreeSet::new();
    for (mail, lines) in by_mail(&all) {
        let hits: Vec<Hit> = lines.iter().map(|l| l.hit.clone()).collect();
        for (line, (class, reason)) in lines.iter().zip(classify(&hits, Some(ACCEPTED))) {
            reasons.insert(reason);
            if (class.as_str(), reason.code()) != (&line.class, &line.reason) {
                let (agent, at) = (&line.hit.agent, line.hit.at.since(ACCEPTED));
                wrong.push(format!(
                    "mail {mail}, {at} after acceptance, {agent:?}: {}/{} and not {}/{}",
                    class.as_str(),
                    reason.code(),
                    line.class,
                    line.reason
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(reasons.len(), 16, "each reason is met: {reasons:?}");
}

#[test]
fn the_order_in_which_hits_were_written_down_changes_nothing() {
    for lines in by_mail(&labelled()).into_values() {
        let hits: Vec<Hit> = lines.iter().map(|l| l.hit.clone()).collect();
        let mut turned = hits.clone();
        turned.reverse();
        let mut answers = classify(&turned, Some(ACCEPTED));
        answers.reverse();
        assert_eq!(answers, classify(&hits, Some(ACCEPTED)));
    }
}

#[test]
fn a_mail_whose_acceptance_is_not_known_is_judged_by_all_the_rest() {
    let alone = |after: i64, agent: &str| {
        let hit = Hit {
            kind: HitKind::Open,
            link: None,
            at: ACCEPTED + Span::millis(after),
            method: HitMethod::Get,
            agent: agent.to_owned(),
            origin: None,
            network: Network::Other,
            ahead: false,
        };
        classify(std::slice::from_ref(&hit), None)[0]
    };
    let reader = (HitClass::HumanLikely, Reason::Reader);
    assert_eq!(alone(100, "Mozilla/5.0 (X11) Firefox/127.0"), reader);
    let apple = (HitClass::PrivacyProxy, Reason::ApplePrivacy);
    assert_eq!(alone(100, "Mozilla/5.0"), apple);
}

/// Whoever holds one token can send as many hits as they like: judging them must stay cheap.
#[test]
fn very_many_hits_of_one_message_are_judged_in_one_go() {
    let hits: Vec<Hit> = (0..100_000)
        .map(|n: i64| Hit {
            kind: HitKind::Click,
            link: Some(LinkPlace::new((n % 40) as usize, 40)),
            at: ACCEPTED + Span::seconds(60) + Span::millis(n / 2),
            method: HitMethod::Get,
            agent: "Mozilla/5.0 (X11)".into(),
            origin: Some((n % 7) as u64),
            network: Network::Other,
            ahead: false,
        })
        .collect();
    let judged = classify(&hits, Some(ACCEPTED));
    assert!(judged.iter().all(|(class, _)| *class == HitClass::Scanner));
}

#[test]
fn a_links_place_goes_into_its_token_and_comes_back() {
    for (place, of) in [(0, 1), (3, 4), (249, 250), (400, 900)] {
        let link = LinkPlace::new(place, of);
        assert_eq!(LinkPlace::from_code(link.code()), link);
        assert!(!link.is_honeypot());
        assert_eq!(usize::from(link.of()), of.min(250));
    }
    let pot = LinkPlace::honeypot(7);
    assert!(pot.is_honeypot() && pot.of() == 7);
}
