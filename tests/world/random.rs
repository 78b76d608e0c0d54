//! Random worlds: shops, campaigns, preferences and causes for months or years, from a seed.

use super::chance::Chance;
use super::files::{self, since_entry, tagged};
use super::language;
use super::{
    Draft, World, accepted, at, audience, not_started, refused, relay_fault, scheduled, shop,
    triggered, try_later, uncertain,
};
use chrono_tz::Tz;
use reveille::domain::calendar::ClosedDays;
use reveille::domain::campaign::{
    Act, Again, CampaignWindow, Existing, OnChange, Otherwise, Repeat,
};
use reveille::domain::cap::Cap;
use reveille::domain::event::Event;
use reveille::domain::holdout::Share;
use reveille::domain::id::{CustomerNo, StaffName, StepId, TagName, TopicId};
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::{Class, ConsentState};
use reveille::domain::rules::Shop;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::domain::window::Window;
use xxhash_rust::xxh3::xxh3_64;

/// Zones whose clocks do odd things, and plain ones.
pub const ZONES: &[Tz] = &[
    Tz::UTC,
    Tz::Asia__Seoul,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::America__St_Johns,
    Tz::Africa__Casablanca,
    Tz::America__Santiago,
    Tz::Pacific__Apia,
    Tz::Asia__Kathmandu,
    Tz::Europe__Dublin,
    Tz::Antarctica__Troll,
    Tz::Pacific__Chatham,
];
const WINDOWS: &[&str] = &[
    "Mon-Sun 08:00-21:00",
    "Mon-Fri 09:00-18:00",
    "Mon-Sun 22:00-02:00",
    "Sat,Sun 00:00-24:00",
    "Mon-Sun 02:00-03:00",
    "Fri 23:30-00:30, Mon-Thu 12:00-13:00",
    "Mon-Sun 01:45-02:15; Wed 06:00-07:30",
    "Mon-Sun 00:00-24:00",
];
const CAPS: &[&str] = &[
    "1 per 20h",
    "2 per 7d",
    "3 per 7d",
    "1 per day",
    "2 per day",
    "1 per week",
    "2 per week",
    "5 per 30d",
    "1 per 37m",
];
const GAPS: &[i64] = &[20 * 60_000, 3 * 3_600_000, 26 * 3_600_000, 3 * 86_400_000];

fn some<T>(chance: &mut Chance, once_in: u64, make: impl FnOnce(&mut Chance) -> T) -> Option<T> {
    if chance.once_in(once_in) {
        Some(make(chance))
    } else {
        None
    }
}

fn a_window(chance: &mut Chance) -> Window {
    files::window(chance.of(WINDOWS))
}

pub fn some_caps(chance: &mut Chance) -> Vec<Cap> {
    let how_many = chance.below(3);
    (0..how_many)
        .map(|_| Cap::parse(chance.of(CAPS)).unwrap())
        .collect()
}

fn a_gap(chance: &mut Chance) -> Span {
    Span(chance.of(GAPS))
}

fn closed(days: &[&str]) -> ClosedDays {
    let mut closed = ClosedDays::default();
    days.iter()
        .for_each(|day| closed.extend(ClosedDays::parse_one(day).unwrap()));
    closed
}

pub fn a_shop(chance: &mut Chance) -> Shop {
    let mut shop = shop();
    shop.timezone = chance.of(ZONES);
    shop.window = some(chance, 2, a_window);
    shop.caps = some_caps(chance);
    shop.gap = some(chance, 3, a_gap);
    if chance.once_in(3) {
        shop.closed = closed(chance.of(&[&["Sun"], &["Sat", "Sun"], &["Wed", "2026-03-08"]]));
    }
    shop.ceiling.window = some(chance, 6, |c| {
        files::window(c.of(&["Mon-Sun 06:00-23:00", "Mon-Sun 00:00-12:00"]))
    });
    shop.ceiling.caps = some(chance, 3, some_caps).unwrap_or_default();
    shop.ceiling.gap = some(chance, 5, a_gap);
    let mut apart = Chance(chance.0 ^ 0x5bd1_e995);
    shop.control = some(&mut apart, 2, |_| Share::parse("40%").unwrap());
    shop
}

const EVENTS: &[&str] = &["Visited", "Product Added", "Order Completed"];

fn a_campaign(chance: &mut Chance, n: u64, asking: bool) -> Draft {
    let name = format!("c{n}");
    let expires = Span::hours(chance.of(&[1, 5, 30, 72, 24 * 20]));
    let mut draft = if chance.once_in(4) {
        let cron = chance.of(&["0 10 * * *", "30 2 * * *", "0 0 * * MON", "15 */6 * * *"]);
        scheduled(&name, cron, tagged("vip"))
            .existing(Existing::Enter)
            .again(Again::Always)
    } else if asking && chance.once_in(4) {
        let shift = chance.between(-10, 10) as i32;
        let at = chance.of(&["00:00", "02:30", "09:00", "23:59"]);
        files::dated(&name, "birthday", chance.once_in(2), shift, at)
    } else if chance.once_in(6) {
        let dormant = files::dormant(chance.of(EVENTS), Span::hours(chance.between(1, 300)));
        audience(&name, dormant).again(Again::Always)
    } else {
        let draft = triggered(&name, chance.of(EVENTS)).again(Again::Always);
        match chance.below(3) {
            0 => draft.per("cart_id"),
            1 => draft.repeat(Repeat::Ignore),
            _ => draft,
        }
    };
    let after = Span::minutes(chance.of(&[0, 0, 45, 24 * 60]));
    draft = draft.step("one", after, expires);
    let mut others = vec!["two", "three", "four", "five"];
    while !others.is_empty() && chance.once_in(2) {
        let id = others.remove(chance.below(others.len() as u64) as usize);
        draft = a_step(
            chance,
            draft.and_step(id, Span::hours(50), expires),
            &others,
        );
    }
    draft = with_ways_onward_only(draft);
    let on_change = chance.of(&[OnChange::Finish, OnChange::Jump, OnChange::Exit]);
    draft = draft.on_change(on_change);
    if chance.once_in(3) {
        draft = draft.exit(since_entry("Order Completed", None));
    }
    // Of those before it only: no circle.
    if asking && n > 0 && chance.once_in(3) {
        let other = chance.below(n);
        draft = draft.exit(files::was(
            &format!("c{other}"),
            Span::hours(chance.between(1, 90)),
        ));
    }
    let class = chance.of(&[
        Class::Advertising,
        Class::Advertising,
        Class::Advertising,
        Class::Informational,
        Class::Transactional,
    ]);
    let priority = chance.between(-2, 3) as i32;
    let caps = some(chance, 3, some_caps).unwrap_or_default();
    let gap = some(chance, 6, a_gap);
    let window = match chance.below(6) {
        0 => CampaignWindow::Always,
        1 => CampaignWindow::Only(a_window(chance)),
        _ => CampaignWindow::None,
    };
    // Drawn apart, so that all else in the world is as it is without them.
    let mut apart = Chance(chance.0 ^ 0x5bd1_e995);
    if apart.once_in(3) {
        draft = draft.holdout(apart.of(&["10%", "50%", "90%"]));
    }
    if apart.once_in(2) {
        let within = Span::hours(apart.of(&[1, 30, 24 * 7, 24 * 60]));
        draft = draft.goal(apart.of(EVENTS), within);
    }
    draft.class(class).priority(priority).with(|c| {
        c.limits.caps = caps;
        c.limits.gap = gap;
        c.limits.window = window;
    })
}

/// The last step, at some time, on some condition; perhaps an act.
fn a_step(chance: &mut Chance, draft: Draft, later: &[&str]) -> Draft {
    let mut draft = match chance.below(4) {
        0 => draft,
        1 => draft.wait(Span::ZERO),
        n => draft.wait(Span::hours(chance.between(1, 40 * n as i64))),
    };
    if chance.once_in(3) {
        draft = draft.at(chance.of(&["10:00", "02:30", "00:00", "23:59"]));
    }
    if chance.once_in(4) {
        let until = match chance.below(3) {
            0 => tagged("vip"),
            1 => since_entry(chance.of(EVENTS), None),
            _ => files::dormant(chance.of(EVENTS), Span::hours(chance.between(1, 60))),
        };
        draft = draft.wait(Span::hours(chance.between(1, 200))).until(until);
    }
    if chance.once_in(3) {
        let only_if = match chance.below(3) {
            0 => tagged("vip"),
            1 => since_entry(chance.of(EVENTS), None),
            _ => files::none(chance.of(EVENTS), Some(Span::hours(chance.between(1, 90)))),
        };
        let otherwise = match (chance.below(4), later) {
            (0, _) => Otherwise::Exit,
            (1, later) if !later.is_empty() => {
                Otherwise::GoTo(StepId::parse(chance.of(later)).unwrap())
            }
            _ => Otherwise::Skip,
        };
        draft = draft.only_if(only_if).otherwise(otherwise);
    }
    match chance.below(12) {
        0 => draft.act(Act::Tag(TagName::parse("vip").unwrap())),
        1 => draft.act(Act::Untag(TagName::parse("vip").unwrap())),
        2 => draft.act(Act::Notify(StaffName::parse("crm").unwrap())),
        3 => {
            let topic = if chance.once_in(8) { "offers" } else { "news" };
            draft.act(Act::Leave(TopicId::parse(topic).unwrap()))
        }
        _ => draft,
    }
}

/// The reader refuses ways to steps that are not further on.
fn with_ways_onward_only(draft: Draft) -> Draft {
    draft.with(|c| {
        let ids: Vec<StepId> = c.steps.iter().map(|s| s.id.clone()).collect();
        for (n, step) in c.steps.iter_mut().enumerate() {
            if let Otherwise::GoTo(to) = &step.otherwise
                && !ids[n + 1..].contains(to)
            {
                step.otherwise = Otherwise::Skip;
            }
        }
    })
}

fn an_outcome(chance: &mut Chance, troubled: bool) -> (Outcome, Span) {
    let takes = Span::millis(chance.between(1, 90_000));
    let outcome = match chance.below(if troubled { 16 } else { 60 }) {
        0 | 1 => try_later(),
        2 => relay_fault(),
        3 => not_started(),
        4 => refused(false),
        // No reply read to its end, or a crash: at opening what was attempting is uncertain.
        5 => uncertain(),
        6 => Outcome::Undeliverable { why: "no".into() },
        _ => accepted(),
    };
    (outcome, takes)
}

pub fn change_preferences(chance: &mut Chance, world: &mut World, no: CustomerNo) {
    let zone = chance.of(ZONES);
    let window = some(chance, 2, a_window);
    let caps = some(chance, 2, some_caps);
    let gap = some(chance, 4, a_gap);
    let pause = some(chance, 5, |c| {
        world.now + Span::minutes(c.between(1, 20_000))
    });
    let which = chance.below(5);
    world.prefer(no, |p| {
        let own = &mut p.preferences;
        match which {
            0 => own.timezone = Some(Some(zone)),
            1 => own.window = Some(window),
            2 => own.caps = Some(caps),
            3 => own.gap = Some(gap),
            _ => own.pause_until = Some(pause),
        }
    });
}

/// What a random world is like.
#[derive(Clone, Copy)]
pub struct Shape {
    pub customers: u64,
    pub days: i64,
    /// Mailboxes are shared and addresses change.
    pub shared: bool,
    /// Campaign files and the shop's settings are edited now and then.
    pub edited: bool,
    /// Customers turn out to be others.
    pub merged: bool,
    /// Campaigns start by dates, too, and ask about each other.
    pub asking: bool,
    pub after_each: Option<fn(&World, CustomerNo)>,
    pub backwards: bool,
    /// The campaigns are files of the whole language ([`super::language`]), which are worked on.
    pub whole: bool,
}

impl Shape {
    pub fn of(customers: u64, days: i64) -> Shape {
        Shape {
            customers,
            days,
            shared: false,
            edited: false,
            merged: false,
            asking: false,
            after_each: None,
            backwards: false,
            whole: false,
        }
    }
}

fn some_campaigns(chance: &mut Chance, asking: bool) -> Vec<Draft> {
    let how_many = 2 + chance.below(4);
    let plain = chance.once_in(3);
    let drafts = (0..how_many).map(|n| a_campaign(chance, n, asking));
    // In some worlds steps only wait.
    let waits_only = |draft: Draft| {
        draft.with(|c| {
            for step in &mut c.steps {
                (step.timing.until, step.only_if, step.act) = (None, None, None);
                step.otherwise = Otherwise::Skip;
                step.class = c.class;
            }
        })
    };
    match plain {
        true => drafts.map(waits_only).collect(),
        false => drafts.collect(),
    }
}

/// Plays one random world to its end.
pub fn play(seed: u64, shape: &Shape) -> World {
    let mut chance = Chance(seed);
    let shop = a_shop(&mut chance);
    let drafts = match shape.whole {
        true => Vec::new(),
        false => some_campaigns(&mut chance, shape.asking),
    };
    // Anywhere in the year, so that changes of the clock come at different ages.
    let start = at("2025-01-01T00:00:00Z") + Span::minutes(chance.between(0, 500_000));
    let mut world = World::with_shop(start, shop, drafts);
    world.backwards = shape.backwards;
    world.after_each = shape.after_each;
    let troubled = chance.once_in(2);
    // What becomes of an attempt hangs on what it is, not on when it is asked.
    world.script = Box::new(move |a| {
        let name = format!(
            "{seed} {} {:?} {} {} {:?}",
            a.at, a.customer, a.campaign, a.attempt, a.entry
        );
        an_outcome(&mut Chance(xxh3_64(name.as_bytes())), troubled)
    });
    let mut folder = (shape.whole).then(|| language::a_folder(&mut chance, &world.rules.shop));
    // Some shops have customers before they have campaigns.
    let late = chance.0.is_multiple_of(2);
    if let Some(folder) = folder.as_ref().filter(|_| !late) {
        language::adopt(&mut world, folder);
    }
    for n in 0..shape.customers {
        let no = world.customer(&format!("c{n}"));
        world.tag(no, "vip", chance.once_in(2));
        if shape.asking || shape.whole {
            change_birthday(&mut chance, &mut world, no);
        }
        for _ in 0..4 {
            change_preferences(&mut chance, &mut world, no);
        }
        if shape.shared && n > 0 && chance.once_in(2) {
            world.email(no, "c0@mail.example");
        }
    }
    if let Some(folder) = folder.as_ref().filter(|_| late) {
        language::adopt(&mut world, folder);
    }
    let end = start + Span::days(shape.days);
    while world.now < end {
        let mut pause = chance.between(1, 3 * 86_400_000 / shape.customers as i64);
        if shape.whole {
            pause /= 2;
        }
        world.run_until(world.now + Span::millis(pause));
        if chance.once_in(4) {
            // Just before a quarter of an hour is full, where windows open and shut.
            let quarter = (world.now.0 / 900_000 + 1) * 900_000;
            world.run_until(Timestamp(quarter - chance.between(-2, 6_000)));
        }
        if let Some(folder) = folder.as_mut()
            && !chance.once_in(4)
        {
            let no = CustomerNo(1 + chance.below(shape.customers));
            language::happens(&mut chance, &mut world, folder, no);
        } else {
            something_happens(&mut chance, &mut world, shape);
        }
    }
    world.run_for(Span::days(40));
    world
}

fn change_birthday(chance: &mut Chance, world: &mut World, no: CustomerNo) {
    let day = world.now + Span::days(chance.between(-400, 60));
    let form = chance.of(&["%Y-%m-%d", "%m-%d", "%Y-%m-%dT%H:%M:%SZ"]);
    let day = Value::Text(day.to_utc().format(form).to_string());
    world.profile(no, |p| _ = p.attributes.insert("birthday".into(), day));
}

fn something_happens(chance: &mut Chance, world: &mut World, shape: &Shape) {
    let no = CustomerNo(1 + chance.below(shape.customers));
    let cart = chance.below(3).to_string();
    match chance.below(40) {
        0 | 1 => change_preferences(chance, world, no),
        2 => world.consent(no, None, ConsentState::Refused),
        3 => world.consent(no, None, ConsentState::Given),
        4 => {
            let bears = chance.once_in(2);
            world.tag(no, "vip", bears);
        }
        5 if shape.shared => {
            let name = chance.below(4);
            world.email(no, &format!("c{name}@mail.example"));
        }
        6 => {
            let late = world.now - Span::minutes(chance.between(0, 2_000));
            world.late_event(no, chance.of(EVENTS), late, &[("cart_id", &cart)]);
        }
        7 => world.down_until(world.now + Span::hours(chance.between(1, 60))),
        8 => {
            world.control(|c| c.paused_all = true);
            world.run_for(Span::hours(chance.between(1, 90)));
            world.control(|c| c.paused_all = false);
            world.unpark();
        }
        12 if shape.asking => change_birthday(chance, world, no),
        9 if shape.edited && chance.once_in(3) => {
            let shop = a_shop(chance);
            world.reshape(|s| *s = shop);
        }
        11 if shape.merged && chance.once_in(3) => {
            let into = CustomerNo(1 + chance.below(shape.customers));
            world.merge(no, into);
        }
        10 if shape.edited && chance.once_in(3) => {
            let drafts = some_campaigns(chance, shape.asking);
            world.adopt(drafts);
        }
        _ => {
            // Some come in bursts.
            let events: Vec<Event> = (0..1 + chance.below(3))
                .map(|_| world.make_event(chance.of(EVENTS), world.now, &[("cart_id", &cart)]))
                .collect();
            world.events_at_once(no, events);
        }
    }
}
