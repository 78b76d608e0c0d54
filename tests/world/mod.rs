//! A tiny world in memory, for tests of the domain: customers, mailboxes and a clock, played in order of time as the
//! engine plays them. Alarms ring when due, schedules fire for those who stand in the due index, messages are released,
//! the outbox asks `Ready` in the order of its keys, and a script says what becomes of each attempt.
//!
//! There is no engine and no store here: what is tested is `domain::react` alone. After every reaction the world looks
//! whether the record is sound ([`soundness`]), so that each story tests the invariants too.

// Each test file uses a part of it.
#![allow(dead_code)]

pub mod chance;
pub mod files;
pub mod language;
pub mod random;
pub mod soundness;

pub use files::{Draft, audience, scheduled, shop, triggered};

use reveille::domain::address::{EmailAddress, MailboxId};
use reveille::domain::campaign::{Campaign, Schedule, ScheduleZone, Start, Step, Topic, When};
use reveille::domain::cause::{Cause, ConsentChange, Liveness, Operator, ProfileChange};
use reveille::domain::condition::Named;
use reveille::domain::coupon::Codes;
use reveille::domain::event::{Event, EventRules};
use reveille::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, EventName, MessageNo, PoolName, StepId, TagName,
    TopicId,
};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::moved::Moved;
use reveille::domain::order::judging_order;
use reveille::domain::outcome::{Outcome, RelayPart};
use reveille::domain::posted::{Letter, Posted};
use reveille::domain::preference::{Class, ConsentState, Preferences};
use reveille::domain::quota::Quotas;
use reveille::domain::react::{
    Answer, Boxes, Context, Needs, Offer, journeys_before, mailboxes_for, react,
};
use reveille::domain::record::{Mailbox, Record, Suppression, SuppressionCause};
use reveille::domain::rules::{Activation, Controls, Rules, Shop};
use reveille::domain::schedule::instant_of;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::track::TrackPlan;
use reveille::domain::value::{Properties, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

pub fn campaign_id(text: &str) -> CampaignId {
    CampaignId::parse(text).unwrap()
}

pub fn accepted() -> Outcome {
    Outcome::Accepted {
        reply: "250 ok".into(),
    }
}

pub fn try_later() -> Outcome {
    Outcome::TryLater {
        reply: "451 later".into(),
    }
}

pub fn uncertain() -> Outcome {
    Outcome::Uncertain {
        why: "no reply after the final dot".into(),
    }
}

pub fn relay_fault() -> Outcome {
    Outcome::RelayFault {
        part: RelayPart::Connect,
        what: "refused".into(),
        reply: None,
    }
}

pub fn not_started() -> Outcome {
    Outcome::NotStarted {
        why: "five seconds were over".into(),
    }
}

pub fn refused(suppress: bool) -> Outcome {
    Outcome::Refused {
        reply: "550 no".into(),
        status: None,
        recipient_fault: suppress,
        suppress,
    }
}

/// One attempt, with what surrounded it when it began.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub at: Timestamp,
    pub customer: CustomerNo,
    pub message: MessageNo,
    pub attempt: u32,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub class: Class,
    pub to: EmailAddress,
    pub preferences: Preferences,
    pub rules: Arc<Rules>,
    pub outcome: Option<Outcome>,
    pub variant: Option<String>,
    /// The code that it names.
    pub coupon: Option<String>,
}

/// What happened to places, in order; the oracle reads it.
#[derive(Clone, Debug)]
pub enum Told {
    Began(usize),
    Ended(usize, Outcome),
    /// A message's last row.
    Concluded(CustomerNo, MessageNo, Status),
    /// A customer went over to another mailbox.
    Moved(CustomerNo, MailboxId, MailboxId),
}

/// A cause with what surrounded it, for replays.
#[derive(Clone)]
pub struct Recorded {
    pub customer: CustomerNo,
    pub cause: Cause,
    pub now: Timestamp,
    pub rules: Arc<Rules>,
    pub unfinished: bool,
    /// Whom the customer was merged into.
    pub person: Option<Box<Record>>,
    /// What had been taken of quotas.
    pub quotas: Quotas,
    /// Of each pool a code that nobody had.
    pub codes: BTreeMap<PoolName, String>,
}

/// What becomes of an attempt, and how long it takes.
pub type Script = Box<dyn FnMut(&Attempt) -> (Outcome, Span)>;

pub struct Customer {
    pub record: Record,
    pub history: Vec<Event>,
    /// What of it was told as history.
    pub past: BTreeSet<u64>,
    /// Letters posted so far.
    pub posted: u64,
}

impl Customer {
    pub fn of(record: Record) -> Customer {
        Customer {
            record,
            history: Vec::new(),
            past: BTreeSet::new(),
            posted: 0,
        }
    }
}

pub struct World {
    pub now: Timestamp,
    pub rules: Arc<Rules>,
    pub customers: BTreeMap<CustomerNo, Customer>,
    /// The records at first sight, for replays.
    pub first_sight: Vec<Record>,
    pub quotas: Quotas,
    /// Coupon codes that are somebody's.
    pub given: BTreeMap<String, CustomerNo>,
    pub boxes: Boxes,
    pub log: Vec<LogRow>,
    pub attempts: Vec<Attempt>,
    pub told: Vec<Told>,
    pub recorded: Vec<Recorded>,
    pub script: Script,
    /// The engine says that an occurrence is unfinished.
    pub unfinished: bool,
    /// A new campaign waits for approval instead of going live when its walk ends.
    pub withhold_approval: bool,
    /// Campaigns go live, and nobody approves what edits move.
    pub withhold_edits: bool,
    /// In which order customers, campaigns and their causes of one instant are taken: reversed.
    pub backwards: bool,
    /// Called after each reaction.
    pub after_each: Option<fn(&World, CustomerNo)>,
    pub reactions: u64,
    /// What is said of events; in force from the next files on.
    pub events: EventRules,
    wants_release: BTreeSet<CustomerNo>,
    pending: Vec<(Timestamp, usize, Outcome)>,
    occurrences: BTreeMap<(CampaignId, &'static str), Timestamp>,
    next_identity: u64,
}

impl World {
    pub fn new(start: &str, campaigns: Vec<Draft>) -> World {
        World::with_shop(at(start), shop(), campaigns)
    }

    pub fn with_shop(now: Timestamp, shop: Shop, campaigns: Vec<Draft>) -> World {
        let rules = Rules {
            version: 0,
            campaigns: BTreeMap::new(),
            segments: BTreeMap::new(),
            tags: BTreeMap::new(),
            order: Vec::new(),
            topics: ["offers", "news", "digest"].map(files::topic).into(),
            shop,
            plan: TrackPlan::default(),
            controls: Arc::new(Controls::default()),
            salt: [7; 16],
            pools: Default::default(),
            once: Default::default(),
        };
        let mut world = World {
            now,
            rules: Arc::new(rules),
            customers: BTreeMap::new(),
            first_sight: Vec::new(),
            quotas: Quotas::new(),
            given: BTreeMap::new(),
            boxes: Boxes::new(),
            log: Vec::new(),
            attempts: Vec::new(),
            told: Vec::new(),
            recorded: Vec::new(),
            script: Box::new(|_| (accepted(), Span::ZERO)),
            unfinished: false,
            withhold_approval: false,
            withhold_edits: false,
            backwards: false,
            after_each: None,
            reactions: 0,
            events: EventRules::new(),
            wants_release: BTreeSet::new(),
            pending: Vec::new(),
            occurrences: BTreeMap::new(),
            next_identity: 1,
        };
        world.adopt(campaigns);
        world
    }

    /// Takes a new set of campaign files as the engine does: walk, count, approve, walk again.
    pub fn adopt(&mut self, campaigns: Vec<Draft>) {
        let mut rules = (*self.rules).clone();
        rules.campaigns = (campaigns.into_iter())
            .map(|draft| (draft.0.id.clone(), Arc::new(draft.0)))
            .collect();
        rules.version += 1;
        let conditions = (rules.campaigns.values())
            .flat_map(|c| c.conditions())
            .chain(rules.segments.values())
            .chain(rules.tags.values());
        let triggers = rules.campaigns.values().filter_map(|c| match &c.start {
            Start::Triggered(trigger) => Some(trigger),
            _ => None,
        });
        rules.plan = TrackPlan::with_events(conditions, triggers, &self.events);
        rules.order = judging_order(
            &rules.campaigns,
            &Named {
                segments: &rules.segments,
                tags: &rules.tags,
            },
        );
        let mut controls = (*rules.controls).clone();
        self.carry_over(&rules, &mut controls);
        for (id, campaign) in &rules.campaigns {
            let known = controls.activations.get(id);
            if known.is_none_or(|a| a.audience_hash != campaign.audience_hash) {
                let activation = Activation {
                    hash: campaign.hash,
                    audience_hash: campaign.audience_hash,
                    at: self.now,
                    live: None,
                    existing: 0,
                    awaiting_approval: false,
                };
                controls.activations.insert(id.clone(), activation);
            }
        }
        rules.controls = Arc::new(controls);
        self.rules = Arc::new(rules);
        let existing = self.walk();
        self.control(|controls| {
            for (id, activation) in &mut controls.activations {
                if activation.live.is_none() {
                    activation.existing = existing.get(id).copied().unwrap_or_default();
                }
            }
        });
        match (self.withhold_approval, self.withhold_edits) {
            (true, _) => {}
            (false, true) => self.let_enter(),
            (false, false) => self.approve(),
        }
    }

    /// A renamed campaign is no new one, nor is what was taken of its quota.
    fn carry_over(&mut self, rules: &Rules, controls: &mut Controls) {
        for (old, new) in rules.renamed() {
            if let Some(taken) = self.quotas.remove(old) {
                self.quotas.insert(new.clone(), taken);
            }
            if let Some(moved) = controls.moved.remove(old) {
                controls.moved.insert(new.clone(), moved);
            }
            let Some(mut activation) = controls.activations.remove(old) else {
                continue;
            };
            if matches!(rules.campaigns[new].start, Start::Scheduled(_)) {
                (activation.at, activation.live) = (self.now, None);
            }
            (controls.activations.entry(new.clone())).or_insert(activation);
        }
        // Nor are its steps others for their names: what was let is let.
        for (id, known) in &mut controls.moved {
            if let Some(campaign) = rules.campaigns.get(id).filter(|c| c.may_move()) {
                let let_on = known.goes_on;
                let before = |journey: &u64| campaign.goes_on_by(*journey) == let_on;
                let files = &self.rules.campaigns;
                let was = (campaign.renamed_from.as_ref()).and_then(|old| files.get(old));
                let was = was.or_else(|| files.get(id)).into_iter();
                let steps: Vec<StepId> = was
                    .flat_map(|c| c.steps.iter().map(|s| s.id.clone()))
                    .collect();
                if journeys_before(campaign, &steps, rules).iter().any(before) {
                    known.goes_on = campaign.goes_on();
                }
            }
        }
    }

    /// Every campaign that waits goes live; those who hold are walked to once more.
    pub fn let_enter(&mut self) {
        let now = self.now;
        self.control(|controls| {
            for activation in controls.activations.values_mut() {
                activation.live.get_or_insert(now);
            }
        });
        self.walk();
        self.settle_down();
    }

    /// The same, and whom edits move goes on.
    pub fn approve(&mut self) {
        let now = self.now;
        let rules = Arc::clone(&self.rules);
        self.control(|controls| {
            for activation in controls.activations.values_mut() {
                activation.live.get_or_insert(now);
            }
            for (id, campaign) in rules.campaigns.iter().filter(|(_, c)| c.may_move()) {
                let goes_on = campaign.goes_on();
                let known = Moved {
                    goes_on,
                    waiting: None,
                };
                controls.moved.insert(id.clone(), known);
            }
        });
        self.walk();
        self.settle_down();
    }

    /// Changes the shop's settings: a new version of the rules.
    pub fn reshape(&mut self, change: impl FnOnce(&mut Shop)) {
        let mut rules = (*self.rules).clone();
        change(&mut rules.shop);
        rules.version += 1;
        self.rules = Arc::new(rules);
        self.walk();
    }

    /// Turns controls: outside the version, walks nobody.
    pub fn control(&mut self, turn: impl FnOnce(&mut Controls)) {
        let mut rules = (*self.rules).clone();
        let mut controls = (*rules.controls).clone();
        turn(&mut controls);
        rules.controls = Arc::new(controls);
        self.rules = Arc::new(rules);
    }

    /// What `resume` does: parked messages are asked again.
    pub fn unpark(&mut self) {
        let parked: Vec<CustomerNo> = (self.customers.iter())
            .filter(|(_, c)| !c.record.index().parked.is_empty())
            .map(|(no, _)| *no)
            .collect();
        for no in parked {
            self.apply(no, Cause::Release);
        }
        self.settle_down();
    }

    fn walk(&mut self) -> BTreeMap<CampaignId, u64> {
        let mut counts = BTreeMap::new();
        for no in self.everybody() {
            for id in self.apply_counting(no, Cause::Walk).1 {
                *counts.entry(id).or_default() += 1;
            }
        }
        counts
    }

    fn everybody(&self) -> Vec<CustomerNo> {
        let mut all: Vec<CustomerNo> = self.customers.keys().copied().collect();
        if self.backwards {
            all.reverse();
        }
        all
    }

    // ---- what happens to customers -------------------------------------------------------------------------------

    /// A customer nothing is known of.
    pub fn stranger(&mut self, name: &str) -> CustomerNo {
        let no = CustomerNo(self.customers.len() as u64 + 1);
        let id = CustomerId::parse(name).unwrap();
        let record = Record::new(no, id, self.now);
        self.first_sight.push(record.clone());
        self.customers.insert(no, Customer::of(record));
        no
    }

    /// A customer with an address and consent to advertising.
    pub fn customer(&mut self, name: &str) -> CustomerNo {
        let no = self.stranger(name);
        self.email(no, &format!("{name}@mail.example"));
        self.consent(no, None, ConsentState::Given);
        no
    }

    pub fn email(&mut self, no: CustomerNo, address: &str) {
        let email = EmailAddress::parse(address).unwrap();
        self.profile(no, |p| p.email = Some(email));
    }

    pub fn profile(&mut self, no: CustomerNo, write: impl FnOnce(&mut ProfileChange)) {
        let no = self.whom(no);
        let mut change = ProfileChange::default();
        write(&mut change);
        let before = self.record(no).email.as_ref().map(|e| e.mailbox());
        self.apply(no, Cause::Profile(Box::new(change), Liveness::Live));
        let after = self.record(no).email.as_ref().map(|e| e.mailbox());
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            self.told.push(Told::Moved(no, before, after));
        }
        self.settle_down();
    }

    pub fn prefer(&mut self, no: CustomerNo, write: impl FnOnce(&mut ProfileChange)) {
        self.profile(no, write);
    }

    pub fn tag(&mut self, no: CustomerNo, tag: &str, bears: bool) {
        let tag = TagName::parse(tag).unwrap();
        self.apply(no, Cause::Operator(Operator::Tag { tag, bears }));
        self.settle_down();
    }

    /// A word on consent, told now.
    pub fn consent(&mut self, no: CustomerNo, topic: Option<&str>, state: ConsentState) {
        self.consent_at(no, topic, state, self.now);
    }

    pub fn consent_at(
        &mut self,
        no: CustomerNo,
        topic: Option<&str>,
        state: ConsentState,
        at: Timestamp,
    ) {
        let change = ConsentChange {
            topic: topic.map(|t| TopicId::parse(t).unwrap()),
            state,
            at,
            source: "test".into(),
            wording: None,
            origin: Default::default(),
        };
        self.apply(no, Cause::Consent(change, Liveness::Live));
        self.settle_down();
    }

    pub fn suppress(&mut self, no: CustomerNo, address: &str, cause: Option<SuppressionCause>) {
        let mailbox = EmailAddress::parse(address).unwrap().mailbox();
        let suppression = cause.map(|cause| Suppression {
            cause,
            at: self.now,
            note: "test".into(),
        });
        let cause = Cause::Suppress {
            mailbox,
            suppression,
        };
        self.apply(no, cause);
        self.settle_down();
    }

    /// An anonymous customer turns out to be another.
    pub fn merge(&mut self, source: CustomerNo, target: CustomerNo) {
        let target = self.whom(target);
        let source = self.whom(source);
        self.apply(source, Cause::Merge { into: target });
        self.settle_down();
    }

    /// Whom a customer was merged into, at last.
    pub fn whom(&self, no: CustomerNo) -> CustomerNo {
        let mut at = no;
        while let Some(to) = self.record(at).moved_to {
            at = to;
        }
        at
    }

    /// Hands a letter over at once, with the events that belong to it.
    fn deliver(&mut self, sender: CustomerNo, to: CustomerNo, mut posted: Posted) {
        let from = self.customers.get_mut(&sender).expect("a known sender");
        from.posted += 1;
        let no = from.posted;
        if let (Posted::Absorb(absorb), None) = (&mut posted, self.record(to).moved_to) {
            let own = &self.customers[&to].history;
            let mut met: BTreeSet<u64> = own.iter().map(|e| e.identity).collect();
            let sources: Vec<CustomerNo> = std::iter::once(absorb.source)
                .chain(absorb.earlier.iter().copied())
                .collect();
            for customer in sources.iter().map(|no| &self.customers[no]) {
                for event in &customer.history {
                    if met.insert(event.identity) {
                        let live = match customer.past.contains(&event.identity) {
                            true => Liveness::History,
                            false => Liveness::Live,
                        };
                        absorb.events.push((event.clone(), live));
                    }
                }
            }
        }
        let letter = Letter { sender, no, posted };
        self.apply(to, Cause::Posted(Box::new(letter)));
    }

    pub fn make_event(
        &mut self,
        name: &str,
        time: Timestamp,
        properties: &[(&str, &str)],
    ) -> Event {
        self.next_identity += 1;
        Event {
            name: EventName::parse(name).unwrap(),
            time,
            properties: properties_of(properties),
            identity: self.next_identity,
            ahead: false,
        }
    }

    /// An event that happens now.
    pub fn event(&mut self, no: CustomerNo, name: &str, properties: &[(&str, &str)]) {
        self.late_event(no, name, self.now, properties);
    }

    /// Several events arrive before anything else is done.
    pub fn events_at_once(&mut self, no: CustomerNo, mut events: Vec<Event>) {
        // A step's condition is judged in the reaction in which the step falls due: there a customer's own events count in
        // the order in which they come.
        let conditional = |c: &Arc<Campaign>| {
            let plain = |s: &Step| s.timing.until.is_none() && s.only_if.is_none();
            !c.steps.iter().all(|s| plain(s) && s.act.is_none())
        };
        if self.backwards && !self.rules.campaigns.values().any(conditional) {
            events.reverse();
        }
        for event in events {
            self.apply(no, Cause::Event(event, Liveness::Live));
        }
        self.settle_down();
    }

    /// An event that happened at `time` and arrives now.
    pub fn late_event(
        &mut self,
        no: CustomerNo,
        name: &str,
        time: Timestamp,
        properties: &[(&str, &str)],
    ) {
        let event = self.make_event(name, time, properties);
        self.apply(no, Cause::Event(event, Liveness::Live));
        self.settle_down();
    }

    /// An event that import brings in.
    pub fn history(&mut self, no: CustomerNo, name: &str, time: Timestamp) {
        let event = self.make_event(name, time, &[]);
        self.apply(no, Cause::Event(event, Liveness::History));
        self.settle_down();
    }

    // ---- time ----------------------------------------------------------------------------------------------------

    pub fn run_for(&mut self, span: Span) {
        self.run_until(self.now + span);
    }

    /// Plays everything up to `end`, each thing at its instant.
    pub fn run_until(&mut self, end: Timestamp) {
        while let Some(next) = self.next_instant().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.tick();
        }
        self.now = self.now.max(end);
    }

    /// The daemon was down: nothing is played until `end`, then everything at once.
    pub fn down_until(&mut self, end: Timestamp) {
        self.now = end;
        self.settle_down();
    }

    /// Plays what is due at this instant.
    fn settle_down(&mut self) {
        let mut rounds = 0;
        while self.next_instant().is_some_and(|next| next <= self.now) {
            self.tick();
            rounds += 1;
            assert!(rounds < 10_000, "the world does not come to rest");
        }
    }

    fn next_instant(&self) -> Option<Timestamp> {
        let mut next: Vec<Timestamp> = Vec::new();
        for customer in self.customers.values() {
            let index = customer.record.index();
            next.extend(index.alarm);
            next.extend(index.outbox.iter().map(|(_, at, _)| *at));
        }
        if !self.wants_release.is_empty() {
            next.push(self.now);
        }
        next.extend(self.pending.iter().map(|(at, ..)| *at));
        next.extend(self.occurrences.iter().filter_map(|((id, zone), upto)| {
            let zone = zone.parse().expect("a zone's name");
            next_occurrence(&self.schedule_of(id)?, *upto, zone).map(|(_, at)| at)
        }));
        next.into_iter().filter(|t| *t != Timestamp::NEVER).min()
    }

    /// The engine's tick: outcomes, alarms, occurrences, release, outbox.
    fn tick(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.pending = later;
        for (_, attempt, outcome) in due {
            self.end(attempt, outcome);
        }
        for no in self.everybody() {
            if self.record(no).alarm.is_some_and(|alarm| alarm <= now) {
                self.apply(no, Cause::Alarm);
            }
        }
        self.fire();
        for no in std::mem::take(&mut self.wants_release) {
            self.apply(no, Cause::Release);
        }
        self.ask_outbox();
    }

    fn zones_of(&self, record: &Record) -> Vec<(CampaignId, chrono_tz::Tz)> {
        let mut zones = Vec::new();
        for (id, due) in record.index().due {
            let Some(campaign) = self.rules.campaigns.get(id) else {
                continue;
            };
            let Start::Scheduled(schedule) = &campaign.start else {
                continue;
            };
            let zone = match schedule.zone {
                ScheduleZone::Fixed(zone) => zone,
                ScheduleZone::Customer => due.zone.expect("by the customer's clock"),
            };
            zones.push((id.clone(), zone));
        }
        zones
    }

    /// The schedule, if it runs.
    fn schedule_of(&self, id: &CampaignId) -> Option<Schedule> {
        let campaign = self.rules.campaigns.get(id)?;
        let Start::Scheduled(schedule) = &campaign.start else {
            return None;
        };
        let controls = &self.rules.controls;
        let live = controls.activations.get(id)?.live.is_some();
        let stopped = controls.paused_all
            || controls.paused.contains(id)
            || controls.cancelled.contains(id)
            || controls.paused_classes.contains(&campaign.class);
        (live && !stopped).then(|| schedule.clone())
    }

    /// Occurrences that are due, also where nobody stands in the due index.
    fn fire(&mut self) {
        let mut rows: Vec<_> = self.occurrences.keys().cloned().collect();
        if self.backwards {
            rows.reverse();
        }
        for (id, name) in rows {
            let zone: chrono_tz::Tz = name.parse().expect("a zone's name");
            let upto = self.occurrences[&(id.clone(), name)];
            let next = (self.schedule_of(&id))
                .and_then(|schedule| Some((next_occurrence(&schedule, upto, zone)?, schedule)));
            let Some(((mut local, mut when), schedule)) = next else {
                continue;
            };
            if when > self.now {
                continue;
            }
            // Missed ones are folded into the latest.
            while let Some((l, t)) = next_occurrence(&schedule, when, zone) {
                if t > self.now {
                    break;
                }
                (local, when) = (l, t);
            }
            self.occurrences.insert((id.clone(), name), when);
            for no in self.everybody() {
                let stands = (self.record(no).index().due.iter())
                    .any(|(c, due)| **c == id && due.zone.is_none_or(|own| own == zone));
                if stands {
                    let cause = Cause::Fires {
                        campaign: id.clone(),
                        occurrence: local,
                    };
                    self.apply(no, cause);
                }
            }
        }
    }

    fn ask_outbox(&mut self) {
        let mut asked = BTreeSet::new();
        loop {
            let mut keys: Vec<(bool, Timestamp, CustomerNo, MessageNo)> = Vec::new();
            for (no, customer) in &self.customers {
                let own = customer.record.index().outbox;
                let ordinary = |class| class != Class::Transactional;
                keys.extend((own.into_iter()).map(|(class, at, m)| (ordinary(class), at, *no, m)));
            }
            keys.retain(|(_, at, no, m)| *at <= self.now && !asked.contains(&(*no, *m)));
            keys.sort();
            if self.backwards {
                keys.reverse();
            }
            let Some((_, _, no, mut message)) = keys.first().copied() else {
                return;
            };
            // One that was put behind another is asked again in the same tick.
            let mut chain = 0;
            while let Some(Answer::After(first)) = self.ask(no, message) {
                message = first;
                chain += 1;
                assert!(chain < 1_000, "each message is put behind another");
            }
            asked.insert((no, message));
        }
    }

    /// Asks `Ready` for the next attempt of a message, and lets it begin if it may.
    pub fn ask(&mut self, no: CustomerNo, message: MessageNo) -> Option<Answer> {
        let attempt = self.record(no).messages.get(&message)?.attempts + 1;
        let answer = self.apply(no, Cause::Ready { message, attempt });
        match answer {
            Some(Answer::Attempting) => self.begin(no, message, attempt),
            // It has its code now: the mail is made, and it is asked again.
            Some(Answer::Coupon) => return self.ask(no, message),
            _ => {}
        }
        answer
    }

    fn begin(&mut self, no: CustomerNo, message: MessageNo, attempt: u32) {
        let record = self.record(no);
        let m = &record.messages[&message];
        let begun = Attempt {
            at: self.now,
            customer: no,
            message,
            attempt,
            campaign: m.campaign.clone(),
            step: m.step.clone(),
            entry: m.entry.clone(),
            class: m.class,
            to: m.to.clone().expect("an attempt has an address"),
            preferences: record.preferences.clone(),
            rules: Arc::clone(&self.rules),
            outcome: None,
            variant: m.variant.clone(),
            coupon: m.coupon.clone(),
        };
        let (outcome, takes) = (self.script)(&begun);
        self.attempts.push(begun);
        let index = self.attempts.len() - 1;
        self.told.push(Told::Began(index));
        if takes == Span::ZERO {
            self.end(index, outcome);
        } else {
            self.pending.push((self.now + takes, index, outcome));
        }
    }

    fn end(&mut self, index: usize, outcome: Outcome) {
        let attempt = &mut self.attempts[index];
        attempt.outcome = Some(outcome.clone());
        let (no, cause) = (
            attempt.customer,
            Cause::Outcome {
                message: attempt.message,
                attempt: attempt.attempt,
                outcome: outcome.clone(),
            },
        );
        self.told.push(Told::Ended(index, outcome));
        self.apply(no, cause);
    }

    // ---- reactions -----------------------------------------------------------------------------------------------

    pub fn apply(&mut self, no: CustomerNo, cause: Cause) -> Option<Answer> {
        self.apply_counting(no, cause).0
    }

    fn apply_counting(
        &mut self,
        no: CustomerNo,
        cause: Cause,
    ) -> (Option<Answer>, Vec<CampaignId>) {
        let recorded = Recorded {
            customer: no,
            cause,
            now: self.now,
            rules: Arc::clone(&self.rules),
            unfinished: self.unfinished,
            person: (self.record(no).moved_to)
                .map(|to| Box::new(self.record(self.whom(to)).clone())),
            quotas: self.quotas.clone(),
            codes: self.free_codes(),
        };
        if let Cause::Event(event, _) = &recorded.cause
            && (self.customers[&no].history.iter()).any(|e| e.identity == event.identity)
        {
            return (None, Vec::new());
        }
        let customer = self.customers.get_mut(&no).expect("a known customer");
        let reaction = play(&recorded, customer, &mut self.boxes);
        self.quotas.extend(reaction.quotas);
        if let Some((_, code)) = reaction.drawn {
            let had = self.given.insert(code, no);
            assert_eq!(had, None, "a code that somebody has");
        }
        for code in reaction.given_back {
            assert!(self.given.remove(&code).is_some(), "nobody had {code}");
        }
        self.reactions += 1;
        for row in &reaction.log {
            if let (Some(message), true) = (row.message, soundness::is_final(row.status)) {
                self.told.push(Told::Concluded(no, message, row.status));
            }
        }
        self.log.extend(reaction.log);
        if reaction.wants_release {
            self.wants_release.insert(no);
        }
        self.note_zones(no);
        let again = recorded.cause.clone();
        self.recorded.push(recorded);
        soundness::check(self, no);
        if let Some(check) = self.after_each {
            check(self, no);
        }
        for (to, posted) in reaction.posts {
            self.deliver(no, to, posted);
        }
        if let Some(Answer::Moved(to)) = reaction.answer {
            return self.apply_counting(to, again);
        }
        (reaction.answer, reaction.existing)
    }

    /// The first of each pool that nobody has.
    fn free_codes(&self) -> BTreeMap<PoolName, String> {
        let free = |codes: &Codes| {
            let mut list = codes.iter();
            list.find(|code| !self.given.contains_key(*code))
                .map(str::to_owned)
        };
        (self.rules.pools.iter())
            .filter_map(|(name, pool)| Some((name.clone(), free(&pool.codes)?)))
            .collect()
    }

    /// A zone in which a campaign's due index has its first customer: occurrences count from now on, or from the
    /// activation while the campaign is not live yet.
    fn note_zones(&mut self, no: CustomerNo) {
        for (id, zone) in self.zones_of(self.record(no)) {
            let Some(activation) = self.rules.controls.activations.get(&id) else {
                continue;
            };
            let from = match activation.live {
                None => activation.at,
                Some(_) => self.now,
            };
            self.occurrences.entry((id, zone.name())).or_insert(from);
        }
    }

    // ---- what tests ask ------------------------------------------------------------------------------------------

    pub fn record(&self, no: CustomerNo) -> &Record {
        &self.customers[&no].record
    }

    pub fn mailbox(&self, address: &str) -> Mailbox {
        let id = EmailAddress::parse(address).unwrap().mailbox();
        self.boxes.get(&id).cloned().unwrap_or_default()
    }

    /// When mails of this campaign began to leave.
    pub fn sent(&self, campaign: &str) -> Vec<Timestamp> {
        (self.attempts.iter())
            .filter(|a| a.campaign.as_str() == campaign)
            .map(|a| a.at)
            .collect()
    }

    /// Rows of this campaign, as "status reason".
    pub fn rows(&self, campaign: &str) -> Vec<String> {
        (self.log.iter())
            .filter(|row| row.campaign.as_str() == campaign)
            .map(|row| format!("{} {}", row.status.as_str(), row.reason.code()))
            .collect()
    }

    /// The last row of this campaign.
    pub fn last_row(&self, campaign: &str) -> String {
        self.rows(campaign).pop().unwrap_or_default()
    }

    pub fn count(&self, campaign: &str, status: Status) -> usize {
        (self.log.iter())
            .filter(|row| row.campaign.as_str() == campaign && row.status == status)
            .count()
    }

    pub fn has(&self, campaign: &str, status: Status, reason: Reason) -> bool {
        (self.log.iter()).any(|row| {
            row.campaign.as_str() == campaign && row.status == status && row.reason == reason
        })
    }
}

/// Plays one cause: the record and the boxes become the reaction's.
pub fn play(
    recorded: &Recorded,
    customer: &mut Customer,
    all: &mut Boxes,
) -> reveille::domain::react::Reaction {
    let record = &customer.record;
    let wanted = mailboxes_for(record, &recorded.cause, &recorded.rules);
    let boxes: Boxes = (wanted.iter())
        .map(|id| (id.clone(), all.get(id).cloned().unwrap_or_default()))
        .collect();
    let context = Context {
        now: recorded.now,
        rules: &recorded.rules,
        history: None,
        unfinished: recorded.unfinished,
        person: recorded.person.as_deref(),
        quotas: &recorded.quotas,
        coupon: None,
    };
    // What it turns out to need it is given, each thing once.
    let mut context = context;
    let mut tries = 0;
    let reaction = loop {
        tries += 1;
        assert!(tries < 4, "it has all that it needs");
        match react(record, &boxes, &recorded.cause, &context) {
            Ok(reaction) => break reaction,
            Err(Needs::History) => context.history = Some(&customer.history),
            Err(Needs::Code(pool)) => {
                let code = recorded.codes.get(&pool).map(String::as_str);
                context.coupon = Some(code.map_or(Offer::NoneLeft, Offer::Code));
            }
        }
    };
    for (id, mailbox) in &reaction.boxes {
        assert!(wanted.contains(id), "a mailbox that was not asked for");
        all.insert(id.clone(), mailbox.clone());
    }
    let moved = matches!(reaction.answer, Some(Answer::Moved(_)));
    let mut take = |event: &Event, live: Liveness| {
        customer.history.push(event.clone());
        if live == Liveness::History {
            customer.past.insert(event.identity);
        }
    };
    match &recorded.cause {
        Cause::Event(event, live) if !moved => take(event, *live),
        Cause::Posted(letter) => {
            if let Posted::Absorb(from) = &letter.posted {
                from.events
                    .iter()
                    .for_each(|(event, live)| take(event, *live));
            }
        }
        _ => {}
    }
    customer.record = reaction.record.clone();
    reaction
}

fn next_occurrence(
    schedule: &Schedule,
    upto: Timestamp,
    zone: chrono_tz::Tz,
) -> Option<(chrono::NaiveDateTime, Timestamp)> {
    match &schedule.when {
        When::Cron(rule) => rule.next(upto, zone),
        When::On(local) => Some((*local, instant_of(*local, zone))).filter(|(_, at)| *at > upto),
    }
}

pub fn properties_of(pairs: &[(&str, &str)]) -> Properties {
    (pairs.iter())
        .map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned())))
        .collect()
}

pub type Topics = BTreeMap<TopicId, Topic>;
