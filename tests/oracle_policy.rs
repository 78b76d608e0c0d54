//! Windows, caps, gaps and liveness against an independent oracle (invariants 1 and 2 of the design).
//!
//! Random customers, preferences, zones, limits, campaigns and causes are played for two simulated years. The oracle
//! reads what began and what became of it, keeps its own places, and does its own arithmetic with chrono over
//! chrono-tz; it shares no code with `domain::window`, `domain::cap` and `domain::policy`.
//!
//! `REVEILLE_SOAK=1` plays 100,000 customer-days for each of ten seeds; `REVEILLE_SEED` chooses the first seed.

mod world;

use chrono::{DateTime, Datelike, Timelike};
use chrono_tz::Tz;
use reveille::domain::address::{EmailAddress, MailboxId};
use reveille::domain::calendar::ClosedDays;
use reveille::domain::campaign::{Again, Campaign, CampaignWindow};
use reveille::domain::cap::{Cap, Period};
use reveille::domain::id::{CampaignId, CustomerNo, MessageNo};
use reveille::domain::ledger::Status;
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::{Class, Preferences};
use reveille::domain::record::{MessageState, Record};
use reveille::domain::rules::Shop;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use world::chance::Chance;
use world::random::{Shape, ZONES, a_shop, change_preferences, play, some_caps};
use world::soundness::{check_log, check_nothing_is_stuck};
use world::{Told, World, at, triggered};

// ---- the oracle ----------------------------------------------------------------------------------------------------

fn wall(at: i64, zone: Tz) -> DateTime<Tz> {
    DateTime::from_timestamp_millis(at)
        .expect("within chrono's range")
        .with_timezone(&zone)
}

/// Whether a window stands open: by the weekday and the minute that the wall clock shows.
fn is_open(window: &Window, at: i64, zone: Tz) -> bool {
    let clock = wall(at, zone);
    let day = clock.weekday().num_days_from_monday();
    let minute = clock.hour() * 60 + clock.minute();
    window.spans.iter().any(|span| {
        let (start, end) = (u32::from(span.start), u32::from(span.end));
        let on = |day: u32| span.days & (1 << day) != 0;
        let today = on(day) && (start..end).contains(&minute);
        let since_yesterday = on((day + 6) % 7) && (start..end).contains(&(minute + 1440));
        today || since_yesterday
    })
}

/// A place as the oracle keeps it.
#[derive(Clone, Copy, Debug)]
struct Held<'a> {
    at: i64,
    class: Class,
    campaign: &'a CampaignId,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug)]
enum Of {
    Advertising,
    All,
    Campaign,
}

/// What the design says applies to a message of a class.
#[derive(Debug)]
struct Applies<'a> {
    zone: Tz,
    pause: Option<i64>,
    windows: Vec<&'a Window>,
    caps: Vec<(Cap, Of)>,
    gaps: Vec<(i64, Of)>,
    closed: Option<&'a ClosedDays>,
    campaign: &'a CampaignId,
}

fn applies<'a>(
    class: Class,
    own: &'a Preferences,
    campaign: &'a Campaign,
    shop: &'a Shop,
) -> Applies<'a> {
    let mut all = Applies {
        zone: own.timezone.unwrap_or(shop.timezone),
        pause: None,
        windows: vec![],
        caps: vec![],
        gaps: vec![],
        closed: None,
        campaign: &campaign.id,
    };
    if class == Class::Transactional {
        return all;
    }
    let advertising = class == Class::Advertising;
    all.closed = advertising.then_some(&shop.closed);
    all.pause = own.pause_until.map(|t| t.0);
    // The customer's own, or else for advertising the shop's.
    match (&own.window, &shop.window) {
        (Some(window), _) => all.windows.push(window),
        (None, Some(window)) if advertising && campaign.limits.window != CampaignWindow::Always => {
            all.windows.push(window);
        }
        _ => {}
    }
    match &own.caps {
        Some(caps) => all.caps.extend(caps.iter().map(|c| (*c, Of::All))),
        None if advertising => all
            .caps
            .extend(shop.caps.iter().map(|c| (*c, Of::Advertising))),
        None => {}
    }
    match (own.gap, shop.gap) {
        (Some(gap), _) => all.gaps.push((gap.0, Of::All)),
        (None, Some(gap)) if advertising => all.gaps.push((gap.0, Of::Advertising)),
        _ => {}
    }
    // The campaign's on top, and the ceiling.
    if let CampaignWindow::Only(window) = &campaign.limits.window {
        all.windows.push(window);
    }
    all.caps
        .extend(campaign.limits.caps.iter().map(|c| (*c, Of::Campaign)));
    all.gaps
        .extend(campaign.limits.gap.map(|g| (g.0, Of::Campaign)));
    all.windows.extend(shop.ceiling.window.as_ref());
    all.caps
        .extend(shop.ceiling.caps.iter().map(|c| (*c, Of::All)));
    all.gaps.extend(shop.ceiling.gap.map(|g| (g.0, Of::All)));
    all
}

impl Applies<'_> {
    fn counts(&self, of: Of, place: &Held<'_>) -> bool {
        match of {
            Of::All => true,
            Of::Advertising => place.class == Class::Advertising,
            Of::Campaign => place.campaign == self.campaign,
        }
    }

    /// What forbids a message at `at`, beside the other places of its mailbox.
    fn forbids(&self, at: i64, others: &[Held<'_>]) -> Option<String> {
        if let Some(pause) = self.pause.filter(|pause| at < *pause) {
            return Some(format!("paused until {}", Timestamp(pause)));
        }
        for (gap, of) in &self.gaps {
            let near = others
                .iter()
                .find(|p| self.counts(*of, p) && (at - p.at).abs() < *gap);
            if let Some(near) = near {
                return Some(format!("gap {} to {near:?}", Span(*gap)));
            }
        }
        for (cap, of) in &self.caps {
            let near = |p: &&Held<'_>| match cap.period {
                Period::Rolling(period) => (at - p.at).abs() < period.0,
                Period::Day => {
                    wall(at, self.zone).date_naive() == wall(p.at, self.zone).date_naive()
                }
                Period::Week => wall(at, self.zone).iso_week() == wall(p.at, self.zone).iso_week(),
            };
            let taken = others
                .iter()
                .filter(|p| self.counts(*of, p))
                .filter(near)
                .count();
            if taken >= cap.most as usize {
                return Some(format!("cap {cap} with {taken}"));
            }
        }
        for later in [0, 2_500, 5_000] {
            let date = wall(at + later, self.zone).date_naive();
            if self.closed.is_some_and(|closed| closed.holds(date)) {
                return Some(format!("closed on {date}"));
            }
        }
        // It starts to leave up to five seconds later. Windows open and shut on full minutes.
        for window in &self.windows {
            for later in [0, 1_000, 2_500, 4_999, 5_000] {
                if !is_open(window, at + later, self.zone) {
                    return Some(format!("window {window}"));
                }
            }
        }
        None
    }

    /// The first permitted instant in [from, to): each full minute, and each instant at which a place stops to count.
    fn first_permitted(&self, from: i64, to: i64, others: &[Held<'_>]) -> Option<i64> {
        let mut at = vec![from];
        at.extend(self.pause);
        for place in others {
            at.extend(self.gaps.iter().map(|(gap, _)| place.at + gap));
            at.extend(self.caps.iter().filter_map(|(cap, _)| match cap.period {
                Period::Rolling(period) => Some(place.at + period.0),
                _ => None,
            }));
        }
        at.extend((from / 60_000 + 1..=to / 60_000).map(|minute| minute * 60_000));
        at.retain(|t| (from..to).contains(t));
        at.sort_unstable();
        at.into_iter().find(|t| self.forbids(*t, others).is_none())
    }
}

/// A message as the oracle knows it.
#[derive(Clone, Debug)]
struct Known<'a> {
    place: Option<i64>,
    /// What an attempt that is given back returns to.
    before: Option<i64>,
    doubted: bool,
    class: Class,
    campaign: &'a CampaignId,
    mailboxes: BTreeSet<MailboxId>,
}

/// Goes over all that was told and finds the first attempt that broke a limit.
fn verify(world: &World) -> Result<u64, String> {
    let mut known: BTreeMap<(CustomerNo, MessageNo), Known<'_>> = BTreeMap::new();
    let mut judged = 0;
    for told in &world.told {
        match told {
            Told::Began(index) => {
                let attempt = &world.attempts[*index];
                let own = (attempt.customer, attempt.message);
                let mailbox = attempt.to.mailbox();
                let others: Vec<Held<'_>> = (known.iter())
                    .filter(|(key, k)| **key != own && k.mailboxes.contains(&mailbox))
                    .filter_map(|(_, k)| {
                        Some(Held {
                            at: k.place?,
                            class: k.class,
                            campaign: k.campaign,
                        })
                    })
                    .collect();
                let rules = &attempt.rules;
                let campaign = &rules.campaigns[&attempt.campaign];
                let limits = applies(attempt.class, &attempt.preferences, campaign, &rules.shop);
                if let Some(why) = limits.forbids(attempt.at.0, &others) {
                    return Err(format!("{why}: {attempt:?} in {}", limits.zone));
                }
                judged += 1;
                let k = known.entry(own).or_insert(Known {
                    place: None,
                    before: None,
                    doubted: false,
                    class: attempt.class,
                    campaign: &attempt.campaign,
                    mailboxes: BTreeSet::new(),
                });
                k.mailboxes.insert(mailbox);
                k.before = k.place;
                k.place = (attempt.class != Class::Transactional).then_some(attempt.at.0);
            }
            Told::Ended(index, outcome) => {
                let attempt = &world.attempts[*index];
                let k = known
                    .get_mut(&(attempt.customer, attempt.message))
                    .expect("it began");
                match outcome {
                    Outcome::Uncertain { .. } => k.doubted = true,
                    Outcome::RelayFault { .. } | Outcome::NotStarted { .. } => k.place = k.before,
                    _ => {}
                }
            }
            Told::Concluded(customer, message, status) => {
                if let Some(k) = known.get_mut(&(*customer, *message))
                    && *status != Status::Accepted
                    && !k.doubted
                {
                    k.place = None;
                }
            }
            Told::Moved(_, from, to) => {
                for k in known.values_mut() {
                    if k.place.is_some() && k.mailboxes.contains(from) {
                        k.mailboxes.insert(to.clone());
                    }
                }
            }
        }
    }
    Ok(judged)
}

/// Whatever waits for policy is asked no later than the first instant at which it may go, as the oracle finds it. Looks
/// at one reaction in forty: it is dear.
fn check_liveness(world: &World, no: CustomerNo) {
    if !world.reactions.is_multiple_of(40) {
        return;
    }
    let record: &Record = world.record(no);
    let Some(mailbox) = record.email.as_ref().map(EmailAddress::mailbox) else {
        return;
    };
    let empty = Default::default();
    let places = &world.boxes.get(&mailbox).unwrap_or(&empty).places;
    for message in record.messages.values() {
        let puts_off = message.state == MessageState::Waiting
            && !message.parked
            && message.not_before > world.now;
        let Some(campaign) = world
            .rules
            .campaigns
            .get(&message.campaign)
            .filter(|_| puts_off)
        else {
            continue;
        };
        let others: Vec<Held<'_>> = (places.iter())
            .filter(|p| p.message.message != message.no)
            .map(|p| Held {
                at: p.at.0,
                class: p.class,
                campaign: &p.campaign,
            })
            .collect();
        let limits = applies(
            message.class,
            &record.preferences,
            campaign,
            &world.rules.shop,
        );
        let until = message.not_before.min(message.expires).0;
        // One that the relay gave back waits as long as a retry would; after that policy alone puts it off.
        let wait = world
            .rules
            .shop
            .retry
            .last()
            .filter(|_| message.attempts > 0);
        let from = world.now.0 + wait.map_or(0, |w| w.0);
        let first = limits.first_permitted(from, until, &others);
        assert_eq!(
            first.map(Timestamp),
            None,
            "it may go before it is asked for: now {}, {message:?}",
            world.now
        );
    }
}

fn soak() -> bool {
    std::env::var_os("REVEILLE_SOAK").is_some()
}

fn seeds(how_many: u64) -> impl Iterator<Item = u64> {
    let first = (std::env::var("REVEILLE_SEED").ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_260_301);
    (0..how_many).map(move |n| first + n)
}

/// Invariants 1 and 2, over two simulated years a customer.
fn two_years(shape: Shape) {
    let (runs, worlds) = if soak() { (10, 34) } else { (1, 3) };
    for seed in seeds(runs) {
        let mut judged = 0;
        for n in 0..worlds {
            let world = play(seed * 1_000 + n, &shape);
            check_log(&world);
            check_nothing_is_stuck(&world);
            judged += verify(&world).unwrap_or_else(|why| panic!("seed {seed}, {n}: {why}"));
        }
        let days = worlds as i64 * shape.days * shape.customers as i64;
        println!("seed {seed}: {days} customer-days, {judged} attempts, no violation");
        assert!(
            judged as i64 > days / 50,
            "too little was sent to mean anything"
        );
    }
}

fn of_two_years() -> Shape {
    Shape::of(if soak() { 4 } else { 2 }, 730)
}

#[test]
fn invariants_1_and_2_no_window_cap_or_gap_is_broken_in_two_years() {
    two_years(Shape {
        after_each: Some(check_liveness),
        ..of_two_years()
    });
}

#[test]
fn invariants_1_and_2_hold_where_mailboxes_are_shared_and_files_edited() {
    two_years(Shape {
        shared: true,
        edited: true,
        ..of_two_years()
    });
}

#[test]
fn invariants_1_and_2_hold_where_customers_are_merged() {
    for shared in [false, true] {
        two_years(Shape {
            shared,
            merged: true,
            ..Shape::of(6, 150)
        });
    }
}

#[test]
fn liveness_holds_where_files_are_edited() {
    two_years(Shape {
        edited: true,
        after_each: Some(check_liveness),
        ..of_two_years()
    });
}

/// Liveness to the minute: one message, places taken before, and the oracle's first permitted instant.
#[test]
fn a_message_goes_at_the_first_permitted_instant() {
    let cases = if soak() { 2_000 } else { 100 };
    for seed in seeds(cases) {
        let mut chance = Chance(seed);
        let shop = a_shop(&mut chance);
        let expires = Span::hours(chance.of(&[6, 30, 72]));
        let caps = some_caps(&mut chance);
        let filler = triggered("filler", "Filled").again(Again::Always);
        let draft = triggered("t", "Visited")
            .step("s", Span::ZERO, expires)
            .with(|c| c.limits.caps = caps);
        // A clock change is near in most zones: the end of March or of October 2026.
        let around = chance.of(&[
            "2026-03-28T00:00:00Z",
            "2026-10-24T00:00:00Z",
            "2026-04-03T00:00:00Z",
        ]);
        let start = at(around) + Span::millis(chance.between(0, 3 * 86_400_000));
        let mut world = World::with_shop(start - Span::days(9), shop, vec![filler, draft]);
        let mina = world.customer("mina");
        for _ in 0..chance.below(5) {
            let until = world.now + Span::minutes(chance.between(1, 2_500));
            world.run_until(until.min(start));
            world.event(mina, "Filled", &[]);
        }
        world.run_until(start);
        world.prefer(mina, |p| {
            p.preferences.timezone = Some(Some(chance.of(ZONES)))
        });
        for _ in 0..3 {
            change_preferences(&mut chance, &mut world, mina);
        }
        let before = world.attempts.len();
        let places = world.mailbox("mina@mail.example").places;
        world.event(mina, "Visited", &[]);
        // What still waits of the fillers could take a place first; such cases say nothing here.
        world.run_for(Span::days(4));
        if world.attempts[before..]
            .iter()
            .any(|a| a.campaign.as_str() != "t")
        {
            continue;
        }
        let others: Vec<Held<'_>> = (places.iter())
            .map(|p| Held {
                at: p.at.0,
                class: p.class,
                campaign: &p.campaign,
            })
            .collect();
        let record = world.record(mina);
        let campaign = &world.rules.campaigns[&world::campaign_id("t")];
        let limits = applies(
            Class::Advertising,
            &record.preferences,
            campaign,
            &world.rules.shop,
        );
        let wanted = limits.first_permitted(start.0, (start + expires).0, &others);
        let sent = world.sent("t");
        let wanted: Vec<_> = wanted.into_iter().map(Timestamp).collect();
        assert_eq!(sent, wanted, "seed {seed}, {limits:?}, {others:?}");
    }
}

/// The oracle is no use if it never says no.
#[test]
fn the_oracle_finds_what_is_broken() {
    let world = World::new("2026-03-02T09:00:00Z", vec![triggered("t", "Visited")]);
    let campaign = &world.rules.campaigns[&world::campaign_id("t")];
    let own = Preferences {
        window: Some(world::files::window("Mon 09:00-10:00")),
        caps: Some(world::files::caps(&["1 per day"])),
        gap: Some(Span::hours(1)),
        ..Preferences::default()
    };
    let limits = applies(Class::Advertising, &own, campaign, &world.rules.shop);
    let monday = at("2026-03-02T09:30:00Z").0;
    assert_eq!(limits.forbids(monday, &[]), None);
    assert!(
        limits
            .forbids(monday + 86_400_000, &[])
            .unwrap()
            .starts_with("window")
    );
    let late = at("2026-03-02T09:59:57Z").0;
    assert!(limits.forbids(late, &[]).unwrap().starts_with("window"));
    let id = world::campaign_id("other");
    let mut held = [Held {
        at: monday - 60_000,
        class: Class::Informational,
        campaign: &id,
    }];
    assert!(limits.forbids(monday, &held).unwrap().starts_with("gap"));
    held[0].at = monday - 2 * 3_600_000;
    assert!(limits.forbids(monday, &held).unwrap().starts_with("cap"));
}
