//! The clockwork of a shard: letters, alarms that have rung, occurrences of schedules, release, and the walk. All of it rereads
//! what is durable, in chunks with a cursor, so that timer, restart and crash are one path.

mod agenda;
mod course;
mod letters;
mod lots;
mod occurrences;
mod unpark;
mod walk;

pub use course::{Course, Occasion, Runner, Tick};
pub use letters::Letters;
pub(super) use lots::{Draw, Lots, Lowest, enters, most_of};
pub(super) use occurrences::{is_made_up, late_by, latest_of, live_schedule, next_of};
pub use unpark::Unparking;

use super::batch::{BatchError, Work};
use super::shard::{Notice, Refused, Shard, Ticked};
use super::state::{Number, Occurrence, Standing, Walk};
use crate::domain::campaign::Campaign;
use crate::domain::cause::Cause;
use crate::domain::id::{CampaignId, CustomerNo, ShardNo};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::store::codec::{decode, encode};
use crate::store::{Direction, Key, KeyRange, Store, keys};
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// So many customers make one chunk of the clockwork.
const CHUNK: usize = 500;
/// An occurrence met later than this was missed.
const PROMPT: Span = Span::minutes(5);
/// How often a shard writes up to when its occurrences are done.
const KEEP: Span = Span::minutes(10);

type Answered = oneshot::Sender<Result<Ticked, Refused>>;
type Zone = (CampaignId, Option<Tz>);

/// What the clockwork of one shard is at.
#[derive(Default)]
pub struct Clockwork {
    ticks: Vec<Answered>,
    /// The tick under way, or the last one.
    tick: Tick,
    /// The latest that was asked for.
    asked: Tick,
    phase: Phase,
    ticked: Ticked,
    /// The last alarm key that this tick has done.
    alarm_cursor: Option<Key>,
    /// Customers with a message that waits to be released.
    release: BTreeSet<CustomerNo>,
    occurrences: BTreeMap<(CampaignId, String), Row>,
    /// Which of them are due in this tick, once that was worked out.
    agenda: Option<BTreeSet<Occasion>>,
    /// The one that this tick is at: those before it are over.
    at: Option<Occasion>,
    /// The lots that this shard is drawing.
    draw: Option<Draw>,
    /// There is nothing to do before another shard has moved.
    pub(super) waits: bool,
    walk: Walk,
    walk_wanted: bool,
    pub(super) unparking: Unparking,
    /// The last chunk failed.
    failing: bool,
    pub(super) letters: Letters,
    /// Every occurrence up to here is done; where a zone has no row yet, nobody in it was due before.
    upto: Timestamp,
    /// `upto` as last written.
    kept: Timestamp,
}

struct Row {
    stored: Occurrence,
    /// The next occurrence after `stored.upto`, as the present rules have it.
    next: Option<(NaiveDateTime, Timestamp)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    #[default]
    Idle,
    Alarms,
    Occurrences,
    Release,
}

impl Clockwork {
    /// Reads what stands; `now` is for a shard that never ticked.
    pub async fn open(
        store: &dyn Store,
        shard: ShardNo,
        now: Timestamp,
    ) -> Result<Clockwork, Refused> {
        let mut clockwork = Clockwork {
            upto: now,
            letters: Letters::open(store, shard).await?,
            ..Clockwork::default()
        };
        let rows = store
            .scan(keys::occurrences_all(shard), Direction::Forward, usize::MAX)
            .await
            .map_err(BatchError::from)?;
        for (key, value) in rows {
            if let Some(at) = keys::read_occurrence(&key) {
                let stored = decode(&value.value).map_err(BatchError::from)?;
                clockwork.occurrences.insert(at, Row { stored, next: None });
            }
        }
        let rows = store
            .get_many(vec![keys::walk(shard), keys::ticked(shard)])
            .await
            .map_err(BatchError::from)?;
        if let [walk, ticked] = rows.as_slice() {
            if let Some(value) = walk {
                clockwork.walk = decode(&value.value).map_err(BatchError::from)?;
            }
            if let Some(value) = ticked {
                let Number(upto) = decode(&value.value).map_err(BatchError::from)?;
                clockwork.kept = Timestamp(upto as i64);
                clockwork.upto = clockwork.kept;
            }
        }
        Ok(clockwork)
    }

    /// New rules: what is due next is worked out afresh; a new version is walked to.
    pub fn adopt(&mut self, rules: &Rules) {
        if self.walk.version != rules.version {
            // Those who were judged for a campaign on the way to the version before are not judged again.
            let mut existing = std::mem::take(&mut self.walk.existing);
            existing.retain(|id, counted| {
                let same = |c: &Arc<Campaign>| c.audience_hash == counted.hash;
                let activation = rules.controls.activations.get(id);
                rules.campaigns.get(id).is_some_and(same)
                    && activation.is_some_and(|a| a.live.is_none())
            });
            self.walk = Walk {
                version: rules.version,
                round: self.walk.round,
                existing,
                ..Walk::default()
            };
        }
        self.walk_wanted = !self.walk.done;
        self.draw = None;
        self.agenda = None;
        for ((id, zone), row) in &mut self.occurrences {
            row.next = next_of(rules, id, zone, row.stored.upto);
        }
    }

    /// All customers are walked again, unless that was done.
    pub fn walk_again(&mut self, round: u32) {
        if self.walk.round >= round {
            return;
        }
        self.walk = Walk {
            version: self.walk.version,
            round,
            existing: std::mem::take(&mut self.walk.existing),
            ..Walk::default()
        };
        self.walk_wanted = true;
    }

    /// The row that keeps who was found in an audience by some cause beside the walk: it is written in that cause's own
    /// commit, or a crash would forget them, and `[safety] at_once` let in more than it counted. The walk's chunk writes
    /// its own.
    pub fn existing_row(
        &self,
        rules: &Rules,
        shard: ShardNo,
        existing: &BTreeMap<CampaignId, u64>,
        written: &[(Key, Vec<u8>)],
    ) -> Option<(Key, Vec<u8>)> {
        let key = keys::walk(shard);
        if existing.is_empty() || written.iter().any(|(k, _)| *k == key) {
            return None;
        }
        let mut walk = self.walk.clone();
        add_existing(&mut walk, rules, existing);
        Some((key, encode(&walk)))
    }

    /// Takes note of them; gives what is to be told.
    pub fn note_existing(
        &mut self,
        rules: &Rules,
        shard: ShardNo,
        existing: &BTreeMap<CampaignId, u64>,
    ) -> Option<Notice> {
        add_existing(&mut self.walk, rules, existing);
        (!existing.is_empty()).then(|| Notice::Existing {
            shard,
            version: self.walk.version,
            existing: self.walk.existing.clone(),
        })
    }

    /// A tick is asked for; true: it begins now. Else it does as soon as the one under way has ended.
    fn ask_tick(&mut self, tick: Tick, answer: Answered) -> bool {
        self.ticks.push(answer);
        if tick.no > self.asked.no {
            self.asked = tick;
        }
        self.waits = false;
        // A walk that an error stopped goes on.
        self.walk_wanted |= !self.walk.done;
        self.unparking.take_up();
        self.letters.again();
        let idle = self.phase == Phase::Idle;
        if idle {
            self.ticked = Ticked::default();
        }
        idle
    }

    pub fn is_busy(&self) -> bool {
        let at_work = match self.phase {
            Phase::Idle => self.walk_wanted,
            _ => !self.waits,
        };
        at_work || self.unparking.is_asked()
    }

    pub fn want_release(&mut self, customers: impl Iterator<Item = CustomerNo>) {
        self.release.extend(customers);
    }

    /// Whether an occurrence up to `now` is not finished: then only transactional messages begin.
    pub fn unfinished(&self, now: Timestamp) -> bool {
        self.occurrences
            .values()
            .any(|row| row.stored.walking.is_some() || row.next.is_some_and(|(_, at)| at <= now))
    }

    /// Rows for zones in which a campaign's due index has its first customers: occurrences count from the last tick (the
    /// one at this very instant is met) or, in the middle of one, from where it has come to; or, while the campaign is not
    /// live yet, from its activation.
    pub fn rows_for(
        &self,
        rules: &Rules,
        shard: ShardNo,
        added: &HashSet<Zone>,
    ) -> Vec<(Key, Vec<u8>)> {
        self.new_rows(rules, added)
            .map(|(id, zone, row)| (keys::occurrence(shard, &id, zone), encode(&row)))
            .collect()
    }

    pub fn note_zones(&mut self, rules: &Rules, added: &HashSet<Zone>) {
        let new: Vec<_> = self.new_rows(rules, added).collect();
        for (id, zone, stored) in new {
            let next = next_of(rules, &id, zone, stored.upto);
            self.occurrences
                .insert((id, zone.to_owned()), Row { stored, next });
            self.agenda = None;
        }
    }

    fn new_rows<'a>(
        &'a self,
        rules: &'a Rules,
        added: &'a HashSet<Zone>,
    ) -> impl Iterator<Item = (CampaignId, &'static str, Occurrence)> + 'a {
        added
            .iter()
            .map(|(id, zone)| (id.clone(), zone.map_or("", |z| z.name())))
            .filter(|(id, zone)| {
                !self
                    .occurrences
                    .contains_key(&(id.clone(), (*zone).to_owned()))
            })
            .map(move |(id, zone)| {
                let over = self.over_for(rules, &id, zone);
                let upto = match rules.controls.activations.get(&id) {
                    Some(a) if a.live.is_none() => a.at,
                    Some(a) => a.at.max(over),
                    None => over,
                };
                (
                    id,
                    zone,
                    Occurrence {
                        upto,
                        walking: None,
                    },
                )
            })
    }
}

fn add_existing(walk: &mut Walk, rules: &Rules, existing: &BTreeMap<CampaignId, u64>) {
    for (id, customers) in existing {
        let Some(campaign) = rules.campaigns.get(id) else {
            continue;
        };
        let hash = campaign.audience_hash;
        let counted = walk.existing.entry(id.clone()).or_default();
        if counted.hash != hash {
            *counted = Standing { hash, customers: 0 };
        }
        counted.customers += customers;
    }
}

impl Shard {
    /// One chunk of whatever the clockwork is at.
    pub(super) async fn clockwork_turn(&mut self) {
        let result = match self.clockwork.phase {
            _ if self.clockwork.letters.wait() => self.letter_chunk().await,
            _ if self.clockwork.unparking.is_asked() => self.unpark_chunk().await,
            Phase::Idle => self.walk_chunk().await,
            Phase::Alarms => self.alarm_chunk().await,
            Phase::Occurrences => self.occurrence_chunk().await,
            Phase::Release => self.release_chunk().await,
        };
        self.progress.fetch_add(1, Ordering::Relaxed);
        let failed = result.is_err();
        if let Err(error) = result {
            // Told once, not at each tick of a store that stays as it is.
            if !self.clockwork.failing {
                tracing::error!(shard = self.no.0, %error, "the clockwork stopped; each tick takes it up again");
            }
            self.clockwork.phase = Phase::Idle;
            self.clockwork.draw = None;
            self.clockwork.at = None;
            self.runner.stops();
            self.clockwork.walk_wanted = false;
            self.clockwork.unparking.stop(&error);
            self.clockwork.letters.stop(&error);
            for answer in self.clockwork.ticks.drain(..) {
                let _ = answer.send(Err(error.clone()));
            }
        }
        self.clockwork.failing = failed;
    }

    fn work(customer: CustomerNo, cause: Cause) -> Work {
        Work {
            customer,
            id: None,
            cause,
            mail: None,
        }
    }

    /// What the next keys of `range` tell.
    async fn chunk<T>(
        &self,
        range: KeyRange,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Refused> {
        let found = self.store.scan(range, Direction::Forward, CHUNK).await;
        let found = found.map_err(BatchError::from)?;
        Ok(found.iter().filter_map(|(key, _)| read(key)).collect())
    }

    async fn alarm_chunk(&mut self) -> Result<(), Refused> {
        let mut range = keys::alarms_until(self.no, self.clockwork.tick.upto);
        if let Some(cursor) = self.clockwork.alarm_cursor.clone() {
            range = range.after(cursor);
        }
        let of_key = |key: &[u8]| Some((key.to_vec(), keys::read_alarm(key)?.1));
        let rung = self.chunk(range, of_key).await?;
        let Some((last, _)) = rung.last().cloned() else {
            self.clockwork.agenda = None;
            self.clockwork.phase = Phase::Occurrences;
            return Ok(());
        };
        let works: Vec<Work> = (rung.iter())
            .map(|(_, no)| Shard::work(*no, Cause::Alarm))
            .collect();
        self.clockwork.ticked.rung += works.len() as u64;
        let done = self.process(&works, &|_| Vec::new()).await?;
        self.clockwork.ticked.idle_rings += done.idle;
        self.clockwork.alarm_cursor = Some(last);
        Ok(())
    }

    pub(super) async fn release_chunk(&mut self) -> Result<(), Refused> {
        let chunk: Vec<CustomerNo> = self.clockwork.release.iter().take(CHUNK).copied().collect();
        if chunk.is_empty() {
            if self.clockwork.asked.no > self.clockwork.tick.no {
                self.begin_tick();
                return Ok(());
            }
            self.clockwork.phase = Phase::Idle;
            let ticked = std::mem::take(&mut self.clockwork.ticked);
            for answer in self.clockwork.ticks.drain(..) {
                let _ = answer.send(Ok(ticked));
            }
            return Ok(());
        }
        let works: Vec<Work> = chunk
            .iter()
            .map(|no| Shard::work(*no, Cause::Release))
            .collect();
        self.process(&works, &|_| Vec::new()).await?;
        self.clockwork.ticked.released += works.len() as u64;
        for no in chunk {
            self.clockwork.release.remove(&no);
        }
        Ok(())
    }
}
