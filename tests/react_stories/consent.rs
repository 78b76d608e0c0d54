//! Consent, topics, suppression: what must never leave, and what binds whom.

use crate::world::files::{scheduled, tagged};
use crate::world::{Draft, World, at, shop, triggered, try_later};
use reveille::domain::address::EmailAddress;
use reveille::domain::campaign::{Again, Existing};
use reveille::domain::condition::Pattern;
use reveille::domain::id::CustomerNo;
use reveille::domain::ledger::Status;
use reveille::domain::preference::{Class, ConsentState};
use reveille::domain::record::SuppressionCause;
use reveille::domain::time::Span;
use reveille::domain::value::Value;

const START: &str = "2026-03-02T09:00:00Z";
const GIVEN: ConsentState = ConsentState::Given;
const REFUSED: ConsentState = ConsentState::Refused;

fn hello() -> Draft {
    triggered("hello", "Visited").again(Again::Always)
}

fn classes() -> Vec<Draft> {
    vec![
        hello(),
        triggered("info", "Visited")
            .class(Class::Informational)
            .again(Again::Always),
        triggered("receipt", "Visited")
            .class(Class::Transactional)
            .again(Again::Always),
    ]
}

/// Which of the three classes reach the customer now.
fn reach(world: &mut World, no: CustomerNo) -> Vec<String> {
    let before = world.attempts.len();
    world.event(no, "Visited", &[]);
    let mut names: Vec<String> = (world.attempts[before..].iter())
        .map(|a| a.campaign.to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn each_class_needs_what_it_needs() {
    let mut world = World::new(START, classes());
    let mina = world.stranger("mina");
    world.email(mina, "mina@mail.example");
    assert_eq!(reach(&mut world, mina), ["info", "receipt"]);
    assert_eq!(world.last_row("hello"), "dropped no_consent");
    world.run_for(Span::hours(1));
    world.consent(mina, None, GIVEN);
    assert_eq!(reach(&mut world, mina), ["hello", "info", "receipt"]);
    world.run_for(Span::hours(1));
    world.consent(mina, None, REFUSED);
    assert_eq!(reach(&mut world, mina), ["receipt"]);
    assert_eq!(world.last_row("hello"), "dropped topic_refused");
}

#[test]
fn a_topic_is_refused_by_name_and_the_others_go_on() {
    let offers = hello();
    let news = triggered("news", "Visited")
        .topic(Some("news"))
        .again(Again::Always);
    let digest = triggered("digest", "Visited")
        .topic(Some("digest"))
        .again(Again::Always);
    let mut world = World::new(START, vec![offers, news, digest]);
    let mina = world.customer("mina");
    // "news" must be given by name, "digest" is on request.
    assert_eq!(reach(&mut world, mina), ["hello"]);
    assert_eq!(world.last_row("news"), "dropped no_consent");
    assert_eq!(world.last_row("digest"), "dropped not_requested");
    world.run_for(Span::hours(1));
    world.consent(mina, Some("news"), GIVEN);
    world.consent(mina, Some("digest"), GIVEN);
    world.consent(mina, Some("offers"), REFUSED);
    assert_eq!(reach(&mut world, mina), ["digest", "news"]);
    world.run_for(Span::hours(1));
    world.consent(mina, None, REFUSED);
    assert!(reach(&mut world, mina).is_empty());
    world.run_for(Span::hours(1));
    world.consent(mina, Some("news"), GIVEN);
    assert_eq!(reach(&mut world, mina), ["news"]);
    world.run_for(Span::hours(1));
    // Consent to the whole does not undo what was refused by name.
    world.consent(mina, None, GIVEN);
    assert_eq!(reach(&mut world, mina), ["digest", "news"]);
}

#[test]
fn a_refusal_stops_what_waits_and_what_is_to_be_tried_again() {
    for retrying in [false, true] {
        let mut world = World::new(START, vec![hello()]);
        let mina = world.customer("mina");
        if retrying {
            world.script = Box::new(|_| (try_later(), Span::ZERO));
        } else {
            world.prefer(mina, |p| {
                p.preferences.pause_until = Some(Some(at(START) + Span::days(1)));
            });
        }
        world.event(mina, "Visited", &[]);
        world.run_for(Span::minutes(1));
        let before = world.attempts.len();
        assert_eq!(before, usize::from(retrying));
        world.consent(mina, None, REFUSED);
        world.run_for(Span::days(3));
        assert_eq!(world.attempts.len(), before);
        assert_eq!(world.last_row("hello"), "dropped topic_refused");
        assert!(world.mailbox("mina@mail.example").places.is_empty());
    }
}

#[test]
fn a_refusal_binds_the_mailbox_until_a_later_consent() {
    let mut world = World::new(START, vec![hello()]);
    let mina = world.customer("mina");
    let joon = world.customer("joon");
    world.email(joon, "mina@mail.example");
    assert_eq!(reach(&mut world, joon), ["hello"]);
    world.run_for(Span::hours(1));
    world.consent(mina, Some("offers"), REFUSED);
    assert!(reach(&mut world, joon).is_empty());
    assert_eq!(world.last_row("hello"), "dropped topic_refused");
    world.run_for(Span::hours(1));
    world.consent(joon, Some("offers"), GIVEN);
    assert_eq!(reach(&mut world, joon), ["hello"]);
    // What Mina refused herself stays refused for Mina.
    assert!(reach(&mut world, mina).is_empty());
}

#[test]
fn words_told_out_of_order_leave_the_newest_in_force() {
    let start = at(START);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let mut world = World::new(START, vec![hello()]);
        let mina = world.stranger("mina");
        world.email(mina, "mina@mail.example");
        for word in order {
            let state = if word == 1 { REFUSED } else { GIVEN };
            world.consent_at(mina, None, state, start - Span::days(9 - word));
        }
        assert_eq!(reach(&mut world, mina), ["hello"], "{order:?}");
    }
}

#[test]
fn a_consent_told_late_does_not_lift_a_newer_refusal_of_that_topic() {
    let start = at(START);
    let mut world = World::new(START, vec![hello()]);
    let mina = world.customer("mina");
    let joon = world.stranger("joon");
    world.email(joon, "mina@mail.example");
    let words = [
        (None, REFUSED, 9),
        (Some("offers"), REFUSED, 1),
        (Some("offers"), GIVEN, 5),
    ];
    for (topic, state, days_ago) in words {
        world.consent_at(joon, topic, state, start - Span::days(days_ago));
    }
    assert!(reach(&mut world, mina).is_empty());
}

#[test]
fn a_refusal_at_the_same_instant_wins() {
    for first in [GIVEN, REFUSED] {
        let second = if first == GIVEN { REFUSED } else { GIVEN };
        let mut world = World::new(START, vec![hello()]);
        let mina = world.stranger("mina");
        world.email(mina, "mina@mail.example");
        world.consent(mina, None, first);
        world.consent(mina, None, second);
        assert!(reach(&mut world, mina).is_empty());
    }
}

#[test]
fn what_was_refused_before_there_was_an_address_binds_the_first_one() {
    let mut world = World::new(START, vec![hello()]);
    let joon = world.customer("joon");
    let mina = world.stranger("mina");
    world.run_for(Span::hours(1));
    world.consent(mina, None, REFUSED);
    world.email(mina, "joon@mail.example");
    assert!(reach(&mut world, joon).is_empty());
}

#[test]
fn suppression_stops_by_cause_and_class() {
    use SuppressionCause::{ByHand, Complaint, HardBounce, Unsubscribe};
    for (cause, reached) in [
        (HardBounce, vec![]),
        (ByHand, vec![]),
        (Complaint, vec!["receipt"]),
        (Unsubscribe, vec!["receipt"]),
    ] {
        let mut world = World::new(START, classes());
        let mina = world.customer("mina");
        world.suppress(mina, "mina@mail.example", Some(cause));
        assert_eq!(reach(&mut world, mina), reached, "{cause:?}");
        world.run_for(Span::hours(1));
        world.consent(mina, None, GIVEN);
        let lifted = cause == Unsubscribe;
        assert_eq!(reach(&mut world, mina).len() == 3, lifted, "{cause:?}");
        world.suppress(mina, "mina@mail.example", None);
        assert_eq!(reach(&mut world, mina).len(), 3, "{cause:?}");
    }
}

#[test]
fn who_is_blocked_for_want_of_consent_is_due_again_when_it_is_given() {
    let daily = scheduled("daily", "0 10 * * *", tagged("vip")).existing(Existing::Enter);
    let mut world = World::new(START, vec![daily]);
    let mina = world.stranger("mina");
    world.email(mina, "mina@mail.example");
    world.tag(mina, "vip", true);
    world.run_for(Span::days(5));
    assert_eq!(world.count("daily", Status::Entered), 1);
    assert_eq!(world.last_row("daily"), "dropped no_consent");
    world.consent(mina, None, GIVEN);
    world.run_for(Span::days(5));
    assert_eq!(world.sent("daily"), [at("2026-03-07T10:00:00Z")]);
}

#[test]
fn in_rehearsal_only_the_named_recipients_are_written_to() {
    let mut rehearsal = shop();
    let pattern = regex::Regex::new("^.*@shop\\.example$").unwrap();
    rehearsal.only_to = Some(vec![Pattern(pattern)]);
    let mut world = World::with_shop(at(START), rehearsal, vec![hello()]);
    let mina = world.customer("mina");
    assert!(reach(&mut world, mina).is_empty());
    assert_eq!(world.last_row("hello"), "dropped rehearsal");
    world.email(mina, "mina@shop.example");
    assert_eq!(reach(&mut world, mina), ["hello"]);
    assert_eq!(
        world.attempts[0].to,
        EmailAddress::parse("mina@shop.example").unwrap()
    );
}

/// A shop's clock that runs ahead, or a slip of the pen: what is dated ahead of its receipt was said at its receipt, else
/// nothing could be said against it for years.
#[test]
fn a_word_dated_ahead_counts_from_its_receipt() {
    for (first, then, reached) in [(GIVEN, REFUSED, false), (REFUSED, GIVEN, true)] {
        let mut world = World::new(START, vec![hello()]);
        let mina = world.stranger("mina");
        world.email(mina, "mina@mail.example");
        world.consent_at(mina, None, first, at("2090-01-01T00:00:00Z"));
        assert_eq!(reach(&mut world, mina).is_empty(), reached);
        world.run_for(Span::hours(1));
        world.consent(mina, None, then);
        assert_eq!(!reach(&mut world, mina).is_empty(), reached, "{first:?}");
    }
}

/// A shop's systems tell of one customer twice and the second word comes first: trait by trait the newest stands.
#[test]
fn of_a_trait_told_out_of_order_the_newest_word_stands() {
    let mut world = World::new(START, vec![hello()]);
    let mina = world.stranger("mina");
    let tell = |world: &mut World, name: &str, value: &str, address: &str, as_of: Option<&str>| {
        world.profile(mina, |change| {
            let value = Value::Text(value.to_owned());
            change.attributes.insert(name.to_owned(), value);
            change.email = EmailAddress::parse(address).ok();
            change.as_of = as_of.map(at);
        });
    };
    let stands = |world: &World, name: &str| {
        let record = world.record(mina);
        let value = record
            .attributes
            .get(name)
            .and_then(|v| v.as_text().map(str::to_owned));
        (
            value.unwrap_or_default(),
            record.email.as_ref().unwrap().as_str().to_owned(),
        )
    };
    tell(
        &mut world,
        "city",
        "Busan",
        "new@mail.example",
        Some("2026-03-01T12:00:00Z"),
    );
    tell(
        &mut world,
        "city",
        "Seoul",
        "old@mail.example",
        Some("2026-03-01T11:00:00Z"),
    );
    assert_eq!(
        stands(&world, "city"),
        ("Busan".into(), "new@mail.example".into())
    );
    // What was not told of since is news, however old.
    tell(
        &mut world,
        "size",
        "M",
        "old@mail.example",
        Some("2026-03-01T10:00:00Z"),
    );
    assert_eq!(
        stands(&world, "size"),
        ("M".into(), "new@mail.example".into())
    );
    // A word without a time is said now; one dated ahead counts from its receipt.
    tell(&mut world, "city", "Jeju", "now@mail.example", None);
    tell(
        &mut world,
        "city",
        "Seoul",
        "old@mail.example",
        Some("2026-03-02T08:59:59Z"),
    );
    assert_eq!(
        stands(&world, "city"),
        ("Jeju".into(), "now@mail.example".into())
    );
    tell(
        &mut world,
        "city",
        "Daegu",
        "ahead@mail.example",
        Some("2027-01-01T00:00:00Z"),
    );
    world.run_for(Span::hours(1));
    tell(
        &mut world,
        "city",
        "Ulsan",
        "last@mail.example",
        Some("2026-03-02T09:30:00Z"),
    );
    assert_eq!(
        stands(&world, "city"),
        ("Ulsan".into(), "last@mail.example".into())
    );
}

/// The same of what nobody had told with a time of its own before.
#[test]
fn what_was_chosen_is_not_overwritten_by_a_late_word() {
    let mut world = World::new(START, vec![hello()]);
    let mina = world.stranger("mina");
    world.run_for(Span::hours(1));
    let chosen = world.now;
    world.profile(mina, |change| {
        let city = Value::Text("Jeju".to_owned());
        change.attributes.insert("city".to_owned(), city);
        change.preferences.locale = Some(Some("ko".into()));
    });
    let late = |world: &mut World, as_of| {
        world.profile(mina, |change| {
            let city = Value::Text("Seoul".to_owned());
            change.attributes.insert("city".to_owned(), city);
            change.preferences.locale = Some(Some("en".into()));
            change.as_of = Some(as_of);
        });
        let record = world.record(mina);
        let city = record.attributes["city"].as_text().unwrap().to_owned();
        (city, record.preferences.locale.clone().unwrap())
    };
    world.run_for(Span::hours(1));
    let before = late(&mut world, chosen - Span::minutes(1));
    assert_eq!(before, ("Jeju".to_owned(), "ko".to_owned()));
    let after = late(&mut world, chosen + Span::minutes(1));
    assert_eq!(after, ("Seoul".to_owned(), "en".to_owned()));
}
