//! Campaigns as the oracle has them, at random, and the files that say the same to the daemon. Times are in ticks of a
//! quarter of an hour, so that every edge is met exactly.

use crate::world::chance::Chance;
use std::collections::BTreeMap;
use std::fmt::Write;

/// In minutes.
pub const TICK: i64 = 15;
const HOUR: i64 = 60 / TICK;
pub const DAY: i64 = 24 * HOUR;

pub const EVENTS: &[&str] = &["Visited", "Product Added", "Order Completed"];

/// A condition.
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// Set by hand.
    Vip,
    /// Set by steps.
    Mark,
    /// Derived by the rule of `tags.toml`.
    Keen,
    Happened {
        event: &'static str,
        least: usize,
        within: Option<i64>,
    },
    Absent {
        event: &'static str,
        within: i64,
    },
    /// The latest is so long ago, at least.
    Quiet {
        event: &'static str,
        since: i64,
    },
    SinceEntry {
        event: &'static str,
        same: bool,
    },
    /// None like the event that started the entry.
    NoneLikeIt {
        event: &'static str,
        within: i64,
    },
    Subscribed,
    /// Consent to "news" is so old, at least.
    Given(i64),
    Refused(Option<i64>),
    /// The customer clicked in the mail of this step, of the entry.
    Clicked(String),
    Was {
        campaign: String,
        was: &'static str,
        within: Option<i64>,
    },
    Not(Box<Ask>),
    Both(Box<Ask>, Box<Ask>),
}

pub fn span(ticks: i64) -> String {
    format!("{}m", ticks * TICK)
}

impl Ask {
    pub fn text(&self) -> String {
        let within = |within: &Option<i64>| {
            (within).map_or_else(String::new, |w| format!(", within = \"{}\"", span(w)))
        };
        match self {
            Ask::Vip => "{ tag = \"vip\" }".into(),
            Ask::Mark => "{ tag = \"mark\" }".into(),
            Ask::Keen => "{ tag = \"keen\" }".into(),
            Ask::Happened {
                event,
                least,
                within: time,
            } => {
                format!(
                    "{{ event = \"{event}\", count = \">= {least}\"{} }}",
                    within(time)
                )
            }
            Ask::Absent { event, within } => {
                format!(
                    "{{ no_event = \"{event}\", within = \"{}\" }}",
                    span(*within)
                )
            }
            Ask::Quiet { event, since } => {
                format!("{{ event = \"{event}\", last = \">= {}\" }}", span(*since))
            }
            Ask::SinceEntry { event, same } => {
                let same = if *same { ", same = \"cart_id\"" } else { "" };
                format!("{{ event = \"{event}\", since = \"entry\"{same} }}")
            }
            Ask::NoneLikeIt { event, within } => format!(
                "{{ no_event = \"{event}\", within = \"{}\", where = {{ category = {{ same = \"category\" }} }} }}",
                span(*within)
            ),
            Ask::Subscribed => "{ subscribed = \"news\" }".into(),
            Ask::Given(age) => {
                format!("{{ subscribed = \"news\", given = \">= {}\" }}", span(*age))
            }
            Ask::Refused(time) => format!("{{ refused = \"news\"{} }}", within(time)),
            Ask::Clicked(step) => format!("{{ message = \"{step}\", was = \"clicked\" }}"),
            Ask::Was {
                campaign,
                was,
                within: time,
            } => format!(
                "{{ campaign = \"{campaign}\", was = \"{was}\"{} }}",
                within(time)
            ),
            Ask::Not(inner) => format!("{{ not = {} }}", inner.text()),
            Ask::Both(a, b) => format!("{{ all = [{}, {}] }}", a.text(), b.text()),
        }
    }

    pub fn names(&self, each: &mut dyn FnMut(&Ask)) {
        each(self);
        match self {
            Ask::Not(inner) => inner.names(each),
            Ask::Both(a, b) => {
                a.names(each);
                b.names(each);
            }
            _ => {}
        }
    }

    fn rename(&mut self, old: &str, new: &str) {
        match self {
            Ask::Clicked(step) if step == old => *step = new.to_owned(),
            Ask::Not(inner) => inner.rename(old, new),
            Ask::Both(a, b) => {
                a.rename(old, new);
                b.rename(old, new);
            }
            _ => {}
        }
    }

    pub fn is_of_entry(&self) -> bool {
        let mut is = false;
        self.names(&mut |ask| {
            is |= matches!(
                ask,
                Ask::SinceEntry { .. } | Ask::NoneLikeIt { .. } | Ask::Clicked(_)
            );
        });
        is
    }

    /// The tag's rule counts for what names the tag.
    fn meaning(&self, keen: &Ask) -> String {
        let mut text = self.text();
        let mut named = false;
        self.names(&mut |ask| named |= *ask == Ask::Keen);
        if named {
            text.push_str(&keen.text());
        }
        text
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum From {
    Nothing,
    After(i64),
    Wait(i64),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Else {
    Skip,
    Exit,
    To(String),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Does {
    Mail,
    Tag,
    Untag,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    pub id: String,
    pub renamed_from: Option<String>,
    pub from: From,
    /// Minutes after midnight.
    pub at: Option<i64>,
    pub until: Option<Ask>,
    pub only_if: Option<Ask>,
    pub otherwise: Else,
    pub does: Does,
    pub recheck: bool,
    /// Weights of the variants "v0", "v1", ...
    pub variants: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Again {
    Never,
    Always,
    AfterLeaving,
    After(i64),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Start {
    Event {
        event: &'static str,
        category: Option<&'static str>,
        count: usize,
        within: Option<i64>,
        per: bool,
        restart: bool,
        fresh: i64,
    },
    Audience,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    Finish,
    Jump,
    Exit,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Quota {
    Share(i64),
    Number { most: usize, days: Option<i64> },
}

#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub renamed_from: Option<String>,
    pub class: &'static str,
    pub priority: i64,
    pub start: Start,
    pub audience: Option<Ask>,
    pub again: Again,
    pub at_most: Option<u32>,
    pub existing_enter: bool,
    pub exit: Vec<Ask>,
    pub on_change: Change,
    pub appended: bool,
    pub unless_in: bool,
    pub steps: Vec<Step>,
    /// In percent.
    pub holdout: Option<i64>,
    pub quota: Option<Quota>,
    pub goal: Option<(&'static str, i64)>,
}

impl Plan {
    /// The step is called otherwise, wherever the file names it.
    fn rename(&mut self, at: usize, new: &str) {
        let old = std::mem::replace(&mut self.steps[at].id, new.to_owned());
        let anew = |ask: &mut Ask| ask.rename(&old, new);
        self.exit.iter_mut().for_each(anew);
        for step in &mut self.steps {
            step.until
                .iter_mut()
                .chain(&mut step.only_if)
                .for_each(anew);
            if step.otherwise == Else::To(old.clone()) {
                step.otherwise = Else::To(new.to_owned());
            }
        }
        self.steps[at].renamed_from = Some(old);
    }

    pub fn transactional(&self) -> bool {
        self.class == "transactional"
    }

    pub fn quota(&self) -> Option<Quota> {
        self.quota.filter(|_| !self.transactional())
    }

    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|s| s.id == id)
    }

    /// Every condition of the file.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        let of_steps = self
            .steps
            .iter()
            .flat_map(|s| s.until.iter().chain(&s.only_if));
        self.audience.iter().chain(&self.exit).chain(of_steps)
    }

    /// Of what decides who stands in the audience.
    pub fn who(&self, keen: &Ask) -> String {
        let share = match self.quota() {
            Some(Quota::Share(share)) => share,
            _ => 0,
        };
        let audience = self.audience.as_ref().map(|a| a.meaning(keen));
        format!("{audience:?} {share}")
    }

    /// Of what decides where those under way stand; a step under a new name is the same step.
    pub fn way(&self, keen: &Ask) -> String {
        let steps = self.steps.iter().map(|s| {
            let asks = [&s.until, &s.only_if].map(|a| a.as_ref().map(|a| a.meaning(keen)));
            format!(
                "{} {:?} {:?} {asks:?} {:?} {:?}",
                s.id, s.from, s.at, s.otherwise, s.does
            )
        });
        steps.collect::<Vec<_>>().join("\n")
    }

    pub fn text(&self) -> String {
        let mut out = format!(
            "name = \"C\"\nstate = \"live\"\nclass = \"{}\"\npriority = {}\n",
            self.class, self.priority
        );
        if self.class == "advertising" {
            out.push_str("topic = \"offers\"\n");
        }
        if let Some(old) = &self.renamed_from {
            writeln!(out, "renamed_from = \"{old}\"").unwrap();
        }
        if let Start::Event {
            event,
            category,
            count,
            within,
            per,
            restart,
            fresh,
        } = &self.start
        {
            writeln!(out, "[trigger]\nevent = \"{event}\"").unwrap();
            if let Some(category) = category {
                writeln!(out, "where = {{ category = \"{category}\" }}").unwrap();
            }
            if *count > 1 {
                writeln!(out, "count = {count}").unwrap();
                if let Some(within) = within {
                    writeln!(out, "within = \"{}\"", span(*within)).unwrap();
                }
            }
            if *per {
                out.push_str("per = \"cart_id\"\n");
            }
            let repeat = if *restart { "restart" } else { "ignore" };
            writeln!(out, "repeat = \"{repeat}\"\nfresh = \"{}\"", span(*fresh)).unwrap();
        }
        if let Some(audience) = &self.audience {
            writeln!(out, "[audience]\nall = [{}]", audience.text()).unwrap();
        }
        let again = match self.again {
            Again::Never => "never".to_owned(),
            Again::Always => "always".to_owned(),
            Again::AfterLeaving => "after_leaving".to_owned(),
            Again::After(ticks) => span(ticks),
        };
        writeln!(out, "[entry]\nagain = \"{again}\"").unwrap();
        if let Some(most) = self.at_most {
            writeln!(out, "at_most = {most}").unwrap();
        }
        if self.start == Start::Audience {
            let existing = if self.existing_enter { "enter" } else { "skip" };
            writeln!(out, "existing = \"{existing}\"").unwrap();
        }
        if !self.exit.is_empty() {
            let exits: Vec<String> = self.exit.iter().map(Ask::text).collect();
            writeln!(out, "exit = [{}]", exits.join(", ")).unwrap();
        }
        let on_change = match self.on_change {
            Change::Finish => "finish",
            Change::Jump => "jump",
            Change::Exit => "exit",
        };
        writeln!(out, "on_change = \"{on_change}\"").unwrap();
        if self.appended {
            out.push_str("appended = \"finished\"\n");
        }
        if self.unless_in {
            out.push_str("unless_in = \"higher_priority\"\n");
        }
        for step in &self.steps {
            out.push_str(&step.text());
        }
        if self.holdout.is_some() || self.quota.is_some() {
            out.push_str("[limits]\n");
        }
        if let Some(share) = self.holdout {
            writeln!(out, "holdout = \"{share}%\"").unwrap();
        }
        match self.quota {
            Some(Quota::Share(share)) => writeln!(out, "quota = \"{share}%\"").unwrap(),
            Some(Quota::Number { most, days: None }) => {
                writeln!(out, "quota = \"{most}\"").unwrap()
            }
            Some(Quota::Number {
                most,
                days: Some(days),
            }) => writeln!(out, "quota = \"{most} per {days}d\"").unwrap(),
            None => {}
        }
        if let Some((event, within)) = self.goal {
            writeln!(
                out,
                "[goal]\nevent = \"{event}\"\nwithin = \"{}\"",
                span(within)
            )
            .unwrap();
        }
        out
    }
}

impl Step {
    fn text(&self) -> String {
        let mut out = format!("[[step]]\nid = \"{}\"\n", self.id);
        if let Some(old) = &self.renamed_from {
            writeln!(out, "renamed_from = \"{old}\"").unwrap();
        }
        match self.from {
            From::Nothing => {}
            From::After(ticks) => writeln!(out, "after = \"{}\"", span(ticks)).unwrap(),
            From::Wait(ticks) => writeln!(out, "wait = \"{}\"", span(ticks)).unwrap(),
        }
        if let Some(at) = self.at {
            writeln!(out, "at = \"{:02}:{:02}\"", at / 60, at % 60).unwrap();
        }
        if let Some(until) = &self.until {
            writeln!(out, "until = {}", until.text()).unwrap();
        }
        if let Some(only_if) = &self.only_if {
            writeln!(out, "only_if = {}", only_if.text()).unwrap();
            let otherwise = match &self.otherwise {
                Else::Skip => "skip",
                Else::Exit => "exit",
                Else::To(id) => id,
            };
            writeln!(out, "otherwise = \"{otherwise}\"").unwrap();
        }
        match self.does {
            Does::Tag => out.push_str("tag = \"mark\"\n"),
            Does::Untag => out.push_str("untag = \"mark\"\n"),
            Does::Mail => {
                out.push_str("template = \"t\"\nsubject = \"s\"\nexpires = \"300d\"\n");
                if !self.recheck {
                    out.push_str("recheck = false\n");
                }
                if !self.variants.is_empty() {
                    let all: Vec<String> = (self.variants.iter().enumerate())
                        .map(|(n, weight)| format!("{{ name = \"v{n}\", weight = {weight} }}"))
                        .collect();
                    writeln!(out, "variants = [{}]", all.join(", ")).unwrap();
                }
            }
        }
        out
    }
}

// ---- at random -----------------------------------------------------------------------------------------------------

/// All files, and the rule of the tag.
#[derive(Clone, PartialEq, Debug)]
pub struct Plans {
    pub files: BTreeMap<String, Plan>,
    pub keen: Ask,
    /// New steps so far: none bears a name twice.
    pub named: u32,
}

/// Where a condition stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    of_entry: bool,
    start: &'a Start,
    steps: &'a [String],
    others: &'a [String],
}

impl Place<'_> {
    fn per(&self) -> bool {
        matches!(self.start, Start::Event { per: true, .. })
    }

    fn by_event(&self) -> bool {
        matches!(self.start, Start::Event { .. })
    }
}

fn of_event(chance: &mut Chance) -> Ask {
    let event = chance.of(EVENTS);
    match chance.below(4) {
        0 => Ask::Absent {
            event,
            within: chance.between(4, 3 * DAY),
        },
        1 => Ask::Quiet {
            event,
            since: chance.between(4, 3 * DAY),
        },
        _ => Ask::Happened {
            event,
            least: chance.between(1, 4) as usize,
            within: chance.once_in(2).then(|| chance.between(4, 4 * DAY)),
        },
    }
}

fn an_ask(chance: &mut Chance, place: Place<'_>, depth: u32) -> Ask {
    match chance.below(if depth == 0 { 13 } else { 16 }) {
        0 | 1 => Ask::Vip,
        2 => Ask::Mark,
        3 => Ask::Keen,
        4 | 5 if place.of_entry => Ask::SinceEntry {
            event: chance.of(EVENTS),
            same: place.per() && chance.once_in(2),
        },
        6 if place.by_event() => Ask::NoneLikeIt {
            event: chance.of(EVENTS),
            within: chance.between(4, 4 * DAY),
        },
        7 => match chance.below(3) {
            0 => Ask::Subscribed,
            1 => Ask::Given(chance.between(1, 3 * DAY)),
            _ => Ask::Refused(chance.once_in(2).then(|| chance.between(1, 3 * DAY))),
        },
        8 if place.of_entry && !place.steps.is_empty() => {
            Ask::Clicked(place.steps[chance.below(place.steps.len() as u64) as usize].clone())
        }
        9 if !place.others.is_empty() => Ask::Was {
            campaign: place.others[chance.below(place.others.len() as u64) as usize].clone(),
            was: chance.of(&["entered", "finished", "left"]),
            within: chance.once_in(2).then(|| chance.between(1, 3 * DAY)),
        },
        13 | 14 => Ask::Not(Box::new(an_ask(chance, place, depth - 1))),
        15 => Ask::Both(
            Box::new(an_ask(chance, place, depth - 1)),
            Box::new(an_ask(chance, place, depth - 1)),
        ),
        _ => of_event(chance),
    }
}

fn a_step(chance: &mut Chance, id: &str, place: Place<'_>, later: &[String]) -> Step {
    let from = match chance.below(4) {
        0 => From::Nothing,
        1 => From::After(chance.between(0, 4 * DAY)),
        _ => From::Wait(chance.between(0, 3 * DAY)),
    };
    let does = match chance.below(8) {
        0 => Does::Tag,
        1 => Does::Untag,
        _ => Does::Mail,
    };
    let mails = does == Does::Mail;
    let only_if = (chance.once_in(3)).then(|| an_ask(chance, place, 1));
    let otherwise = match (chance.below(4), later) {
        _ if only_if.is_none() => Else::Skip,
        (0, _) => Else::Exit,
        (1, [_, ..]) => Else::To(later[chance.below(later.len() as u64) as usize].clone()),
        _ => Else::Skip,
    };
    Step {
        id: id.to_owned(),
        renamed_from: None,
        from,
        at: (chance.once_in(3)).then(|| chance.of(&[0, 90, 150, 600, 1425])),
        until: (matches!(from, From::Wait(_)) && chance.once_in(3))
            .then(|| an_ask(chance, place, 1)),
        only_if,
        otherwise,
        recheck: !mails || !chance.once_in(5),
        variants: match mails && chance.once_in(3) {
            true => vec![1, 2, 1],
            false => Vec::new(),
        },
        does,
    }
}

fn a_plan(chance: &mut Chance, others: &[String]) -> Plan {
    let start = match chance.below(4) {
        0 => Start::Audience,
        _ => {
            let count = if chance.once_in(3) { 2 } else { 1 };
            Start::Event {
                event: chance.of(EVENTS),
                category: chance.once_in(4).then_some("tea"),
                count,
                within: (count > 1 && chance.once_in(2)).then(|| chance.between(8, 3 * DAY)),
                per: chance.once_in(2),
                restart: chance.once_in(2),
                fresh: chance.of(&[4, DAY]),
            }
        }
    };
    let ids: Vec<String> = (0..chance.between(1, 4)).map(|n| format!("s{n}")).collect();
    let place = Place {
        of_entry: true,
        start: &start,
        steps: &ids,
        others,
    };
    let steps = (ids.iter().enumerate())
        .map(|(n, id)| a_step(chance, id, place, &ids[n + 1..]))
        .collect();
    let asked = Place {
        of_entry: false,
        steps: &[],
        ..place
    };
    let audience =
        (start == Start::Audience || chance.once_in(3)).then(|| an_ask(chance, asked, 1));
    let compares = audience.as_ref().is_some_and(Ask::is_of_entry);
    let again = match chance.below(6) {
        0 => Again::Never,
        1 => Again::After(chance.between(4, 4 * DAY)),
        2 if audience.is_some() && !compares => Again::AfterLeaving,
        _ => Again::Always,
    };
    let exit = (0..chance.below(3))
        .map(|_| an_ask(chance, place, 1))
        .collect();
    let by_event = start != Start::Audience;
    let existing_enter = chance.once_in(2);
    let quota = match chance.below(5) {
        0 => Some(Quota::Share(50)),
        1 if by_event || !existing_enter => Some(Quota::Number {
            most: chance.between(1, 4) as usize,
            days: chance.of(&[None, Some(1), Some(3)]),
        }),
        _ => None,
    };
    Plan {
        renamed_from: None,
        class: chance.of(&[
            "advertising",
            "advertising",
            "informational",
            "transactional",
        ]),
        priority: chance.between(-1, 3),
        at_most: chance.once_in(5).then(|| chance.between(1, 5) as u32),
        existing_enter,
        on_change: chance.of(&[Change::Finish, Change::Jump, Change::Exit]),
        appended: chance.once_in(2),
        unless_in: chance.once_in(3),
        holdout: chance.once_in(4).then(|| chance.of(&[30, 60])),
        goal: chance
            .once_in(2)
            .then(|| (chance.of(EVENTS), chance.between(4, 4 * DAY))),
        start,
        audience,
        again,
        exit,
        steps,
        quota,
    }
}

fn a_rule(chance: &mut Chance) -> Ask {
    of_event(chance)
}

impl Plans {
    pub fn random(chance: &mut Chance, is_good: impl Fn(&Plans) -> bool) -> Plans {
        let mut plans = Plans {
            files: BTreeMap::new(),
            keen: a_rule(chance),
            named: 0,
        };
        for n in 0..chance.between(2, 5) {
            let others: Vec<String> = plans.files.keys().cloned().collect();
            for _ in 0..20 {
                plans.files.insert(format!("c{n}"), a_plan(chance, &others));
                if is_good(&plans) {
                    break;
                }
                plans.files.remove(&format!("c{n}"));
            }
        }
        plans
    }

    /// The same, so that many are under way at once, and edits have them jump.
    pub fn busy(mut self) -> Plans {
        for plan in self.files.values_mut() {
            plan.on_change = Change::Jump;
            plan.exit.truncate(1);
            if let Start::Event {
                count, within, per, ..
            } = &mut plan.start
            {
                (*count, *within, *per) = (1, None, true);
                (plan.at_most, plan.quota, plan.again) = (None, None, Again::Always);
            }
        }
        self
    }

    /// Somebody has worked on the files.
    pub fn edited(&self, chance: &mut Chance, is_good: impl Fn(&Plans) -> bool) -> Plans {
        for _ in 0..20 {
            let plans = self.try_edit(chance);
            if plans != *self && is_good(&plans) {
                return plans;
            }
        }
        self.clone()
    }

    fn try_edit(&self, chance: &mut Chance) -> Plans {
        let mut plans = self.clone();
        for plan in plans.files.values_mut() {
            plan.renamed_from = None;
            plan.steps.iter_mut().for_each(|s| s.renamed_from = None);
        }
        let names: Vec<String> = plans.files.keys().cloned().collect();
        if names.is_empty() {
            return plans;
        }
        let mut name = names[chance.below(names.len() as u64) as usize].clone();
        let mut plan = plans.files.remove(&name).unwrap();
        let others: Vec<String> = names.iter().filter(|n| **n < name).cloned().collect();
        let ids: Vec<String> = plan.steps.iter().map(|s| s.id.clone()).collect();
        let place = Place {
            of_entry: true,
            start: &plan.start.clone(),
            steps: &ids,
            others: &others,
        };
        plans.named += 1;
        let new = format!("n{}", plans.named);
        let at = chance.below(ids.len() as u64) as usize;
        match chance.below(14) {
            0..3 => plan.steps.push(a_step(chance, &new, place, &[])),
            3 | 4 => {
                let step = a_step(chance, &new, place, &ids[at..]);
                plan.steps.insert(at, step);
            }
            5 | 6 if ids.len() > 1 => _ = plan.steps.remove(at),
            7 if ids.len() > 1 => plan.steps.swap(at, (at + 1) % ids.len()),
            8 => {
                let does = plan.steps[at].does.clone();
                let step = a_step(chance, &ids[at], place, &ids[at + 1..]);
                let mails = does == Does::Mail;
                plan.steps[at] = Step {
                    does,
                    recheck: !mails || step.recheck,
                    variants: if mails {
                        step.variants.clone()
                    } else {
                        Vec::new()
                    },
                    ..step
                };
            }
            9 => {
                plan.rename(at, &new);
            }
            10 => {
                let other = match name.strip_suffix('x') {
                    Some(plain) => plain.to_owned(),
                    None => format!("{name}x"),
                };
                plan.renamed_from = Some(std::mem::replace(&mut name, other));
            }
            11 => plans.keen = a_rule(chance),
            12 => {
                let asked = Place {
                    of_entry: false,
                    steps: &[],
                    ..place
                };
                plan.audience = Some(an_ask(chance, asked, 1));
            }
            _ => {
                plan.on_change = chance.of(&[Change::Finish, Change::Jump, Change::Exit]);
                plan.appended = chance.once_in(2);
                plan.holdout = chance.once_in(2).then(|| chance.of(&[40, 80]));
                plan.exit = (0..chance.below(3))
                    .map(|_| an_ask(chance, place, 1))
                    .collect();
                plan.unless_in = chance.once_in(2);
                if let Some(Quota::Number { most, .. }) = &mut plan.quota {
                    *most = chance.between(1, 6) as usize;
                }
            }
        }
        plans.files.insert(name, plan);
        plans
    }
}
