//! One thread's work: a page of customers, or some groups of them, read whole and played.

use super::diff::{Differences, Gathered};
use super::firings::Firings;
use super::group::{Group, Person};
use super::idle::is_idle;
use super::lots::Paused;
use super::play::{Play, Stage, Teller};
use super::summary::Counts;
use super::ticks::Played;
use super::told::Decision;
use crate::domain::address::MailboxId;
use crate::domain::campaign::Start;
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerNo, PoolName};
use crate::domain::react::Boxes;
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::batch::{BatchError, read_history};
use crate::engine::forget::Forgotten;
use crate::engine::going_on::Found;
use crate::engine::state::{CustomerState, EventRow};
use crate::store::codec::decode;
use crate::store::{Store, Stream, StreamFilter};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::runtime::Handle;

/// What a forecast does with each customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pass {
    /// Counts who stands in the audiences of campaigns that are not live.
    Count,
    Play,
}

/// What a hand is given.
pub enum Job {
    /// Customers as stored, in groups.
    Stored(Vec<Vec<Vec<u8>>>),
    /// Groups that go on, since the lots that they waited for are drawn.
    GoOn(Vec<Paused>),
}

/// What came of a job.
#[derive(Default)]
pub struct Done {
    pub customers: u64,
    pub counts: Counts,
    pub decisions: Vec<Decision>,
    /// How many were found in the audience of each campaign that is not live.
    pub found: BTreeMap<CampaignId, u64>,
    /// Whom the edit of each campaign moves.
    pub going_on: BTreeMap<CampaignId, Found>,
    pub differences: Differences,
    /// Groups that wait for lots.
    pub paused: Vec<Paused>,
}

/// What is wanted of it.
#[derive(Clone)]
pub struct Wanted {
    pub pass: Pass,
    /// Decisions before this are not told.
    pub from: Timestamp,
    /// Of this campaign only.
    pub campaign: Option<CampaignId>,
    /// Each decision is wanted, not their numbers alone.
    pub decisions: bool,
    /// Campaigns that are counted.
    pub undecided: Vec<CampaignId>,
    /// Likewise, of whom their edits move.
    pub edited: Vec<CampaignId>,
}

/// A worker.
pub struct Hand {
    stage: Arc<Stage>,
    firings: Firings,
    /// What it is compared with.
    against: Option<(Arc<Stage>, Firings)>,
    store: Arc<dyn Store>,
    forgotten: Arc<Forgotten>,
    wanted: Wanted,
    runtime: Handle,
}

impl Hand {
    /// To be called on the runtime that the store's reads go on.
    pub fn new(
        stage: Arc<Stage>,
        against: Option<Arc<Stage>>,
        (store, forgotten): (Arc<dyn Store>, Arc<Forgotten>),
        wanted: Wanted,
    ) -> Hand {
        let firings = |stage: &Stage| Firings::new(Arc::clone(&stage.rules), stage.ticks);
        Hand {
            firings: firings(&stage),
            against: against.map(|stage| {
                let firings = firings(&stage);
                (stage, firings)
            }),
            stage,
            store,
            forgotten,
            wanted,
            runtime: Handle::current(),
        }
    }

    pub fn work(&mut self, job: Job) -> Result<Done, BatchError> {
        let mut done = Done::default();
        let job = match job {
            Job::Stored(job) => job,
            Job::GoOn(paused) => {
                for of in paused {
                    self.play(of.group, of.decisions, &mut done, |play| play.go_on());
                }
                return Ok(done);
            }
        };
        let mut groups: Vec<Vec<Record>> = Vec::with_capacity(job.len());
        for stored in job {
            let mut group = Vec::with_capacity(stored.len());
            for bytes in stored {
                done.customers += 1;
                match decode::<CustomerState>(&bytes) {
                    Ok(state) => group.push(state.record),
                    Err(_) => done.counts.unreadable += 1,
                }
            }
            let stage = &self.stage;
            let idle = |record: &Record, firings: &mut Firings| is_idle(stage, firings, record);
            if group.iter().all(|record| self.passes_by(record)) {
                continue;
            }
            let plays = self.wanted.pass == Pass::Count
                || self.against.is_some()
                || group.iter().any(|record| !idle(record, &mut self.firings));
            if plays {
                groups.push(group);
            } else {
                for record in &group {
                    done.counts.stands(record);
                }
            }
        }
        let mut boxes = self.boxes(&groups)?;
        let mut histories = self.histories(&groups)?;
        for group in groups {
            let wanted: BTreeSet<MailboxId> = group.iter().flat_map(mailboxes).collect();
            let boxes: Boxes = (wanted.into_iter())
                .filter_map(|id| boxes.remove_entry(&id))
                .collect();
            let people = group.into_iter().map(|record| {
                let history = histories.remove(&record.no);
                Person::new(record, history)
            });
            self.group(Group::new(people.collect(), boxes), &mut done);
        }
        Ok(done)
    }

    /// Whether only those are counted whom edits move, and this customer stands in none of these campaigns by any name.
    fn passes_by(&self, record: &Record) -> bool {
        let wanted = &self.wanted;
        let by_name = |id: &CampaignId| {
            let campaign = self.stage.rules.campaigns.get(id);
            let mut former = campaign.and_then(|c| c.renamed_from.as_ref()).into_iter();
            record.campaigns.contains_key(id)
                || former.any(|old| record.campaigns.contains_key(old))
        };
        wanted.pass == Pass::Count
            && wanted.undecided.is_empty()
            && !wanted.edited.iter().any(by_name)
    }

    fn group(&mut self, group: Group, done: &mut Done) {
        let (runtime, store) = (&self.runtime, &self.store);
        let read = |record: &Record, rules: &Rules| {
            let read = read_history(&**store, record, rules.sieve());
            runtime.block_on(read).ok()
        };
        if let Some((stage, firings)) = &mut self.against {
            let (mut before, mut after) = (Gathered::default(), Gathered::default());
            Play::of(stage, firings, &read, group.clone(), &mut before).through();
            Play::of(&self.stage, &mut self.firings, &read, group, &mut after).through();
            let start = self.stage.ticks.start;
            let before = before.named_by(&self.stage.rules);
            done.differences.add(&before, &after, start);
            return;
        }
        match self.wanted.pass {
            Pass::Count => self.play(group, Vec::new(), done, |play| (play.walk(), None)),
            Pass::Play => self.play(group, Vec::new(), done, |play| play.through()),
        }
    }

    /// Plays a group on. What was decided of it is told when it is through.
    fn play(
        &mut self,
        group: Group,
        decided: Vec<Decision>,
        done: &mut Done,
        on: impl FnOnce(Play<'_, Told<'_>>) -> Played,
    ) {
        let (runtime, store) = (&self.runtime, &self.store);
        let read = |record: &Record, rules: &Rules| {
            let read = read_history(&**store, record, rules.sieve());
            runtime.block_on(read).ok()
        };
        let before = std::mem::replace(&mut done.decisions, decided);
        let mut teller = Told {
            wanted: &self.wanted,
            stage: &self.stage,
            done,
        };
        let play = Play::of(&self.stage, &mut self.firings, &read, group, &mut teller);
        let (mut group, waits) = on(play);
        let decisions = std::mem::replace(&mut done.decisions, before);
        if let Some(waits) = waits {
            group.rests();
            done.paused.push(Paused {
                group,
                waits,
                decisions,
            });
            return;
        }
        done.decisions.extend(decisions);
        for person in &group.people {
            done.counts.unplayable += u64::from(person.is_broken());
            match self.wanted.pass {
                Pass::Count => self.count(&person.record, done),
                Pass::Play => done.counts.stands(&person.record),
            }
        }
    }

    /// Of campaigns that go by a schedule those are counted who stand in the due index.
    fn count(&self, record: &Record, done: &mut Done) {
        let (rules, now) = (&self.stage.rules, self.stage.ticks.start);
        let edited = self.wanted.edited.iter();
        for campaign in edited.filter_map(|id| rules.campaigns.get(id)) {
            let found = done.going_on.entry(campaign.id.clone()).or_default();
            found.look_at(record, campaign, rules, now);
        }
        for id in &self.wanted.undecided {
            let campaign = self.stage.rules.campaigns.get(id);
            let standing = record.campaigns.get(id);
            if let (Some(campaign), Some(due)) = (campaign, standing.and_then(|s| s.due))
                && matches!(campaign.start, Start::Scheduled(_))
                && due.hash == campaign.audience_hash
            {
                *done.found.entry(id.clone()).or_default() += 1;
            }
        }
    }

    fn boxes(
        &self,
        groups: &[Vec<Record>],
    ) -> Result<HashMap<MailboxId, crate::domain::record::Mailbox>, BatchError> {
        let wanted: BTreeSet<MailboxId> = groups.iter().flatten().flat_map(mailboxes).collect();
        let wanted: Vec<MailboxId> = wanted.into_iter().collect();
        let read = self.forgotten.mailboxes(&*self.store, &wanted);
        let found = self.runtime.block_on(read)?;
        // One that cannot be read keeps its customers' mail back in the engine; here it counts as unknown.
        let found = found.into_iter().map(|s| s.mailbox.unwrap_or_default());
        Ok(wanted.into_iter().zip(found).collect())
    }

    /// Of those whose tracks are to be made anew, read in one go; those who absorbed others are few, and read one by one.
    fn histories(
        &self,
        groups: &[Vec<Record>],
    ) -> Result<HashMap<CustomerNo, Vec<Event>>, BatchError> {
        let rules = &self.stage.walked_by;
        let plan = rules.plan.fingerprint();
        let outdated = |record: &&Record| {
            let alone = record.absorbed.is_empty() && record.moved_to.is_none();
            alone && record.rules != 0 && record.rules != rules.version && record.plan != plan
        };
        let mut wanted: Vec<u64> = (groups.iter().flatten().filter(outdated))
            .map(|record| record.no.0)
            .collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        wanted.sort_unstable();
        let mut histories: HashMap<CustomerNo, Vec<Event>> = (wanted.iter())
            .map(|no| (CustomerNo(*no), Vec::new()))
            .collect();
        let filter = StreamFilter {
            customers: Some(wanted),
            ..StreamFilter::default()
        };
        let rows = self.store.read_stream(Stream::Events, filter);
        for row in self.runtime.block_on(rows)? {
            let known = histories.get_mut(&CustomerNo(row.customer));
            if let (Some(known), Ok(row)) = (known, decode::<EventRow>(&row.payload)) {
                known.push(row.event);
            }
        }
        Ok(histories)
    }
}

/// The mailboxes that concern a customer.
fn mailboxes(record: &Record) -> BTreeSet<MailboxId> {
    let under_way = record.messages.values().filter_map(|m| m.to.as_ref());
    let all = under_way.chain(record.email.as_ref());
    all.map(|to| to.mailbox()).collect()
}

/// Takes down what is told of a group.
pub struct Told<'a> {
    wanted: &'a Wanted,
    stage: &'a Stage,
    done: &'a mut Done,
}

impl Teller for Told<'_> {
    fn tell(&mut self, decision: Decision) {
        if decision.at < self.wanted.from || !decision.is_news() {
            return;
        }
        self.done.counts.add(&decision, &self.stage.rules);
        let one = self.wanted.campaign.as_ref();
        if self.wanted.decisions && one.is_none_or(|id| *id == decision.campaign) {
            self.done.decisions.push(decision);
        }
    }

    fn drew(&mut self, pool: &PoolName, campaign: &CampaignId, at: Timestamp) {
        self.done.counts.draws.drew(pool, campaign, at);
    }

    fn existing(&mut self, campaign: &CampaignId) {
        let audience =
            |c: &Arc<crate::domain::campaign::Campaign>| matches!(c.start, Start::Audience);
        if self.wanted.pass == Pass::Count
            && self
                .stage
                .rules
                .campaigns
                .get(campaign)
                .is_some_and(audience)
        {
            *self.done.found.entry(campaign.clone()).or_default() += 1;
        }
    }
}
