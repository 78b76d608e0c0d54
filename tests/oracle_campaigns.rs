//! Who enters, who leaves, what everybody gets and when, against a naive oracle that works everything out from scratch:
//! random files (in TOML, read by the real compiler), random histories, pauses, downtime, edits and reloads in between.
//! Then the same causes are played again, and must give the same records byte for byte.
//!
//! The oracle (`oracle_campaigns/naive.rs`) says what `docs/campaigns.md` says, a quarter of an hour at a time.
//! `REVEILLE_SOAK=1` plays more; `REVEILLE_SEED` chooses the first.

#[path = "oracle_campaigns/naive.rs"]
mod naive;
#[path = "oracle_campaigns/plan.rs"]
mod plan;
mod world;

use naive::{Naive, Told};
use plan::{DAY, EVENTS, Plans, TICK};
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::engagement::{Engagement, HitClass, HitKind};
use reveille::domain::holdout::Share;
use reveille::domain::id::{CustomerNo, MessageNo};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use world::chance::Chance;
use world::language::{self, Folder};
use world::random::ZONES;
use world::{World, soundness};

fn folder(plans: &Plans) -> Folder {
    Folder {
        files: (plans.files.iter())
            .map(|(name, plan)| (name.clone(), language::File::of(&plan.text())))
            .collect(),
        tags: format!("[keen]\nall = [{}]\n", plans.keen.text()),
        topics: language::TOPICS_FILE.into(),
        ..Folder::default()
    }
}

/// A row as the oracle tells it; none, of what it does not speak of.
fn told(row: &LogRow, start: Timestamp) -> Option<String> {
    let step = || row.step.as_ref().map(|s| s.to_string()).unwrap_or_default();
    let why = row.reason.code();
    let what = match (row.status, row.reason) {
        (Status::Entered, _) => "entered".to_owned(),
        (Status::Left, _) => format!("left {why}"),
        (Status::KeptOut, _) => format!("kept_out {why}"),
        (Status::NotDrawn, _) => "not_drawn".to_owned(),
        (Status::Attempting, _) => {
            let variant = row
                .variant
                .as_ref()
                .map_or_else(String::new, |v| format!(" {v}"));
            format!("sent {}{variant}", step())
        }
        (Status::HeldOut, _) => format!("held {} {why}", step()),
        (Status::Dropped, _) => format!("dropped {} {why}", step()),
        (Status::Skipped, _) => format!("skipped {} {why}", step()),
        (Status::Done, _) => format!("done {}", step()),
        (Status::Goal, _) => format!("goal {}", step()),
        (Status::Waiting, Reason::StepDue) => format!("due {}", step()),
        (Status::Waiting, Reason::Appended) => format!("appended {}", step()),
        (Status::Waiting, Reason::Edited | Reason::CampaignPaused) => return None,
        (Status::Accepted | Status::Clicked, _) => return None,
        _ => format!("{:?} {:?}", row.status, row.reason),
    };
    let passed = row.time.since(start).0;
    assert_eq!(passed % (TICK * 60_000), 0, "{row:?}");
    let tick = passed / (TICK * 60_000);
    let (p, key) = (row.customer.0 - 1, &row.entry.0);
    Some(format!("{tick:>5} c{p} {} {key:?} {what}", row.campaign))
}

/// What stands in one list more often than in the other.
fn beyond<'a>(list: &'a [String], other: &[String]) -> Vec<&'a String> {
    let mut left: Vec<&String> = other.iter().collect();
    (list.iter())
        .filter(|line| match left.iter().position(|l| l == line) {
            Some(at) => {
                left.swap_remove(at);
                false
            }
            None => true,
        })
        .collect()
}

struct Pair {
    world: World,
    naive: Naive,
    start: Timestamp,
    trail: Vec<String>,
    /// How much of both has been compared.
    compared: (usize, usize),
    /// Many are under way, and the steps are edited often.
    busy: bool,
}

impl Pair {
    fn note(&mut self, what: impl Into<String>) {
        self.trail
            .push(format!("{:>5} {}", self.naive.now, what.into()));
    }

    fn at(&self, tick: i64) -> Timestamp {
        self.start + Span::minutes(tick * TICK)
    }

    fn compare(&mut self, seed: u64) {
        let mut one: Vec<String> = (self.world.log[self.compared.0..].iter())
            .filter_map(|row| told(row, self.start))
            .collect();
        let mut other: Vec<String> = self.naive.out[self.compared.1..].to_vec();
        self.compared = (self.world.log.len(), self.naive.out.len());
        one.sort();
        other.sort();
        if one != other {
            let (missing, extra) = (beyond(&other, &one), beyond(&one, &other));
            for (name, plan) in &self.naive.plans.files {
                println!("--- {name}.toml\n{}", plan.text());
            }
            println!("--- keen: {}", self.naive.plans.keen.text());
            println!("{}", self.trail.join("\n"));
            println!("{}", self.naive.out[..self.compared.1].join("\n"));
            panic!("seed {seed}: the daemon lacks {missing:#?} and has {extra:#?}");
        }
    }

    fn happens(&mut self, chance: &mut Chance, is_good: &dyn Fn(&Plans) -> bool) {
        let p = chance.below(self.naive.people.len() as u64) as usize;
        let no = CustomerNo(p as u64 + 1);
        let what = match self.busy && chance.once_in(5) {
            true => 9,
            false => chance.below(25),
        };
        match what {
            0..3 => {
                let (tag, bears) = (chance.of(&["vip", "mark"]), chance.once_in(2));
                self.note(format!("c{p} {tag} {bears}"));
                self.world.tag(no, tag, bears);
                self.naive.tag(p, tag, bears);
            }
            3 | 4 => {
                let given = chance.once_in(2);
                let state = match given {
                    true => ConsentState::Given,
                    false => ConsentState::Refused,
                };
                self.note(format!("c{p} news {given}"));
                self.world.consent(no, Some("news"), state);
                self.naive.news(p, given);
            }
            5 => {
                let zone = chance.of(ZONES);
                self.note(format!("c{p} zone {zone}"));
                self.world
                    .prefer(no, |c| c.preferences.timezone = Some(Some(zone)));
                self.naive.moves(p, zone);
            }
            6 | 7 => {
                let left = self.naive.left(p);
                if !left.is_empty() {
                    let mail = chance.of(&left);
                    self.note(format!("c{p} clicks {mail}"));
                    let engagement = Engagement {
                        message: MessageNo(mail),
                        kind: HitKind::Click,
                        class: HitClass::HumanLikely,
                        reason: Reason::Reader,
                        link: None,
                        first: self.world.now,
                        last: self.world.now,
                    };
                    self.world.apply(no, Cause::Engagement(engagement));
                    self.world.run_for(Span::ZERO);
                    self.naive.click(p, mail);
                }
            }
            8 => {
                let paused = !self.naive.paused;
                self.note(format!("paused {paused}"));
                self.world.control(|c| c.paused_all = paused);
                match paused {
                    true => self.naive.paused = true,
                    false => {
                        self.world.unpark();
                        self.naive.resume();
                    }
                }
            }
            9 | 10 => {
                let plans = self.naive.plans.edited(chance, is_good);
                self.note("edit".to_owned());
                for (name, plan) in &plans.files {
                    if self.naive.plans.files.get(name) != Some(plan) {
                        self.note(format!("{name}: {}", plan.text()));
                    }
                }
                self.note(format!("keen: {}", plans.keen.text()));
                let waits = chance.below(3) < if self.busy { 2 } else { 1 };
                self.note(format!("waits {waits}"));
                self.world.withhold_edits = waits;
                language::adopt(&mut self.world, &folder(&plans));
                self.naive.adopt(plans, waits);
            }
            24 => {
                self.note("approved");
                self.world.withhold_edits = false;
                self.world.approve();
                self.naive.approve();
            }
            11 => {
                // A restart of another version with the same files: everything is stored and read again, and everybody
                // walked to.
                self.note("restart");
                for customer in self.world.customers.values_mut() {
                    let stored = postcard::to_stdvec(&customer.record).unwrap();
                    customer.record = postcard::from_bytes(&stored).unwrap();
                }
                let plans = self.naive.plans.clone();
                language::adopt(&mut self.world, &folder(&plans));
                // What was let stays so, and what waits waits on.
                self.naive.adopt(plans, true);
            }
            n => {
                let late = match chance.below(6) {
                    0 => chance.between(1, DAY),
                    _ => 0,
                };
                let event = Told {
                    at: self.naive.now - late,
                    name: chance.of(EVENTS),
                    cart: (!chance.once_in(5)).then(|| chance.below(3).to_string()),
                    category: (!chance.once_in(4)).then(|| chance.of(&["tea", "cups"]).to_owned()),
                };
                let live = n != 12;
                self.note(format!("c{p} {event:?} live {live}"));
                let mut properties = Vec::new();
                properties.extend(event.cart.as_deref().map(|cart| ("cart_id", cart)));
                properties.extend(event.category.as_deref().map(|c| ("category", c)));
                let at = self.at(event.at);
                let one = self.world.make_event(event.name, at, &properties);
                let liveness = if live {
                    Liveness::Live
                } else {
                    Liveness::History
                };
                self.world.apply(no, Cause::Event(one, liveness));
                self.world.run_for(Span::ZERO);
                self.naive.event(p, event, live);
            }
        }
        self.naive.tick();
    }
}

fn play(seed: u64, kinds: &mut BTreeMap<String, usize>) {
    let mut chance = Chance(seed);
    let start = match chance.below(3) {
        0 => world::at("2026-03-05T00:00:00Z"),
        1 => world::at("2026-10-28T00:00:00Z"),
        _ => world::at("2026-01-01T00:00:00Z") + Span::days(chance.between(0, 365)),
    };
    let mut shop = world::shop();
    shop.timezone = chance.of(ZONES);
    let control = chance.once_in(3).then(|| chance.of(&[40, 90]));
    shop.control = control.map(|share| Share::parse(&format!("{share}%")).unwrap());
    let zones: Vec<_> = (0..2).map(|_| chance.of(ZONES)).collect();
    let naive = Naive::new(start.millis(), shop.timezone, control, &zones);
    let mut pair = Pair {
        world: World::with_shop(start, shop.clone(), vec![]),
        naive,
        start,
        trail: Vec::new(),
        compared: (0, 0),
        busy: false,
    };
    pair.world.after_each = Some(soundness::is_at_rest);
    for (p, zone) in zones.iter().enumerate() {
        let no = pair.world.customer(&format!("c{p}"));
        let zone = *zone;
        pair.world
            .prefer(no, |c| c.preferences.timezone = Some(Some(zone)));
    }
    let is_good = |plans: &Plans| !language::read(&folder(plans), &shop).has_errors();
    // Some history before there are files.
    for _ in 0..chance.below(8) {
        pair.naive.now += chance.between(1, DAY);
        pair.world.run_until(pair.at(pair.naive.now));
        pair.happens(&mut chance, &|_| false);
    }
    let plans = Plans::random(&mut chance, is_good);
    pair.busy = chance.once_in(3);
    let plans = if pair.busy { plans.busy() } else { plans };
    pair.note("files");
    language::adopt(&mut pair.world, &folder(&plans));
    pair.naive.adopt(plans, false);
    pair.compare(seed);
    for _ in 0..90 {
        let pause = match chance.below(4) {
            0 => chance.between(0, 3),
            _ => chance.between(0, DAY / 2),
        };
        let down = chance.once_in(12);
        let end = pair.naive.now + pause;
        if down {
            pair.note(format!("down until {end}"));
            pair.naive.now = end;
            pair.world.down_until(pair.at(end));
            pair.naive.tick();
        } else {
            while pair.naive.now < end {
                pair.naive.now += 1;
                pair.naive.tick();
            }
            pair.world.run_until(pair.at(end));
        }
        pair.compare(seed);
        pair.happens(&mut chance, &is_good);
        pair.compare(seed);
    }
    soundness::check_replay(&pair.world);
    *kinds.entry("jumped late".into()).or_default() += pair.naive.jumped;
    *kinds.entry("begun beside".into()).or_default() += pair.naive.beside;
    for line in &pair.naive.out {
        let mut words = line.split('"').nth(2).unwrap().split_whitespace();
        let kind = words.next().unwrap().to_owned();
        let why = words.last().filter(|w| kind != "sent" && w.len() > 3);
        *kinds
            .entry(format!("{kind} {}", why.unwrap_or_default()))
            .or_default() += 1;
    }
}

#[test]
fn campaigns_do_what_a_naive_reading_of_the_manual_says() {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    let chosen = std::env::var("REVEILLE_SEED").ok();
    let first: u64 = (chosen.as_deref())
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_260_302);
    let how_many = if soak { 3_000 } else { 50 };
    println!("seeds {first}..{}", first + how_many);
    let mut kinds = BTreeMap::new();
    for seed in first..first + how_many {
        println!("seed {seed}");
        play(seed, &mut kinds);
    }
    println!("{kinds:#?}");
    // Fifty worlds of one's own choice need not show everything.
    if chosen.is_some() {
        return;
    }
    let seen: BTreeSet<&str> = kinds.keys().map(|kind| kind.trim()).collect();
    for rare in ["jumped late", "begun beside"] {
        assert!(kinds[rare] > 0, "never: {rare}");
    }
    for wanted in [
        "entered",
        "left exit",
        "sent",
        "held holdout",
        "held control",
        "goal",
        "appended",
        "done",
        "not_drawn",
        "kept_out exit",
        "kept_out higher_priority",
        "left edited",
    ] {
        assert!(seen.contains(wanted), "never: {wanted}");
    }
}
