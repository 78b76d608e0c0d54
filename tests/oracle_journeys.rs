//! When the steps of a journey fall due, against an oracle that knows nothing of the domain: it looks at the clock on the
//! wall each minute, with `chrono-tz` alone.
//!
//! `REVEILLE_SOAK=1` plays more journeys; `REVEILLE_SEED` chooses the first.

mod world;

use chrono::{TimeZone, Timelike};
use chrono_tz::Tz;
use reveille::domain::campaign::Otherwise;
use reveille::domain::condition::Condition;
use reveille::domain::id::StepId;
use reveille::domain::time::{Span, Timestamp};
use world::chance::Chance;
use world::files::{since_entry, tagged};
use world::random::ZONES;
use world::{Draft, World, triggered};

const MINUTE: i64 = 60_000;

#[derive(Clone, Copy, PartialEq, Debug)]
enum From {
    Nothing,
    After(i64),
    Wait(i64),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Else {
    Skip,
    Exit,
    To(usize),
}

/// A step as the oracle has it; times in minutes.
#[derive(Clone, Copy, Debug)]
struct Plan {
    from: From,
    at: Option<u32>,
    until_viewed: bool,
    only_if_vip: Option<bool>,
    otherwise: Else,
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Viewed,
    Vip(bool),
    Zone(Tz),
}

fn a_plan(chance: &mut Chance, n: usize, of: usize) -> Plan {
    let from = match chance.below(4) {
        0 => From::Nothing,
        1 => From::After(chance.between(0, 6_000)),
        _ => From::Wait(chance.between(0, 4_000)),
    };
    let waits = matches!(from, From::Wait(_));
    let only_if_vip = chance.once_in(3).then(|| chance.once_in(2));
    let otherwise = match chance.below(3) {
        _ if only_if_vip.is_none() => Else::Skip,
        0 => Else::Exit,
        1 if n + 1 < of => Else::To(chance.between(n as i64 + 1, of as i64) as usize),
        _ => Else::Skip,
    };
    Plan {
        from,
        at: chance
            .once_in(2)
            .then(|| chance.of(&[0, 90, 125, 150, 600, 1439])),
        until_viewed: waits && chance.once_in(2),
        only_if_vip,
        otherwise,
    }
}

fn name(n: usize) -> String {
    format!("s{n}")
}

/// The same journey, for the domain.
fn draft(plans: &[Plan]) -> Draft {
    let vip = |wanted: bool| match wanted {
        true => tagged("vip"),
        false => Condition::Not(Box::new(tagged("vip"))),
    };
    let begun = triggered("series", "Go").with(|c| c.steps.clear());
    plans.iter().enumerate().fold(begun, |draft, (n, plan)| {
        let mut draft = draft.and_step(&name(n), Span::ZERO, Span::days(3));
        draft = match plan.from {
            From::Nothing => draft.wait(Span::ZERO),
            From::Wait(minutes) => draft.wait(Span::minutes(minutes)),
            From::After(minutes) => draft.last(|s| {
                s.timing.from = reveille::domain::campaign::DueFrom::Entry(Span::minutes(minutes));
            }),
        };
        if let Some(at) = plan.at {
            draft = draft.at(&format!("{:02}:{:02}", at / 60, at % 60));
        }
        if plan.until_viewed {
            draft = draft.until(since_entry("Viewed", None));
        }
        if let Some(wanted) = plan.only_if_vip {
            draft = draft.only_if(vip(wanted)).otherwise(match plan.otherwise {
                Else::Skip => Otherwise::Skip,
                Else::Exit => Otherwise::Exit,
                Else::To(to) => Otherwise::GoTo(StepId::parse(&name(to)).unwrap()),
            });
        }
        draft
    })
}

/// Somebody on the way, as the oracle follows them.
struct Naive<'a> {
    plans: &'a [Plan],
    start: i64,
    zone: Tz,
    vip: bool,
    viewed: bool,
    step: usize,
    since: i64,
    /// What the step waited for has come.
    came: bool,
    sent: Vec<(String, i64)>,
}

impl Naive<'_> {
    fn minute_of_day(&self, minute: i64) -> i64 {
        let utc = self.start + minute * MINUTE;
        let local = self.zone.timestamp_millis_opt(utc).unwrap();
        i64::from(local.hour() * 60 + local.minute())
    }

    /// Whether the clock on the wall shows `at`, or has just leapt over it.
    fn shows(&self, at: i64, minute: i64) -> bool {
        let (before, now) = (self.minute_of_day(minute - 1), self.minute_of_day(minute));
        // Round midnight the hands begin anew.
        let went = (now - before).rem_euclid(1440);
        let passed = (at - before).rem_euclid(1440);
        let back = went > 720;
        now == at || (!back && went > 1 && 0 < passed && passed < went)
    }

    fn look(&mut self, minute: i64) {
        while let Some(plan) = self.plans.get(self.step).copied() {
            self.came |= plan.until_viewed && self.viewed;
            let ready = match plan.from {
                From::Nothing => self.since,
                From::After(after) => after.max(self.since),
                From::Wait(wait) => self.since + wait,
            };
            let waited = minute >= ready || self.came;
            if !waited || plan.at.is_some_and(|at| !self.shows(i64::from(at), minute)) {
                return;
            }
            let next = match (plan.only_if_vip, plan.otherwise) {
                (Some(wanted), otherwise) if wanted != self.vip => match otherwise {
                    Else::Skip => self.step + 1,
                    Else::Exit => self.plans.len(),
                    Else::To(to) => to,
                },
                _ => {
                    self.sent.push((name(self.step), minute));
                    self.step + 1
                }
            };
            (self.step, self.since, self.came) = (next, minute, false);
        }
    }
}

fn play(seed: u64) -> usize {
    let mut chance = Chance(seed);
    let of = chance.between(1, 6) as usize;
    let plans: Vec<Plan> = (0..of).map(|n| a_plan(&mut chance, n, of)).collect();
    // Near the changes of the clock more often than not.
    let start = match chance.below(3) {
        0 => world::at("2026-03-05T00:00:00Z"),
        1 => world::at("2026-10-28T00:00:00Z"),
        _ => world::at("2026-01-01T00:00:00Z") + Span::days(chance.between(0, 365)),
    } + Span::minutes(chance.between(0, 3_000));
    let zone = chance.of(ZONES);
    let mut happens: Vec<(i64, Happens)> = (0..chance.below(9))
        .map(|_| {
            let what = match chance.below(3) {
                0 => Happens::Viewed,
                1 => Happens::Vip(chance.once_in(2)),
                _ => Happens::Zone(chance.of(ZONES)),
            };
            (chance.between(1, 12_000), what)
        })
        .collect();
    happens.sort_by_key(|(minute, _)| *minute);

    let mut naive = Naive {
        plans: &plans,
        start: start.millis(),
        zone,
        vip: false,
        viewed: false,
        step: 0,
        since: 0,
        came: false,
        sent: Vec::new(),
    };
    let mut world = World::with_shop(start, world::shop(), vec![draft(&plans)]);
    let mina = world.customer("mina");
    world.prefer(mina, |p| p.preferences.timezone = Some(Some(zone)));
    world.event(mina, "Go", &[]);
    let mut coming = happens.iter().peekable();
    for minute in 0..30_000 {
        naive.look(minute);
        while let Some((_, what)) = coming.next_if(|(at, _)| *at == minute) {
            world.run_until(start + Span::minutes(minute));
            match *what {
                Happens::Viewed => {
                    world.event(mina, "Viewed", &[]);
                    naive.viewed = true;
                }
                Happens::Vip(vip) => {
                    world.tag(mina, "vip", vip);
                    naive.vip = vip;
                }
                Happens::Zone(zone) => {
                    world.prefer(mina, |p| p.preferences.timezone = Some(Some(zone)));
                    naive.zone = zone;
                }
            }
            naive.look(minute);
        }
    }
    world.run_until(start + Span::minutes(29_999));
    let sent: Vec<(String, i64)> = (world.attempts.iter())
        .map(|a| (a.step.to_string(), minutes_since(start, a.at)))
        .collect();
    assert_eq!(
        sent, naive.sent,
        "seed {seed}, {zone}, from {start}: {plans:#?}, {happens:?}"
    );
    sent.len()
}

fn minutes_since(start: Timestamp, at: Timestamp) -> i64 {
    let passed = at.since(start).0;
    assert_eq!(passed % MINUTE, 0, "{at} is no whole minute from {start}");
    passed / MINUTE
}

#[test]
fn steps_fall_due_when_the_clock_on_the_wall_says() {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    let first: u64 = (std::env::var("REVEILLE_SEED").ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_260_302);
    let how_many = if soak { 3_000 } else { 150 };
    println!("seeds {first}..{}", first + how_many);
    let sent: usize = (first..first + how_many).map(play).sum();
    assert!(sent > how_many as usize, "only {sent} messages");
}
