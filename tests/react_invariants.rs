//! The invariants of the design that the domain alone can break (3, 5, 6, 8, 10, 11), each a named property over random
//! worlds. Windows and caps (1, 2) are in `oracle_policy.rs`.
//!
//! `REVEILLE_SOAK=1` plays more worlds; `REVEILLE_SEED` chooses the first.

mod world;

use chrono::NaiveDateTime;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use reveille::domain::about::About;
use reveille::domain::address::EmailAddress;
use reveille::domain::campaign::{Again, CampaignState, Existing};
use reveille::domain::cap::Cap;
use reveille::domain::cause::{
    Cause, ConsentChange, Liveness, Operator, PreferenceChange, ProfileChange,
};
use reveille::domain::event::Event;
use reveille::domain::id::{
    CustomerId, CustomerNo, EntryKey, EventName, MessageNo, StepId, TagName, TopicId,
};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::opt_in::{self, Pending};
use reveille::domain::outcome::Outcome;
use reveille::domain::posted::{Absorb, Letter, Posted};
use reveille::domain::preference::{Class, ConsentState, Preferences};
use reveille::domain::react::{Boxes, Context, mailboxes_for, react};
use reveille::domain::record::{
    Entry, EntryState, Record, Standing, Suppression, SuppressionCause,
};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::{Properties, Value};
use reveille::domain::window::{Window, WindowSpan};
use std::collections::{BTreeMap, BTreeSet};
use world::chance::Chance;
use world::files::{dormant, ever, none, since_entry, tagged};
use world::random::{Shape, play};
use world::soundness::{self, check_log, check_nothing_is_stuck};
use world::{Customer, World, accepted, at, audience, scheduled, triggered};

fn seeds(by_default: u64, in_soak: u64) -> impl Iterator<Item = u64> {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    let first = (std::env::var("REVEILLE_SEED").ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_260_302);
    let how_many = if soak { in_soak } else { by_default };
    println!("seeds {first}..{}", first + how_many);
    (0..how_many).map(move |n| first + n)
}

/// As [`busy`], where customers also turn out to be others.
fn merging() -> Shape {
    Shape {
        merged: true,
        ..Shape::of(4, 150)
    }
}

/// Campaigns start by dates, and ask about each other.
fn asking() -> Shape {
    Shape {
        asking: true,
        edited: true,
        merged: true,
        ..Shape::of(3, 200)
    }
}

fn busy() -> Shape {
    Shape {
        edited: true,
        ..Shape::of(2, 200)
    }
}

// ---- 3: consent ----------------------------------------------------------------------------------------------------

/// One word on consent, as the oracle remembers it; later ones come later in the list.
#[derive(Clone, Copy, Debug)]
struct Word {
    customer: usize,
    topic: Option<&'static str>,
    state: ConsentState,
}

/// Whether the words let advertising on "offers" (which follows the whole) through to a customer.
fn consents(words: &[Word], customer: usize, share: &[usize]) -> bool {
    let last = |who: usize, topic: Option<&str>| {
        words
            .iter()
            .rposition(|w| w.customer == who && w.topic == topic)
    };
    let (whole, own) = (last(customer, None), last(customer, Some("offers")));
    let given = |at: Option<usize>| at.is_some_and(|n| words[n].state == ConsentState::Given);
    let agrees = match (whole, own) {
        (Some(w), Some(o)) if w > o && !given(whole) => false,
        (_, Some(_)) => given(own),
        _ => given(whole),
    };
    // Each refusal by anybody of the mailbox must have been lifted by a later word that names it or is more precise.
    let bound = words.iter().enumerate().any(|(n, word)| {
        let same_mailbox = share[word.customer] == share[customer];
        let refuses = word.state == ConsentState::Refused && word.topic != Some("news");
        let lifted = words[n + 1..].iter().any(|later| {
            let names_it = later.topic == word.topic
                || (word.topic.is_none() && later.topic == Some("offers"));
            share[later.customer] == share[customer]
                && later.state == ConsentState::Given
                && names_it
        });
        same_mailbox && refuses && !lifted
    });
    agrees && !bound
}

#[test]
fn invariant_3_nothing_that_needs_consent_begins_without_it() {
    let (mut all, mut worlds) = (0, 0);
    for seed in seeds(30, 1_000) {
        let mut chance = Chance(seed);
        let drafts = vec![
            triggered("ad", "Visited").again(Again::Always).step(
                "s",
                Span::hours(chance.between(0, 30)),
                Span::days(9),
            ),
            triggered("receipt", "Visited")
                .class(Class::Transactional)
                .again(Again::Always),
        ];
        let mut world = World::new("2026-03-02T09:00:00Z", drafts);
        let mut fate = Chance(seed + 1);
        world.script = Box::new(move |_| match fate.below(3) {
            0 => (world::try_later(), Span::minutes(1)),
            1 => (world::uncertain(), Span::minutes(1)),
            _ => (accepted(), Span::minutes(1)),
        });
        let share = [0, 0, 1];
        for (customer, mailbox) in share.iter().enumerate() {
            let no = world.stranger(&format!("c{customer}"));
            world.email(no, &format!("box{mailbox}@mail.example"));
        }
        let mut words: Vec<Word> = Vec::new();
        let mut suppressed = BTreeSet::new();
        let mut ads = 0;
        for _ in 0..300 {
            let before = world.attempts.len();
            world.run_for(Span::minutes(chance.between(1, 900)));
            for attempt in &world.attempts[before..] {
                let customer = attempt.customer.0 as usize - 1;
                let ad = attempt.class == Class::Advertising;
                let stopped = suppressed.contains(&share[customer]);
                assert!(!stopped, "seed {seed}: suppressed: {attempt:?}");
                assert!(
                    !ad || consents(&words, customer, &share),
                    "seed {seed}: no consent at {} of {customer}: {words:#?}",
                    attempt.at
                );
                ads += u32::from(ad);
            }
            let customer = chance.below(3) as usize;
            let no = CustomerNo(customer as u64 + 1);
            let before = world.attempts.len();
            match chance.below(10) {
                0..4 => {
                    let word = Word {
                        customer,
                        topic: chance.of(&[None, None, Some("offers"), Some("news")]),
                        state: chance.of(&[
                            ConsentState::Given,
                            ConsentState::Given,
                            ConsentState::Refused,
                        ]),
                    };
                    words.push(word);
                    world.consent(no, word.topic, word.state);
                }
                4 if chance.once_in(3) => {
                    let address = format!("box{}@mail.example", share[customer]);
                    let lift = suppressed.remove(&share[customer]);
                    if !lift {
                        suppressed.insert(share[customer]);
                    }
                    let cause = (!lift).then_some(SuppressionCause::ByHand);
                    world.suppress(no, &address, cause);
                }
                _ => world.event(no, "Visited", &[]),
            }
            // What begins in the very reaction that follows is judged by the new words too.
            for attempt in &world.attempts[before..] {
                let customer = attempt.customer.0 as usize - 1;
                assert!(!suppressed.contains(&share[customer]));
                assert!(
                    attempt.class != Class::Advertising || consents(&words, customer, &share),
                    "seed {seed}: {attempt:?}, {words:?}"
                );
            }
        }
        all += ads;
        worlds += 1;
    }
    // A world may be suppressed or refused throughout; most are not.
    assert!(
        all > 10 * worlds,
        "only {all} advertisements in {worlds} worlds"
    );
}

// ---- 5, 8: messages and their rows ---------------------------------------------------------------------------------

#[test]
fn invariant_5_one_entry_and_step_is_one_message_and_none_is_accepted_twice() {
    let shapes = [busy(), merging(), asking()];
    for (seed, shape) in seeds(6, 200).flat_map(|seed| shapes.map(|shape| (seed, shape))) {
        let world = play(seed, &shape);
        soundness::nothing_is_sent_twice(&world, false);
    }
}

#[test]
fn invariant_8_every_row_has_a_reason_and_every_message_one_last_row() {
    let shapes = [busy(), merging(), asking()];
    let mut told: BTreeSet<Reason> = BTreeSet::new();
    for (seed, shape) in seeds(6, 200).flat_map(|seed| shapes.map(|shape| (seed, shape))) {
        let world = play(seed, &shape);
        told.extend(world.log.iter().map(|row| row.reason));
        check_log(&world);
        check_nothing_is_stuck(&world);
        let rows = soundness::every_row_has_its_reason(&world);
        assert!(rows > 20, "seed {seed}: too little happened");
    }
    let new = [Reason::Holdout, Reason::Control, Reason::GoalReached];
    assert!(new.iter().all(|reason| told.contains(reason)), "{told:?}");
}

#[test]
fn every_reason_and_code_is_told_apart() {
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
}

// ---- 6: replays ----------------------------------------------------------------------------------------------------

#[test]
fn invariant_6_the_same_causes_give_the_same_record_byte_for_byte() {
    for seed in seeds(4, 100) {
        let shared = seed % 2 == 0;
        let of_seed = match seed % 4 {
            0 => merging(),
            1 | 3 => asking(),
            _ => busy(),
        };
        let world = play(seed, &Shape { shared, ..of_seed });
        soundness::check_replay(&world);
    }
}

#[test]
fn an_instant_is_one_instant_and_a_second_ring_changes_nothing() {
    for seed in seeds(6, 200) {
        let of_seed = match seed % 3 {
            0 => merging(),
            1 => asking(),
            _ => busy(),
        };
        let after_each = Some(soundness::is_at_rest as fn(&World, CustomerNo));
        play(
            seed,
            &Shape {
                after_each,
                ..of_seed
            },
        );
        let whole = Shape {
            whole: true,
            merged: seed % 2 == 0,
            after_each,
            ..Shape::of(2, 60)
        };
        play(seed, &whole);
    }
}

#[test]
fn the_order_of_causes_at_one_instant_decides_nothing() {
    for seed in seeds(6, 200) {
        let sent = |backwards: bool| {
            let world = play(
                seed,
                &Shape {
                    backwards,
                    ..busy()
                },
            );
            let mut sent: Vec<String> = (world.attempts.iter())
                .map(|a| {
                    format!(
                        "{} {:?} {}/{} {:?} {}",
                        a.at, a.customer, a.campaign, a.step, a.entry.0, a.attempt
                    )
                })
                .collect();
            sent.sort();
            sent
        };
        let (forwards, backwards) = (sent(false), sent(true));
        let differs = forwards.iter().zip(&backwards).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(forwards.len(), backwards.len());
    }
}

// ---- 10: hostile values --------------------------------------------------------------------------------------------

fn hostile_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>().prop_map(Timestamp),
        Just(Timestamp(i64::MIN)),
        Just(Timestamp::NEVER),
        (1_700_000_000_000..1_900_000_000_000_i64).prop_map(Timestamp),
        (-10_000_000_000_000..10_000_000_000_000_i64).prop_map(Timestamp),
    ]
}

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("x\r\nBcc: y@z.example".to_owned()),
        Just("\u{202e}مرحبا🦀".to_owned()),
        Just("9".repeat(400)),
        Just("test".to_owned()),
        Just("cart_id".to_owned()),
        Just(String::new()),
    ]
}

fn hostile_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        hostile_text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(6, 30, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(hostile_text(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn hostile_properties() -> impl Strategy<Value = Properties> {
    proptest::collection::btree_map(hostile_text(), hostile_value(), 0..5)
}

fn liveness() -> impl Strategy<Value = Liveness> {
    prop_oneof![Just(Liveness::Live), Just(Liveness::History)]
}

fn hostile_event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![
        Just("Visited".to_owned()),
        Just("Product Added".to_owned()),
        Just("Order Completed".to_owned()),
        hostile_text(),
    ];
    (
        name,
        hostile_time(),
        hostile_properties(),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(name, time, properties, identity, ahead)| Event {
            name: EventName::parse(&name).unwrap_or_else(|_| EventName::parse("Visited").unwrap()),
            time,
            properties,
            identity,
            ahead,
        })
}

fn hostile_window() -> impl Strategy<Value = Window> {
    // Whatever a store may hold, whether or not the reader would have taken it.
    let span = (any::<u8>(), any::<u16>(), any::<u16>())
        .prop_map(|(days, start, end)| WindowSpan { days, start, end });
    proptest::collection::vec(span, 0..4).prop_map(|spans| Window { spans })
}

fn hostile_profile() -> impl Strategy<Value = ProfileChange> {
    let zones = proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec());
    let cap = proptest::sample::select(vec!["1 per day", "2 per week", "3 per 7d", "1 per 1ms"]);
    let preferences = (
        proptest::option::of(zones),
        proptest::option::of(hostile_window()),
        proptest::option::of(cap),
        proptest::option::of(any::<i64>()),
        proptest::option::of(hostile_time()),
    );
    let email = prop_oneof![
        Just("a@mail.example".to_owned()),
        Just("b@mail.example".to_owned()),
        hostile_text(),
    ];
    (
        hostile_properties(),
        proptest::option::of(hostile_time()),
        preferences,
        email,
        hostile_text(),
    )
        .prop_map(
            |(attributes, created_at, (zone, window, cap, gap, pause), email, tag)| ProfileChange {
                attributes,
                email: EmailAddress::parse(&email).ok(),
                created_at,
                preferences: PreferenceChange {
                    timezone: Some(zone),
                    locale: None,
                    window: window.map(Some),
                    caps: cap.map(|c| Some(vec![Cap::parse(c).unwrap()])),
                    gap: gap.map(|g| Some(Span(g))),
                    pause_until: pause.map(Some),
                    format: None,
                },
                tags: TagName::parse(&tag)
                    .ok()
                    .map(|t| (t, true))
                    .into_iter()
                    .collect(),
                as_of: None,
                identity: None,
            },
        )
}

fn hostile_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(accepted()),
        Just(world::try_later()),
        Just(world::uncertain()),
        Just(world::relay_fault()),
        Just(world::not_started()),
        any::<bool>().prop_map(world::refused),
        hostile_text().prop_map(|why| Outcome::Undeliverable { why }),
    ]
}

fn number() -> impl Strategy<Value = MessageNo> {
    prop_oneof![(0..6_u32), any::<u32>()].prop_map(MessageNo)
}

fn attempt() -> impl Strategy<Value = u32> {
    prop_oneof![(0..4_u32), any::<u32>()]
}

fn local_time() -> impl Strategy<Value = NaiveDateTime> {
    prop_oneof![
        Just(NaiveDateTime::MIN),
        Just(NaiveDateTime::MAX),
        (0..4_000_000_000_i64)
            .prop_map(|s| chrono::DateTime::from_timestamp(s, 0).unwrap().naive_utc()),
    ]
}

fn hostile_cause() -> impl Strategy<Value = Cause> {
    let consent = (
        proptest::option::of(proptest::sample::select(vec!["offers", "news", "unheard"])),
        any::<bool>(),
        hostile_time(),
        hostile_text(),
    )
        .prop_map(|(topic, given, at, source)| ConsentChange {
            topic: topic.map(|t| TopicId::parse(t).unwrap()),
            state: if given {
                ConsentState::Given
            } else {
                ConsentState::Refused
            },
            at,
            source,
            wording: None,
            origin: Default::default(),
        });
    let campaign = proptest::sample::select(vec!["ad", "daily", "edge", "series", "unheard"]);
    prop_oneof![
        3 => (hostile_event(), liveness()).prop_map(|(e, l)| Cause::Event(e, l)),
        2 => (hostile_profile(), liveness()).prop_map(|(p, l)| Cause::Profile(Box::new(p), l)),
        1 => (consent, liveness()).prop_map(|(c, l)| Cause::Consent(c, l)),
        1 => Just(Cause::Alarm),
        1 => Just(Cause::Release),
        1 => Just(Cause::Walk),
        1 => (campaign, local_time()).prop_map(|(campaign, occurrence)| Cause::Fires {
            campaign: world::campaign_id(campaign),
            occurrence,
        }),
        3 => (number(), attempt()).prop_map(|(message, attempt)| Cause::Ready { message, attempt }),
        3 => (number(), attempt(), hostile_outcome()).prop_map(|(message, attempt, outcome)| {
            Cause::Outcome { message, attempt, outcome }
        }),
        1 => (hostile_time(), any::<bool>()).prop_map(|(at, on)| Cause::Suppress {
            mailbox: EmailAddress::parse("a@mail.example").unwrap().mailbox(),
            suppression: on.then_some(Suppression {
                cause: SuppressionCause::Complaint,
                at,
                note: String::new(),
            }),
        }),
        1 => (number(), any::<bool>()).prop_map(|(message, resend)| {
            Cause::Operator(Operator::Settle { message, resend })
        }),
        1 => (hostile_time(), hostile_time()).prop_map(|(asked, at)| Cause::Confirm {
            asked,
            change: ConsentChange {
                topic: Some(news()),
                state: ConsentState::Given,
                at,
                source: String::new(),
                wording: None,
                origin: Default::default(),
            },
        }),
        1 => hostile_letter(),
    ]
}

fn news() -> TopicId {
    TopicId::parse("news").unwrap()
}

fn pending(at: Timestamp) -> Pending {
    Pending {
        at,
        source: String::new(),
        wording: None,
        since: at,
    }
}

/// All that another record may hold after some causes, with events beside it; or a merge of this one.
fn hostile_letter() -> impl Strategy<Value = Cause> {
    let events = proptest::collection::vec((hostile_event(), liveness()), 0..2);
    let campaign = proptest::sample::select(vec!["ad", "daily", "edge", "series", "unheard"]);
    let entry = (
        hostile_text(),
        hostile_time(),
        hostile_time(),
        any::<bool>(),
        any::<bool>(),
    );
    (events, campaign, entry, hostile_time(), 0..20_u8).prop_map(
        |(events, campaign, (key, begun, due, open, counted), known_since, which)| {
            let entry = Entry {
                key: EntryKey(key),
                at: begun,
                state: match open {
                    true => EntryState::Waiting {
                        step: StepId::parse("mail").unwrap(),
                        due,
                    },
                    false => EntryState::Left { at: due },
                },
                counted,
                since: begun,
                passed: Vec::new(),
                clock: None,
                drawn: None,
                about: About::default(),
                journey: 0,
            };
            let campaign = world::campaign_id(campaign);
            let posted = match which {
                // Rarely: nothing happens here after it.
                0 => {
                    return Cause::Merge {
                        into: CustomerNo(2),
                    };
                }
                1..10 => Posted::Entry {
                    campaign,
                    entry,
                    way: None,
                },
                _ => {
                    let standing = Standing {
                        entries: vec![entry],
                        entered: u32::from(counted),
                        held: open,
                        ..Standing::default()
                    };
                    Posted::Absorb(Box::new(Absorb {
                        source: CustomerNo(9),
                        earlier: vec![CustomerNo(8)],
                        known_since,
                        email: None,
                        attributes: Properties::new(),
                        told: BTreeMap::new(),
                        tags: BTreeSet::new(),
                        preferences: Preferences::default(),
                        consents: BTreeMap::new(),
                        pending: [(news(), pending(known_since))].into(),
                        sent: Vec::new(),
                        standings: [(campaign, standing)].into(),
                        events,
                        goals: Default::default(),
                        hours: Default::default(),
                        left_by: Vec::new(),
                    }))
                }
            };
            let (sender, no) = (CustomerNo(9), 1);
            Cause::Posted(Box::new(Letter { sender, no, posted }))
        },
    )
}

fn hostile_files() -> World {
    let cart = triggered("ad", "Product Added")
        .per("cart_id")
        .again(Again::Always)
        .exit(since_entry("Order Completed", Some("cart_id")));
    let mut world = World::new(
        "2026-03-02T09:00:00Z",
        vec![
            cart,
            scheduled(
                "daily",
                "0 10 * * *",
                none("Order Completed", Some(Span::days(30))),
            )
            .existing(Existing::Enter)
            .again(Again::AfterLeaving),
            audience("edge", dormant("Visited", Span(i64::MAX))).again(Again::Always),
            audience("test", ever("Visited")).state(CampaignState::Test),
            triggered("series", "Visited")
                .times(3, Some(Span(i64::MAX)))
                .again(Again::After(Span::days(1)))
                .and_step("two", Span(i64::MAX), Span(i64::MAX)),
            triggered("receipt", "Visited").class(Class::Transactional),
        ],
    );
    // One topic wants confirming, with the program's own campaign for that.
    let rules = std::sync::Arc::make_mut(&mut world.rules);
    if let Some(topic) = rules.topics.get_mut(&news()) {
        topic.confirm = true;
    }
    let asking = opt_in::campaign(Default::default(), 1);
    rules.campaigns.insert(asking.id.clone(), asking.into());
    world
}

fn cases(by_default: u32) -> ProptestConfig {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    ProptestConfig {
        cases: if soak { by_default * 100 } else { by_default },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn invariant_10_hostile_causes_never_panic(
        causes in proptest::collection::vec((hostile_cause(), hostile_time(), any::<bool>()), 1..40),
        in_order in any::<bool>(),
    ) {
        let mut world = hostile_files();
        let no = CustomerNo(1);
        let id = CustomerId::parse("\u{202e}x").unwrap();
        let mut customer = Customer::of(Record::new(no, id, world.now));
        for (cause, now, unfinished) in causes {
            // `now` never goes back in the daemon; here it may leap anywhere.
            if !in_order || now > world.now {
                world.now = now;
            }
            world.unfinished = unfinished;
            let boxes: Boxes = (mailboxes_for(&customer.record, &cause, &world.rules).into_iter())
                .map(|id| (id.clone(), world.boxes.get(&id).cloned().unwrap_or_default()))
                .collect();
            let context = Context {
                now: world.now,
                rules: &world.rules,
                history: Some(&customer.history),
                unfinished,
                person: None,
                quotas: &Default::default(),
                coupon: None,
            };
            let reaction = react(&customer.record, &boxes, &cause, &context).unwrap();
            world.boxes.extend(reaction.boxes);
            customer.record = reaction.record;
            if let Cause::Event(event, _) = cause {
                customer.history.push(event);
            }
            let stored = postcard::to_stdvec(&customer.record).unwrap();
            let read: Record = postcard::from_bytes(&stored).unwrap();
            assert_eq!(postcard::to_stdvec(&read).unwrap(), stored);
            soundness::each_message_stands_in_one_place(&customer.record);
        }
    }
}

// ---- 11: nobody is surprised ---------------------------------------------------------------------------------------

#[test]
fn invariant_11_history_drafts_and_walks_enter_nobody() {
    for seed in seeds(20, 500) {
        let mut chance = Chance(seed);
        let files = |chance: &mut Chance| {
            let again = chance.of(&[Again::Never, Again::AfterLeaving]);
            let live = vec![
                triggered("t", "Visited").again(Again::Always),
                triggered("n", "Visited")
                    .times(2, None)
                    .again(Again::Always),
                audience("buyers", ever("Order Completed")).again(again),
                audience("silent", none("Visited", None)).again(again),
                scheduled("daily", "0 10 * * *", ever("Order Completed")).again(again),
                audience("vip", tagged("vip")).again(again),
            ];
            let drafts = ["d1", "d2"].map(|name| {
                audience(name, ever("Visited"))
                    .existing(Existing::Enter)
                    .state(CampaignState::Draft)
            });
            let mut all = live;
            all.extend(drafts);
            // An edit: some files come and go.
            all.retain(|_| !chance.once_in(5));
            all
        };
        let first = files(&mut chance);
        let mut world = World::with_shop(at("2026-03-02T09:00:00Z"), world::shop(), vec![]);
        let customers: Vec<_> = (0..3)
            .map(|n| {
                let no = world.stranger(&format!("c{n}"));
                let change = ProfileChange {
                    email: EmailAddress::parse(&format!("c{n}@mail.example")).ok(),
                    tags: vec![(TagName::parse("vip").unwrap(), n == 0)],
                    ..ProfileChange::default()
                };
                world.apply(no, Cause::Profile(Box::new(change), Liveness::History));
                no
            })
            .collect();
        // Everything that was before the campaigns are live; each history event may come again later.
        for no in &customers {
            world.history(*no, "Order Completed", at("2026-01-01T00:00:00Z"));
        }
        world.run_for(Span::hours(5));
        world.adopt(first);
        for _ in 0..60 {
            world.run_for(Span::hours(chance.between(1, 20)));
            let no = chance.of(&customers);
            match chance.below(6) {
                0 => world.adopt(files(&mut chance)),
                1 => {
                    world.apply(no, Cause::Walk);
                }
                _ => {
                    let name = chance.of(&["Visited", "Order Completed", "Product Added"]);
                    let time = world.now - Span::hours(chance.between(0, 2_000));
                    world.history(no, name, time);
                }
            }
        }
        world.run_for(Span::days(9));
        let entered: Vec<_> = (world.log.iter())
            .filter(|r| r.status == Status::Entered)
            .collect();
        assert_eq!(entered, Vec::<&LogRow>::new(), "seed {seed}");
        assert!(world.attempts.is_empty());
    }
}
