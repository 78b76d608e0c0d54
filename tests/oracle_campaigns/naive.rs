//! The oracle: what becomes of everybody, worked out anew each quarter of an hour, as `docs/campaigns.md` says it. It
//! shares no code with the domain, keeps every event, and knows nothing of alarms, tracks and verdicts.

use crate::plan::{
    Again, Ask, Change, DAY, Does, Else, From, Plan, Plans, Quota, Start, Step, TICK,
};
use chrono::{NaiveDate, TimeZone, Timelike};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

#[derive(Clone, Debug)]
pub struct Told {
    pub at: i64,
    pub name: &'static str,
    pub cart: Option<String>,
    pub category: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
enum State {
    Waiting {
        step: String,
        due: i64,
        /// From when on, at which minute of the day, and by whose clock, where it goes by one.
        clock: Option<(i64, i64, Tz)>,
    },
    Sending {
        step: String,
        due: i64,
        no: u32,
        variant: Option<usize>,
        parked: bool,
        /// As the file said when it fell due.
        priority: i64,
    },
    Finished(i64),
    Left(i64),
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    at: i64,
    /// When the step before was settled.
    since: i64,
    /// Something of it took effect.
    counted: bool,
    behind: BTreeSet<String>,
    state: State,
    /// In the holdout, in the control group.
    drawn: Option<(bool, bool)>,
    category: Option<String>,
    /// The steps of the file by which it goes, and what that said of them.
    order: Vec<String>,
    way: String,
}

/// When a step falls due whose time nobody knows.
const NEVER: i64 = i64::MAX;

impl Entry {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Sending { .. })
    }

    fn step(&self) -> Option<&str> {
        match &self.state {
            State::Waiting { step, .. } | State::Sending { step, .. } => Some(step),
            _ => None,
        }
    }
}

/// Somebody in one campaign.
#[derive(Clone, Default, Debug)]
struct Camp {
    entries: Vec<Entry>,
    entered: u32,
    held: bool,
    /// Held when the campaign began, and is to be let in.
    existing: bool,
    left_since: bool,
    /// Why somebody was last kept out, under which key and when.
    kept_out: Option<(String, &'static str, i64)>,
}

/// A mail that left, or was held out.
#[derive(Clone, Debug)]
struct Gone {
    at: i64,
    campaign: String,
    step: String,
    key: String,
    no: u32,
    clicked: bool,
    left: bool,
    /// Until when what happens is its success.
    until: Option<i64>,
}

pub struct Person {
    pub zone: Tz,
    pub tags: BTreeSet<&'static str>,
    events: Vec<Told>,
    news: Option<(i64, bool)>,
    camps: BTreeMap<String, Camp>,
    gone: Vec<Gone>,
    next_no: u32,
}

/// The entry that a condition is asked for.
struct Of<'a> {
    at: i64,
    key: &'a str,
    category: Option<&'a str>,
}

pub struct Naive {
    pub start: i64,
    pub now: i64,
    pub plans: Plans,
    pub people: Vec<Person>,
    pub paused: bool,
    shop: Tz,
    control: Option<i64>,
    activated: BTreeMap<String, i64>,
    /// When entries that count for a quota were made.
    taken: BTreeMap<String, Vec<i64>>,
    changed: bool,
    walking: bool,
    /// Of which steps, and of which word on edits, it was said that those go on whom they move.
    let_on: BTreeMap<String, (String, Change, bool)>,
    /// How many entries have jumped when that was let, and how many began beside such as waited for it.
    pub jumped: usize,
    pub beside: usize,
    pub out: Vec<String>,
}

/// The documented hash.
fn draw(fields: &[&[u8]]) -> f64 {
    let mut bytes = vec![7_u8; 16];
    for field in fields {
        bytes.extend((field.len() as u64).to_le_bytes());
        bytes.extend(*field);
    }
    (xxh3_64(&bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

impl Naive {
    pub fn new(start: i64, shop: Tz, control: Option<i64>, zones: &[Tz]) -> Naive {
        let person = |zone: &Tz| Person {
            zone: *zone,
            tags: BTreeSet::new(),
            events: Vec::new(),
            news: None,
            camps: BTreeMap::new(),
            gone: Vec::new(),
            next_no: 1,
        };
        Naive {
            start,
            now: 0,
            plans: Plans {
                files: BTreeMap::new(),
                keen: Ask::Vip,
                named: 0,
            },
            people: zones.iter().map(person).collect(),
            paused: false,
            shop,
            control,
            activated: BTreeMap::new(),
            taken: BTreeMap::new(),
            changed: false,
            walking: false,
            let_on: BTreeMap::new(),
            jumped: 0,
            beside: 0,
            out: Vec::new(),
        }
    }

    fn tell(&mut self, p: usize, campaign: &str, key: &str, what: impl AsRef<str>) {
        let what = what.as_ref();
        let line = format!("{:>5} c{p} {campaign} {key:?} {what}", self.now);
        self.out.push(line);
    }

    // ---- the clock ---------------------------------------------------------------------------------------------------

    fn wall(&self, tick: i64, zone: Tz) -> chrono::DateTime<Tz> {
        let at = self.start + tick * TICK * 60_000;
        zone.timestamp_millis_opt(at).unwrap()
    }

    fn minute(&self, tick: i64, zone: Tz) -> i64 {
        let wall = self.wall(tick, zone);
        i64::from(wall.hour() * 60 + wall.minute())
    }

    fn day(&self, tick: i64, zone: Tz) -> NaiveDate {
        self.wall(tick, zone).date_naive()
    }

    /// Whether the clock on the wall shows `at`, or has just leapt over it.
    fn shows(&self, at: i64, tick: i64, zone: Tz) -> bool {
        let (before, now) = (self.minute(tick - 1, zone), self.minute(tick, zone));
        let went = (now - before).rem_euclid(1440);
        let passed = (at - before).rem_euclid(1440);
        let back = went > 720;
        now == at || (!back && went > TICK && 0 < passed && passed < went)
    }

    fn first_showing(&self, at: i64, from: i64, zone: Tz) -> i64 {
        (from..from + 3 * DAY)
            .find(|tick| self.shows(at, *tick, zone))
            .expect("each time of day is met")
    }

    // ---- conditions --------------------------------------------------------------------------------------------------

    fn holds(&self, ask: &Ask, p: usize, campaign: &str, entry: Option<&Of<'_>>) -> bool {
        let (person, now) = (&self.people[p], self.now);
        let recent = |at: i64, within: &Option<i64>| within.is_none_or(|w| now - at < w);
        let of = |event: &'static str| person.events.iter().filter(move |e| e.name == event);
        let trigger = self
            .plans
            .files
            .get(campaign)
            .and_then(|plan| match &plan.start {
                Start::Event { event, .. } => Some(*event),
                Start::Audience => None,
            });
        match ask {
            Ask::Vip => person.tags.contains("vip"),
            Ask::Mark => person.tags.contains("mark"),
            Ask::Keen => self.holds(&self.plans.keen, p, campaign, None),
            Ask::Happened {
                event,
                least,
                within,
            } => of(event).filter(|e| recent(e.at, within)).count() >= *least,
            Ask::Absent { event, within } => !of(event).any(|e| now - e.at < *within),
            Ask::Quiet { event, since } => {
                (of(event).map(|e| e.at).max()).is_some_and(|at| now - at >= *since)
            }
            Ask::SinceEntry { event, same } => entry.is_some_and(|entry| {
                of(event).any(|e| {
                    let after = match trigger == Some(*event) {
                        true => e.at > entry.at,
                        false => e.at >= entry.at,
                    };
                    let alike = e.cart.as_deref().is_none_or(|cart| cart == entry.key);
                    after && (!same || alike)
                })
            }),
            Ask::NoneLikeIt { event, within } => !entry.is_some_and(|entry| {
                of(event).any(|e| {
                    let itself = trigger == Some(*event) && e.at == entry.at;
                    let like = e.category.is_some() && e.category.as_deref() == entry.category;
                    !itself && like && now - e.at < *within
                })
            }),
            Ask::Subscribed => person.news.is_some_and(|(_, given)| given),
            Ask::Given(age) => person
                .news
                .is_some_and(|(at, given)| given && now - at >= *age),
            Ask::Refused(within) => person
                .news
                .is_some_and(|(at, given)| !given && recent(at, within)),
            Ask::Clicked(step) => entry.is_some_and(|entry| {
                person.gone.iter().any(|mail| {
                    let of_entry = mail.key == entry.key && mail.at >= entry.at;
                    mail.campaign == campaign && mail.step == *step && of_entry && mail.clicked
                })
            }),
            Ask::Was {
                campaign,
                was,
                within,
            } => person.camps.get(campaign).is_some_and(|camp| {
                camp.entries.iter().any(|e| {
                    // What ended in the instant in which it began never was.
                    if !e.counted && e.state == State::Left(e.at) {
                        return false;
                    }
                    let at = match (*was, &e.state) {
                        ("entered", _) => Some(e.at),
                        ("finished", State::Finished(at)) | ("left", State::Left(at)) => Some(*at),
                        _ => None,
                    };
                    at.is_some_and(|at| recent(at, within))
                })
            }),
            Ask::Not(inner) => !self.holds(inner, p, campaign, entry),
            Ask::Both(a, b) => {
                self.holds(a, p, campaign, entry) && self.holds(b, p, campaign, entry)
            }
        }
    }

    fn busy_above(&self, p: usize, priority: i64) -> bool {
        self.people[p].camps.iter().any(|(name, camp)| {
            let above = (self.plans.files.get(name))
                .is_some_and(|other| other.priority > priority && !other.transactional());
            above && camp.entries.iter().any(Entry::is_open)
        })
    }

    /// Each after those that it asks about.
    fn order(&self) -> Vec<String> {
        let files = &self.plans.files;
        let mut order: Vec<String> = Vec::new();
        while order.len() < files.len() {
            let next = files.iter().find(|(name, plan)| {
                let mut ready = !order.contains(name);
                for ask in plan.asks() {
                    ask.names(&mut |ask| {
                        if let Ask::Was { campaign, .. } = ask {
                            let there = files.contains_key(campaign);
                            ready &= !there || order.contains(campaign);
                        }
                    });
                }
                let mut above = files
                    .iter()
                    .filter(|(_, o)| o.priority > plan.priority && !o.transactional());
                ready && (!plan.unless_in || above.all(|(n, _)| order.contains(n)))
            });
            let next = next.unwrap_or_else(|| panic!("a circle: {files:#?}"));
            order.push(next.0.clone());
        }
        order
    }

    // ---- entering ------------------------------------------------------------------------------------------------------

    fn in_share(&self, p: usize, name: &str, plan: &Plan) -> bool {
        match plan.quota() {
            Some(Quota::Share(share)) => self.drawn_of(p, "quota", name) < share as f64 / 100.0,
            _ => true,
        }
    }

    fn drawn_of(&self, p: usize, purpose: &str, name: &str) -> f64 {
        let no = (p as u64 + 1).to_le_bytes();
        draw(&[purpose.as_bytes(), name.as_bytes(), &no, b""])
    }

    /// In the holdout, in the control group.
    fn groups(&self, p: usize, name: &str, plan: &Plan) -> (bool, bool) {
        let customer = (p as u64 + 1).to_le_bytes();
        let within = |share: Option<i64>, drawn: f64| {
            share.is_some_and(|share| drawn < share as f64 / 100.0)
        };
        (
            within(plan.holdout, self.drawn_of(p, "holdout", name)),
            within(self.control, draw(&[b"control", &customer])),
        )
    }

    fn has_room(&self, name: &str, plan: &Plan) -> bool {
        let Some(Quota::Number { most, days }) = plan.quota() else {
            return true;
        };
        let taken = self.taken.get(name).map_or(&[][..], Vec::as_slice);
        let count = match (days, taken.first()) {
            (Some(days), Some(first)) => {
                let begun = self.day(*first, self.shop);
                let period = |at: i64| (self.day(at, self.shop) - begun).num_days() / days;
                taken
                    .iter()
                    .filter(|at| period(**at) == period(self.now))
                    .count()
            }
            _ => taken.len(),
        };
        count < most
    }

    fn may_enter(&self, p: usize, name: &str, plan: &Plan, key: &str) -> bool {
        let Some(camp) = self.people[p].camps.get(name) else {
            return true;
        };
        let of_key = || camp.entries.iter().filter(|e| e.key == key);
        if plan.at_most.is_some_and(|most| camp.entered >= most) || of_key().any(Entry::is_open) {
            return false;
        }
        let Some(last) = of_key().filter(|e| e.counted).map(|e| e.at).max() else {
            return true;
        };
        match plan.again {
            Again::Never => false,
            Again::Always => true,
            Again::AfterLeaving => camp.left_since,
            Again::After(ticks) => self.now - last >= ticks,
        }
    }

    /// Why they are kept out, if they are.
    fn kept_out(&self, p: usize, name: &str, plan: &Plan) -> Option<&'static str> {
        let mut exits = plan.exit.iter().filter(|exit| !exit.is_of_entry());
        if exits.any(|exit| self.holds(exit, p, name, None)) {
            return Some("exit");
        }
        (plan.unless_in && self.busy_above(p, plan.priority)).then_some("higher_priority")
    }

    fn enter(&mut self, p: usize, name: &str, key: &str, at: i64, category: Option<String>) {
        let plan = self.plans.files[name].clone();
        if !self.may_enter(p, name, &plan, key) || !self.in_share(p, name, &plan) {
            return;
        }
        if let Some(why) = self.kept_out(p, name, &plan) {
            // Told once a day for the same key and reason.
            let camp = self.people[p].camps.entry(name.to_owned()).or_default();
            let day = 1_440 / TICK;
            let known = camp.kept_out.as_ref();
            if known.is_some_and(|(of, was, at)| of == key && *was == why && self.now < at + day) {
                return;
            }
            camp.kept_out = Some((key.to_owned(), why, self.now));
            return self.tell(p, name, key, format!("kept_out {why}"));
        }
        // Who gets nothing of it but acts takes no place.
        let (holdout, control) = self.groups(p, name, &plan);
        let withheld = holdout || (control && plan.class == "advertising");
        let takes = !withheld || plan.steps.iter().all(|s| s.does != Does::Mail);
        // Who takes none comes in beside those who do, while there are any: by the same chance.
        if !self.has_room(name, &plan) {
            return self.tell(p, name, key, "not_drawn");
        }
        if takes && matches!(plan.quota(), Some(Quota::Number { .. })) {
            self.taken
                .entry(name.to_owned())
                .or_default()
                .push(self.now);
        }
        let compares = plan.asks().any(|ask| {
            let mut compares = false;
            ask.names(&mut |ask| compares |= matches!(ask, Ask::NoneLikeIt { .. }));
            compares
        });
        let (order, way) = (ids_of(&plan), plan.way(&self.plans.keen));
        let waits = (0..self.camp(p, name).entries.len()).any(|n| self.is_held(p, name, n));
        self.beside += usize::from(waits);
        let camp = self.camp(p, name);
        (camp.existing, camp.left_since) = (false, false);
        camp.entries.push(Entry {
            key: key.to_owned(),
            at,
            since: at,
            counted: false,
            behind: BTreeSet::new(),
            state: State::Left(i64::MIN),
            drawn: None,
            category: category.filter(|_| compares),
            order,
            way,
        });
        let n = camp.entries.len() - 1;
        self.place(p, name, n);
        self.tell(p, name, key, "entered");
    }

    fn camp(&mut self, p: usize, name: &str) -> &mut Camp {
        self.people[p].camps.entry(name.to_owned()).or_default()
    }

    fn entry(&mut self, p: usize, name: &str, n: usize) -> &mut Entry {
        &mut self.camp(p, name).entries[n]
    }

    /// A live event starts what it triggers.
    fn pull(&mut self, p: usize, name: &str, plan: &Plan, event: &Told) {
        let Start::Event {
            event: wanted,
            category,
            count,
            within,
            per,
            restart,
            fresh,
        } = &plan.start
        else {
            return;
        };
        let selects = |e: &Told| {
            e.name == *wanted && category.is_none_or(|c| e.category.as_deref() == Some(c))
        };
        let stale = event.at < self.activated[name] || self.now - event.at > *fresh;
        if !selects(event) || stale {
            return;
        }
        let key_of = |e: &Told| match per {
            true => e.cart.clone().unwrap_or_default(),
            false => String::new(),
        };
        let key = key_of(event);
        let entries = self.people[p]
            .camps
            .get(name)
            .map_or(&[][..], |c| &c.entries);
        if let Some(n) = entries.iter().position(|e| e.key == key && e.is_open()) {
            if *restart && !entries[n].counted && event.at > entries[n].at {
                self.move_entry(p, name, n, event);
            }
            return;
        }
        // A stretch of that length that ends at one of them, and has this one and enough of them in it.
        let all: Vec<i64> = (self.people[p].events.iter())
            .filter(|e| selects(e) && key_of(e) == key)
            .map(|e| e.at)
            .collect();
        let reached = *count <= 1
            || all.iter().any(|end| {
                let inside = |at: i64| at <= *end && within.is_none_or(|w| *end - at < w);
                inside(event.at) && all.iter().filter(|at| inside(**at)).count() >= *count
            });
        let of = Of {
            at: event.at,
            key: &key,
            category: event.category.as_deref(),
        };
        let welcome = (plan.audience.as_ref()).is_none_or(|a| self.holds(a, p, name, Some(&of)));
        if reached && welcome {
            self.enter(p, name, &key, event.at, event.category.clone());
        }
    }

    fn move_entry(&mut self, p: usize, name: &str, n: usize, event: &Told) {
        let compares = self.plans.files[name].asks().any(|ask| {
            let mut compares = false;
            ask.names(&mut |ask| compares |= matches!(ask, Ask::NoneLikeIt { .. }));
            compares
        });
        let entry = self.entry(p, name, n);
        (entry.at, entry.since) = (event.at, event.at);
        entry.category = event.category.clone().filter(|_| compares);
        entry.behind.clear();
        self.stand_by(p, name, n);
        let entry = self.entry(p, name, n);
        let (before, key) = (entry.state.clone(), entry.key.clone());
        self.place(p, name, n);
        if let State::Sending { step, .. } = before {
            self.tell(p, name, &key, format!("dropped {step} restarted"));
        }
    }

    // ---- the way -------------------------------------------------------------------------------------------------------

    fn due_of(&self, p: usize, step: &Step, entry: &Entry) -> (i64, Option<(i64, i64, Tz)>) {
        let from = match step.from {
            From::Nothing => entry.since,
            From::Wait(ticks) => entry.since + ticks,
            From::After(ticks) => entry.at + ticks,
        };
        self.by_clock(p, step.at, from.max(self.now))
    }

    fn by_clock(&self, p: usize, at: Option<i64>, from: i64) -> (i64, Option<(i64, i64, Tz)>) {
        match at {
            None => (from, None),
            Some(at) => {
                let zone = self.people[p].zone;
                let due = self.first_showing(at, from, zone);
                (due, Some((from, at, zone)))
            }
        }
    }

    /// Whoever has moved to another zone before a step is due has it at that time there.
    fn follow_clock(&mut self, p: usize, name: &str, n: usize) {
        let zone = self.people[p].zone;
        if let State::Waiting {
            step,
            due,
            clock: Some((from, at, by)),
        } = self.people[p].camps[name].entries[n].state.clone()
            && by != zone
            && due > self.now
        {
            let due = self.first_showing(at, from.max(self.now), zone);
            let clock = Some((from, at, zone));
            self.entry(p, name, n).state = State::Waiting { step, due, clock };
        }
    }

    /// Its place is to be worked out anew, and nobody has let it yet.
    fn is_held(&self, p: usize, name: &str, n: usize) -> bool {
        let Some(plan) = self.plans.files.get(name) else {
            return false;
        };
        let entry = &self.people[p].camps[name].entries[n];
        let jumps = plan.on_change == Change::Jump && entry.way != plan.way(&self.plans.keen);
        jumps && entry.is_open() && !self.is_let(name, plan)
    }

    fn is_let(&self, name: &str, plan: &Plan) -> bool {
        self.let_on.get(name) == Some(&word_on(plan, &self.plans.keen))
    }

    /// It goes by the file from now on.
    fn stand_by(&mut self, p: usize, name: &str, n: usize) {
        let plan = &self.plans.files[name];
        let (order, way) = (ids_of(plan), plan.way(&self.plans.keen));
        let entry = self.entry(p, name, n);
        (entry.order, entry.way) = (order, way);
    }

    /// They wait for the first step that is not behind them.
    fn place(&mut self, p: usize, name: &str, n: usize) {
        let plan = self.plans.files[name].clone();
        let entry = self.people[p].camps[name].entries[n].clone();
        let next = plan.steps.iter().find(|s| !entry.behind.contains(&s.id));
        let state = match next {
            None => State::Finished(self.now),
            Some(step) => {
                let (due, clock) = self.due_of(p, step, &entry);
                State::Waiting {
                    step: step.id.clone(),
                    due,
                    clock,
                }
            }
        };
        self.entry(p, name, n).state = state;
    }

    fn leave(&mut self, p: usize, name: &str, n: usize, why: &str) {
        let now = self.now;
        let entry = self.entry(p, name, n);
        let before = std::mem::replace(&mut entry.state, State::Left(now));
        let key = entry.key.clone();
        self.tell(p, name, &key, format!("left {why}"));
        if let State::Sending { step, .. } = before {
            self.tell(p, name, &key, format!("dropped {step} {why}"));
        }
    }

    fn judge(&self, ask: &Ask, p: usize, name: &str, n: usize) -> bool {
        let entry = &self.people[p].camps[name].entries[n];
        let of = Of {
            at: entry.at,
            key: &entry.key,
            category: entry.category.as_deref(),
        };
        self.holds(ask, p, name, Some(&of))
    }

    fn go_on(&mut self, p: usize, name: &str, n: usize, otherwise: &Else) {
        if *otherwise == Else::Exit {
            // Of a mail that did not go for it that has been told.
            let now = self.now;
            let entry = self.entry(p, name, n);
            entry.state = State::Left(now);
            let key = entry.key.clone();
            return self.tell(p, name, &key, "left only_if");
        }
        let plan = self.plans.files[name].clone();
        let now = self.now;
        let entry = self.entry(p, name, n);
        if let Some(step) = entry.step().map(str::to_owned) {
            entry.behind.insert(step);
        }
        if let Else::To(to) = otherwise {
            let before = plan.steps.iter().take_while(|s| s.id != *to);
            entry.behind.extend(before.map(|s| s.id.clone()));
        }
        entry.since = now;
        if !self.is_held(p, name, n) {
            return self.place(p, name, n);
        }
        // By the order known what is next waits with it.
        let entry = self.entry(p, name, n);
        let all = entry.order.iter().cloned().chain(ids_of(&plan));
        let next = all.into_iter().find(|s| !entry.behind.contains(s));
        entry.state = match next {
            None => State::Finished(now),
            Some(step) => State::Waiting {
                step,
                due: NEVER,
                clock: None,
            },
        };
    }

    fn count(&mut self, p: usize, name: &str, n: usize) {
        let camp = self.camp(p, name);
        if !std::mem::replace(&mut camp.entries[n].counted, true) {
            camp.entered += 1;
        }
    }

    /// Does what is due; true if there may be more.
    fn advance(&mut self, p: usize, name: &str, n: usize) -> bool {
        let plan = self.plans.files[name].clone();
        if !self.people[p].camps[name].entries[n].is_open() {
            return false;
        }
        if plan.exit.iter().any(|exit| self.judge(exit, p, name, n)) {
            self.leave(p, name, n, "exit");
            return false;
        }
        if self.is_held(p, name, n) {
            return false;
        }
        self.follow_clock(p, name, n);
        let entry = self.people[p].camps[name].entries[n].clone();
        let State::Waiting { step, mut due, .. } = entry.state else {
            return false;
        };
        let step = plan.step(&step).expect("the file has it").clone();
        if due > self.now
            && let Some(until) = &step.until
            && self.judge(until, p, name, n)
        {
            let (earlier, clock) = self.by_clock(p, step.at, self.now);
            if earlier < due {
                due = earlier;
                let step = step.id.clone();
                self.entry(p, name, n).state = State::Waiting { step, due, clock };
            }
        }
        if due > self.now {
            return false;
        }
        if let Some(only_if) = &step.only_if
            && !self.judge(only_if, p, name, n)
        {
            self.tell(p, name, &entry.key, format!("skipped {} only_if", step.id));
            self.go_on(p, name, n, &step.otherwise);
            return true;
        }
        let tags = &mut self.people[p].tags;
        let changed = match step.does {
            Does::Mail => {
                self.falls_due(p, name, n, &step, due);
                return false;
            }
            Does::Tag => tags.insert("mark"),
            Does::Untag => tags.remove("mark"),
        };
        self.changed |= changed;
        self.tell(p, name, &entry.key, format!("done {}", step.id));
        self.count(p, name, n);
        self.go_on(p, name, n, &Else::Skip);
        true
    }

    fn falls_due(&mut self, p: usize, name: &str, n: usize, step: &Step, due: i64) {
        let key = self.people[p].camps[name].entries[n].key.clone();
        let total: u32 = step.variants.iter().sum();
        let purpose = format!("variant/{}", step.id);
        let customer = (p as u64 + 1).to_le_bytes();
        let drawn = draw(&[
            purpose.as_bytes(),
            name.as_bytes(),
            &customer,
            key.as_bytes(),
        ]);
        let mut upto = 0;
        let variant = step.variants.iter().position(|weight| {
            upto += weight;
            drawn * f64::from(total) < f64::from(upto)
        });
        let no = self.people[p].next_no;
        self.people[p].next_no += 1;
        let priority = self.plans.files[name].priority;
        self.entry(p, name, n).state = State::Sending {
            step: step.id.clone(),
            due,
            no,
            variant,
            parked: false,
            priority,
        };
        self.tell(p, name, &key, format!("due {}", step.id));
    }

    // ---- settling --------------------------------------------------------------------------------------------------------

    /// What follows for one person from how things stand now.
    fn settle(&mut self, p: usize, live: bool) {
        self.settle_with(p, live, None);
    }

    fn settle_with(&mut self, p: usize, live: bool, mut came: Option<Told>) {
        let mut live = live;
        for _ in 0..9 {
            self.changed = false;
            for name in self.order() {
                let plan = self.plans.files[&name].clone();
                match plan.start {
                    Start::Audience => self.edge(p, &name, &plan, live),
                    Start::Event { .. } => {
                        // In its turn: what the event has ended by then keeps nobody out.
                        if let Some(event) = &came {
                            self.pull(p, &name, &plan, event);
                        }
                        let known = self.people[p].camps.contains_key(&name);
                        if known && plan.again == Again::AfterLeaving {
                            self.look(p, &name, &plan);
                        }
                    }
                }
                let many = self.people[p]
                    .camps
                    .get(&name)
                    .map_or(0, |c| c.entries.len());
                for n in 0..many {
                    while self.advance(p, &name, n) {}
                }
                // Who waits for their turn goes in as soon as they may, also in the instant at which they come out.
                if plan.start == Start::Audience && self.let_in(p, &name, &plan) {
                    let n = self.people[p].camps[&name].entries.len() - 1;
                    while self.advance(p, &name, n) {}
                }
            }
            came = None;
            if !self.changed {
                return;
            }
            live = true;
        }
    }

    fn look(&mut self, p: usize, name: &str, plan: &Plan) -> bool {
        let holds = (plan.audience.as_ref()).is_none_or(|a| self.holds(a, p, name, None));
        if holds || self.people[p].camps.contains_key(name) {
            let camp = self.camp(p, name);
            camp.held = holds;
            if !holds {
                (camp.left_since, camp.existing) = (true, false);
            }
        }
        holds
    }

    fn edge(&mut self, p: usize, name: &str, plan: &Plan, live: bool) {
        let held = self.people[p].camps.get(name).is_some_and(|c| c.held);
        if !self.look(p, name, plan) {
            return;
        }
        if !held && live {
            self.enter(p, name, "", self.now, None);
        }
    }

    /// Of those who stood there at the start; true if they entered.
    fn let_in(&mut self, p: usize, name: &str, plan: &Plan) -> bool {
        let waits = self.people[p].camps.get(name).is_some_and(|c| c.existing);
        let holds = (plan.audience.as_ref()).is_none_or(|a| self.holds(a, p, name, None));
        if !waits || !holds || self.walking || self.kept_out(p, name, plan).is_some() {
            return false;
        }
        let before = self.people[p].camps[name].entries.len();
        self.enter(p, name, "", self.now, None);
        self.people[p].camps[name].entries.len() > before
    }

    /// Plays what is due now.
    pub fn tick(&mut self) {
        for _ in 0..500 {
            for p in 0..self.people.len() {
                let before = self.out.len();
                self.settle(p, true);
                // Who waited to be let in enters when what kept them has ended.
                if self.out.len() > before {
                    self.settle(p, true);
                }
            }
            if !self.ask_all() {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    // ---- sending ---------------------------------------------------------------------------------------------------------

    fn find(&self, p: usize, wanted: u32) -> Option<(String, usize)> {
        self.people[p].camps.iter().find_map(|(name, camp)| {
            let n = camp.entries.iter().position(
                |e| matches!(e.state, State::Sending { no, parked: false, .. } if no == wanted),
            )?;
            Some((name.clone(), n))
        })
    }

    /// Asks what waits, in the order of the outbox; true if anything did.
    fn ask_all(&mut self) -> bool {
        let mut all = Vec::new();
        for (p, person) in self.people.iter().enumerate() {
            for (name, camp) in &person.camps {
                let ordinary = !self.plans.files[name].transactional();
                for entry in &camp.entries {
                    if let State::Sending {
                        due,
                        no,
                        parked: false,
                        ..
                    } = entry.state
                    {
                        all.push((ordinary, due, p, no));
                    }
                }
            }
        }
        all.sort();
        for (_, _, p, no) in &all {
            self.ask(*p, *no);
        }
        !all.is_empty()
    }

    /// Why a mail must not go at all.
    fn forbidden(&self, p: usize, name: &str, n: usize) -> Option<&'static str> {
        let plan = &self.plans.files[name];
        let Some(step) = plan.step(self.people[p].camps[name].entries[n].step()?) else {
            return Some("step_gone");
        };
        if !step.recheck {
            return None;
        }
        let fails = |ask: &Ask| !self.judge(ask, p, name, n);
        if plan.audience.as_ref().is_some_and(fails) {
            return Some("audience_fails");
        }
        if plan.unless_in && self.busy_above(p, plan.priority) {
            return Some("higher_priority");
        }
        (step.only_if.as_ref().is_some_and(fails)).then_some("only_if")
    }

    fn rank(&self, p: usize, name: &str, n: usize) -> impl Ord + use<> {
        let entry = &self.people[p].camps[name].entries[n];
        let State::Sending {
            due,
            step,
            priority,
            ..
        } = &entry.state
        else {
            unreachable!("it waits to be sent")
        };
        let key = entry.key.clone();
        (-priority, *due, name.to_owned(), step.clone(), key)
    }

    /// One that may go now, and goes before.
    fn before(&self, p: usize, name: &str, n: usize) -> Option<u32> {
        if self.plans.files[name].transactional() {
            return None;
        }
        let own = self.rank(p, name, n);
        let mut others = Vec::new();
        for (other, camp) in &self.people[p].camps {
            for (m, entry) in camp.entries.iter().enumerate() {
                let State::Sending {
                    no, parked: false, ..
                } = entry.state
                else {
                    continue;
                };
                let ordinary = !self.plans.files[other].transactional();
                let rank = self.rank(p, other, m);
                if ordinary && rank < own && self.forbidden(p, other, m).is_none() {
                    others.push((rank, no));
                }
            }
        }
        others.into_iter().min().map(|(_, no)| no)
    }

    fn ask(&mut self, p: usize, no: u32) {
        let Some((name, n)) = self.find(p, no) else {
            return;
        };
        let plan = self.plans.files[&name].clone();
        let entry = self.people[p].camps[&name].entries[n].clone();
        let State::Sending { step, variant, .. } = &entry.state else {
            return;
        };
        if let Some(why) = self.forbidden(p, &name, n) {
            self.tell(p, &name, &entry.key, format!("dropped {step} {why}"));
            let otherwise = match why {
                "only_if" => plan.step(step).unwrap().otherwise.clone(),
                _ => Else::Skip,
            };
            // The mail is over, so that leaving drops none.
            let (step, due, clock) = (step.clone(), self.now, None);
            self.entry(p, &name, n).state = State::Waiting { step, due, clock };
            self.go_on(p, &name, n, &otherwise);
            return self.settle(p, true);
        }
        if self.paused {
            if let State::Sending { parked, .. } = &mut self.entry(p, &name, n).state {
                *parked = true;
            }
            return;
        }
        if let Some(other) = self.before(p, &name, n) {
            self.ask(p, other);
            return self.ask(p, no);
        }
        let drawn = self.groups(p, &name, &plan);
        let (holdout, control) = entry.drawn.unwrap_or(drawn);
        self.entry(p, &name, n).drawn = Some((holdout, control));
        self.count(p, &name, n);
        let advertises = plan.class == "advertising";
        let why = match (control && advertises, holdout) {
            (true, _) => Some("control"),
            (false, true) => Some("holdout"),
            _ => None,
        };
        let gone = Gone {
            at: self.now,
            campaign: name.clone(),
            step: step.clone(),
            key: entry.key.clone(),
            no,
            clicked: false,
            left: why.is_none(),
            until: plan.goal.map(|(_, within)| self.now + within),
        };
        self.people[p].gone.push(gone);
        let variant = variant.map_or_else(String::new, |n| format!(" v{n}"));
        let what = match why {
            Some(why) => format!("held {step} {why}"),
            None => format!("sent {step}{variant}"),
        };
        self.tell(p, &name, &entry.key, what);
        self.go_on(p, &name, n, &Else::Skip);
        self.settle(p, true);
    }

    // ---- what happens ----------------------------------------------------------------------------------------------------

    /// An event is told.
    pub fn event(&mut self, p: usize, event: Told, live: bool) {
        self.people[p].events.push(event.clone());
        let names: Vec<String> = self.plans.files.keys().cloned().collect();
        for name in names {
            let Some((wanted, _)) = self.plans.files[&name].goal else {
                continue;
            };
            let reached = (self.people[p].gone.iter())
                .filter(|g| g.campaign == name && wanted == event.name)
                .filter(|g| g.at < event.at && g.until.is_some_and(|until| event.at < until))
                .max_by_key(|g| g.at)
                .map(|g| (g.key.clone(), g.step.clone()));
            if let Some((key, step)) = reached {
                self.tell(p, &name, &key, format!("goal {step}"));
            }
        }
        self.settle_with(p, live, live.then_some(event));
    }

    pub fn news(&mut self, p: usize, given: bool) {
        // A refusal binds until a later consent: of two words of one instant it is the one that stands.
        let just_refused = self.people[p].news == Some((self.now, false));
        if !just_refused {
            self.people[p].news = Some((self.now, given));
        }
        self.settle(p, true);
    }

    pub fn tag(&mut self, p: usize, tag: &'static str, bears: bool) {
        match bears {
            true => self.people[p].tags.insert(tag),
            false => self.people[p].tags.remove(tag),
        };
        self.settle(p, true);
    }

    pub fn moves(&mut self, p: usize, zone: Tz) {
        self.people[p].zone = zone;
        self.settle(p, true);
    }

    /// Which mails left, by number.
    pub fn left(&self, p: usize) -> Vec<u32> {
        self.people[p]
            .gone
            .iter()
            .filter(|g| g.left)
            .map(|g| g.no)
            .collect()
    }

    pub fn click(&mut self, p: usize, no: u32) {
        let mut mails = self.people[p].gone.iter_mut();
        mails.find(|g| g.no == no).unwrap().clicked = true;
        self.settle(p, true);
    }

    pub fn resume(&mut self) {
        self.paused = false;
        for person in &mut self.people {
            for entry in person.camps.values_mut().flat_map(|c| &mut c.entries) {
                if let State::Sending { parked, .. } = &mut entry.state {
                    *parked = false;
                }
            }
        }
        self.tick();
    }

    // ---- edits -------------------------------------------------------------------------------------------------------------

    /// The files are read anew. Whom an edit moves goes on, or waits until that is approved.
    pub fn adopt(&mut self, plans: Plans, waits: bool) {
        let before = std::mem::replace(&mut self.plans, plans.clone());
        for (name, plan) in &plans.files {
            if let Some(old) = plan
                .renamed_from
                .as_ref()
                .filter(|o| !plans.files.contains_key(*o))
            {
                self.rename(old, name);
            }
        }
        // What was let is let under other names, too.
        for (name, plan) in &plans.files {
            let ids = ids_of(plan);
            for step in &plan.steps {
                if let Some(old) = step.renamed_from.as_ref().filter(|old| !ids.contains(old))
                    && let Some((way, ..)) = self.let_on.get_mut(name)
                {
                    *way = renamed_in(way, old, &step.id);
                }
            }
        }
        let was = |name: &str| {
            let plan = &plans.files[name];
            let old = plan.renamed_from.as_deref().unwrap_or(name);
            before.files.get(old).or(before.files.get(name))
        };
        let mut anew = BTreeSet::new();
        for (name, plan) in &plans.files {
            if was(name).is_none_or(|old| old.who(&before.keen) != plan.who(&plans.keen)) {
                self.activated.insert(name.clone(), self.now);
                anew.insert(name.clone());
            }
        }
        self.walking = true;
        for p in 0..self.people.len() {
            for (name, plan) in &plans.files {
                if plan.start == Start::Audience && anew.contains(name) {
                    self.begin_with(p, name, plan);
                }
            }
            for (name, plan) in &plans.files {
                if self.people[p].camps.contains_key(name) {
                    self.follow(p, name, plan, &plans.keen);
                }
            }
            self.settle(p, false);
        }
        self.walking = false;
        // Whom an edit moves is known when everybody was met: who leaves by then is moved no more.
        if !waits {
            let jumped = self.jumped;
            self.approve();
            self.jumped = jumped;
        } else {
            self.have_appended();
        }
    }

    /// What is in the files is let.
    fn let_all(&mut self) {
        for (name, plan) in &self.plans.files {
            if plan.appended || plan.on_change == Change::Jump {
                let word = word_on(plan, &self.plans.keen);
                self.let_on.insert(name.clone(), word);
            }
        }
    }

    /// Somebody approves what waits.
    pub fn approve(&mut self) {
        let held = |naive: &Naive| -> usize {
            let all = naive.people.iter().enumerate();
            all.flat_map(|(p, person)| person.camps.iter().map(move |(name, camp)| (p, name, camp)))
                .map(|(p, name, camp)| {
                    let entries = 0..camp.entries.len();
                    entries.filter(|n| naive.is_held(p, name, *n)).count()
                })
                .sum()
        };
        self.jumped += held(self);
        self.let_all();
        let plans = self.plans.clone();
        for p in 0..self.people.len() {
            for (name, plan) in &plans.files {
                if self.people[p].camps.contains_key(name) {
                    self.follow(p, name, plan, &plans.keen);
                }
            }
        }
        self.have_appended();
    }

    /// All are met: who has finished, and would have left at once when it was appended, may go on by now.
    pub fn have_appended(&mut self) {
        let plans = self.plans.clone();
        for p in 0..self.people.len() {
            for (name, plan) in plans.files.iter().filter(|(_, plan)| plan.appended) {
                if self.people[p].camps.contains_key(name) && self.is_let(name, plan) {
                    self.append(p, name, plan);
                }
            }
            self.settle(p, false);
        }
        self.tick();
    }

    fn rename(&mut self, old: &str, new: &str) {
        if let Some(at) = self.activated.remove(old) {
            self.activated.insert(new.to_owned(), at);
        }
        if let Some(word) = self.let_on.remove(old) {
            self.let_on.insert(new.to_owned(), word);
        }
        if let Some(taken) = self.taken.remove(old) {
            self.taken.insert(new.to_owned(), taken);
        }
        for person in &mut self.people {
            if let Some(camp) = person.camps.remove(old) {
                person.camps.insert(new.to_owned(), camp);
            }
            for mail in person.gone.iter_mut().filter(|mail| mail.campaign == old) {
                mail.campaign = new.to_owned();
            }
        }
    }

    /// The campaign is new, or for others than before: those who stand there already.
    fn begin_with(&mut self, p: usize, name: &str, plan: &Plan) {
        let holds = (plan.audience.as_ref()).is_none_or(|a| self.holds(a, p, name, None));
        let known = self.people[p].camps.get(name);
        let was_inside = known.is_some_and(|c| c.held && !c.existing);
        if !holds && known.is_none() {
            return;
        }
        let in_share = self.in_share(p, name, plan);
        let now = self.now;
        let camp = self.camp(p, name);
        (camp.held, camp.existing) = (holds, false);
        if !holds || was_inside || !in_share {
            return;
        }
        if plan.existing_enter {
            camp.existing = true;
            return;
        }
        camp.left_since = false;
        camp.entered += 1;
        camp.entries.push(Entry {
            key: String::new(),
            at: now,
            since: now,
            counted: true,
            behind: BTreeSet::new(),
            state: State::Finished(now),
            drawn: None,
            category: None,
            order: Vec::new(),
            way: String::new(),
        });
    }

    /// What a change of the steps means for those under way.
    fn follow(&mut self, p: usize, name: &str, plan: &Plan, keen: &Ask) {
        for step in &plan.steps {
            let Some(old) = step
                .renamed_from
                .as_ref()
                .filter(|o| plan.step(o).is_none())
            else {
                continue;
            };
            let to = &step.id;
            let person = &mut self.people[p];
            let camp = person.camps.get_mut(name).unwrap();
            let change = |id: &mut String| {
                if id == old {
                    id.clone_from(to);
                }
            };
            for entry in &mut camp.entries {
                entry.way = renamed_in(&entry.way, old, to);
                entry.order.iter_mut().for_each(change);
                if entry.behind.remove(old) {
                    entry.behind.insert(to.clone());
                }
                if let State::Waiting { step, .. } | State::Sending { step, .. } = &mut entry.state
                {
                    change(step);
                }
            }
            for mail in person.gone.iter_mut().filter(|mail| mail.campaign == name) {
                change(&mut mail.step);
            }
        }
        for n in 0..self.people[p].camps[name].entries.len() {
            let entry = &self.people[p].camps[name].entries[n];
            if !entry.is_open() || self.is_held(p, name, n) {
                continue;
            }
            let (edited, former) = (entry.way != plan.way(keen), entry.order.clone());
            let unknown = matches!(entry.state, State::Waiting { due: NEVER, .. });
            self.stand_by(p, name, n);
            match plan.on_change {
                _ if !edited && unknown => self.place(p, name, n),
                _ if !edited => {}
                Change::Exit => self.leave(p, name, n, "edited"),
                change => self.find_place(p, name, n, plan, &former, change),
            }
        }
    }

    fn find_place(
        &mut self,
        p: usize,
        name: &str,
        n: usize,
        plan: &Plan,
        former: &[String],
        change: Change,
    ) {
        let entry = self.entry(p, name, n);
        let (before, key) = (entry.state.clone(), entry.key.clone());
        let unknown = matches!(before, State::Waiting { due: NEVER, .. });
        let at = entry.step().unwrap().to_owned();
        let gone = plan.step(&at).is_none();
        if gone {
            entry.behind.insert(at.clone());
        }
        if change == Change::Finish {
            let after = former.iter().skip_while(|s| **s != at).skip(1);
            let mut left = after.filter(|s| plan.step(s).is_some() && !entry.behind.contains(*s));
            let place = if gone {
                left.next().cloned()
            } else {
                Some(at.clone())
            };
            let passed = plan
                .steps
                .iter()
                .take_while(|s| Some(&s.id) != place.as_ref());
            let passed: Vec<String> = passed.map(|s| s.id.clone()).collect();
            entry.behind.extend(passed);
        }
        let next = plan.steps.iter().find(|s| !entry.behind.contains(&s.id));
        let stays = next.is_some_and(|s| s.id == at);
        if gone {
            self.tell(p, name, &key, format!("skipped {at} step_gone"));
        }
        if let State::Sending { .. } = before {
            if stays {
                return;
            }
            let why = if gone { "step_gone" } else { "edited" };
            self.tell(p, name, &key, format!("dropped {at} {why}"));
        } else if stays && change == Change::Finish && !unknown {
            return;
        }
        self.place(p, name, n);
    }

    /// Who came to the end of the file goes on with what was appended.
    fn append(&mut self, p: usize, name: &str, plan: &Plan) {
        let entries = self.people[p].camps[name].entries.clone();
        for (n, entry) in entries.iter().enumerate() {
            let latest = entries[n + 1..].iter().all(|e| e.key != entry.key);
            let had = plan
                .steps
                .iter()
                .rposition(|s| entry.behind.contains(&s.id));
            let Some(had) = had.filter(|had| had + 1 < plan.steps.len()) else {
                continue;
            };
            if !latest || !matches!(entry.state, State::Finished(_)) {
                continue;
            }
            // Who would leave as they come stays at the end.
            if plan.exit.iter().any(|exit| self.judge(exit, p, name, n)) {
                continue;
            }
            let before: Vec<String> = plan.steps[..had].iter().map(|s| s.id.clone()).collect();
            self.entry(p, name, n).behind.extend(before);
            self.stand_by(p, name, n);
            self.place(p, name, n);
            let step = plan.steps[had + 1..]
                .iter()
                .find(|s| !entry.behind.contains(&s.id))
                .unwrap();
            self.tell(p, name, &entry.key, format!("appended {}", step.id));
        }
    }
}

fn ids_of(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|s| s.id.clone()).collect()
}

/// What an approval is of.
fn word_on(plan: &Plan, keen: &Ask) -> (String, Change, bool) {
    (plan.way(keen), plan.on_change, plan.appended)
}

/// The same steps, one of them under another name.
fn renamed_in(way: &str, old: &str, new: &str) -> String {
    let lines = way.lines().map(|line| {
        let line = match line.strip_prefix(&format!("{old} ")) {
            Some(rest) => format!("{new} {rest}"),
            None => line.to_owned(),
        };
        // Conditions stand in it as texts within texts.
        let line = line.replace(&format!("To(\"{old}\")"), &format!("To(\"{new}\")"));
        let named = |step: &str| format!("message = \\\"{step}\\\"");
        line.replace(&named(old), &named(new))
    });
    lines.collect::<Vec<_>>().join("\n")
}
