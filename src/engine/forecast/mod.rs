//! The forecast: what the campaigns will do, worked out by the same `react` over the records as they stand, and nothing of
//! it kept.
//!
//! Customers of different mailboxes have nothing in common that a decision rests on. So each record is copied with its
//! mailbox at one instant and played by itself to the end ([`play`]): its alarms, the schedules, its messages, at the
//! ticks of the engine. What many share is done before or after: campaigns that are new are decided on first, by the
//! guard's own count ([`stage`]); where lots are drawn all who come to them wait for each other ([`lots`]); the
//! transports' rates are laid over the result ([`summary`]).
//!
//! It equals what then happens as far as is given: nobody does anything, every message is accepted, the engine keeps its
//! tick. The store is read through an overlay, so nothing could be written to it by mistake.

mod crew;
mod diff;
mod drawn;
mod edits;
mod firings;
mod group;
mod groups;
mod hand;
mod idle;
mod lots;
mod play;
mod pools;
mod reacting;
mod short;
mod stage;
mod summary;
mod ticks;
mod told;

pub use diff::{Compared, Difference, Who};
pub use pools::Drawn;
pub use summary::{Collision, Day, DayOf, Forecast, Load, is_place};
pub use told::Decision;

use super::batch::BatchError;
use super::core::Core;
use super::forget::Forgotten;
use super::going_on::Found;
use super::pages::RecordPages;
use super::quotas::numbered;
use super::shard::Refused;
use crate::domain::id::CampaignId;
use crate::domain::time::{Span, Timestamp};
use crate::store::overlay::OverlayStore;
use crate::store::{Store, keys};
use crew::{Crew, Jobs, QUEUE, cut_short, threads};
use groups::Shared;
use hand::{Done, Hand, Job, Pass, Wanted};
use lots::Waiting;
use play::Stage;
use stage::Scene;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use summary::Counts;
use tokio::sync::mpsc;

/// The longest forecast, and the furthest that one may begin ahead.
const LONGEST: Span = Span::days(366);
/// So many customers who share a mailbox are read at once.
const CHUNK: usize = 200;

/// What is asked of a forecast.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub days: u32,
    /// Decisions are told from then on; now, where it is not said.
    pub from: Option<Timestamp>,
    /// Campaign files in place of those in force.
    pub campaigns: Option<PathBuf>,
    /// As if drafts were live, and what waits for approval were approved.
    pub as_live: bool,
    /// All campaigns are played; only this one is told of.
    pub campaign: Option<CampaignId>,
    /// Each decision is wanted, not their numbers alone.
    pub decisions: bool,
    /// The engine is at work meanwhile; else it would start as the forecast does.
    pub running: bool,
    /// The engine's pace, where it is not the configured one.
    pub tick: Option<Span>,
    /// A comparison of more customers than this is not wanted.
    pub at_most: Option<u64>,
}

/// What is told while it is worked out.
#[derive(Debug)]
pub enum Told {
    Progress {
        done: u64,
        of: u64,
    },
    /// Customer by customer, of each in order of time.
    Decisions(Vec<Decision>),
}

/// Why there is no forecast.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// The question makes no sense.
    #[error("{0}")]
    Asked(String),
    #[error("there is no campaign {:?}", .0.as_str())]
    Unknown(CampaignId),
    /// What is wrong with the files that it was to be made by.
    #[error("the campaigns are bad:\n{}", .0.join("\n"))]
    Files(Vec<String>),
    #[error("the shop has {customers} customers, and no more than {most} are compared unasked")]
    Many { customers: u64, most: u64 },
    #[error("another forecast is being worked out")]
    Busy,
    /// Whoever asked has gone.
    #[error("nobody waits for it any more")]
    Unwanted,
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Core {
    /// Works a forecast out; ends early when `out` is closed. One at a time.
    pub async fn forecast(
        &self,
        question: Question,
        out: mpsc::Sender<Told>,
    ) -> Result<Forecast, ForecastError> {
        let Ok(_one) = self.forecasting.try_lock() else {
            return Err(ForecastError::Busy);
        };
        let below = Arc::clone(&self.store);
        let store: Arc<dyn Store> = Arc::new(OverlayStore::over(below));
        let scene = Scene::set(self, &question, &*store).await?;
        let mut run = Run::new((self, &store), &out, question.running).await?;
        let stage = run.decided(&scene).await?;
        let wanted = Wanted {
            pass: Pass::Play,
            from: scene.tell_from,
            campaign: question.campaign.clone(),
            decisions: question.decisions,
            undecided: Vec::new(),
            edited: Vec::new(),
        };
        run.of += scene.base;
        let Done {
            customers,
            mut counts,
            ..
        } = run.pass(&stage, None, &wanted).await?;
        let zone = stage.rules.shop.timezone;
        let left = pools::left(&*store, &stage.rules).await?;
        let pools = pools::lay_over(&mut counts, &left, scene.tell_from, zone);
        let one = question.campaign.as_ref();
        let mut given = given(scene.ticks.tick);
        if !pools.is_empty() {
            given.push("coupons: a pool that is used up is laid over the numbers, not over what follows from it, nor over single decisions".into());
        }
        Ok(Forecast {
            from: scene.tell_from,
            until: scene.ticks.end,
            zone,
            customers,
            unreadable: counts.unreadable,
            unplayable: counts.unplayable,
            days: counts.days(one),
            collisions: counts.collisions(one),
            loads: counts.loads(&scene.config, zone),
            waiting: counts.waiting(one),
            notes: scene.notes(&stage),
            given,
            pools,
        })
    }

    /// What the files of a folder (those of the configuration, where none is named) would do against those in force.
    pub async fn compare(
        &self,
        question: Question,
        out: mpsc::Sender<Told>,
    ) -> Result<Compared, ForecastError> {
        let Ok(_one) = self.forecasting.try_lock() else {
            return Err(ForecastError::Busy);
        };
        if let Some(most) = question.at_most {
            let customers = self.directory.count().await.map_err(Refused::from)?;
            if customers > most {
                return Err(ForecastError::Many { customers, most });
            }
        }
        let below = Arc::clone(&self.store);
        let store: Arc<dyn Store> = Arc::new(OverlayStore::over(below));
        let folder = question.campaigns.clone();
        let edited = Question {
            campaigns: folder.or_else(|| Some(self.config().campaigns.clone())),
            ..question.clone()
        };
        let in_force = Question {
            campaigns: None,
            as_live: false,
            campaign: None,
            ..question
        };
        let edited_scene = Scene::set(self, &edited, &*store).await?;
        let scene = Scene::set(self, &in_force, &*store).await?;
        let mut run = Run::new((self, &store), &out, edited.running).await?;
        let against = run.decided(&scene).await?;
        let stage = run.decided(&edited_scene).await?;
        let wanted = Wanted {
            pass: Pass::Play,
            from: scene.tell_from,
            campaign: None,
            decisions: false,
            undecided: Vec::new(),
            edited: Vec::new(),
        };
        run.of += scene.base;
        let done = run.pass(&stage, Some(&against), &wanted).await?;
        let mut campaigns = done.differences;
        if let Some(one) = &edited.campaign {
            campaigns.0.retain(|id, _| id == one);
        }
        Ok(Compared {
            from: scene.tell_from,
            until: scene.ticks.end,
            customers: done.customers,
            campaigns,
            notes: edited_scene.notes(&stage),
            given: given(scene.ticks.tick),
        })
    }
}

/// What every forecast takes for given.
fn given(tick: Span) -> Vec<String> {
    vec![
        "customers do nothing new: no event, no change of profile or consent".into(),
        "every message can be composed, and is accepted at the first attempt".into(),
        format!("the engine looks every {tick}; a transport's rate is laid over the result"),
        "nobody edits, pauses or approves anything".into(),
    ]
}

/// One forecast being worked out.
struct Run<'a> {
    store: &'a Arc<dyn Store>,
    forgotten: Arc<Forgotten>,
    shared: Arc<Shared>,
    /// Who hears how far it is.
    out: Option<&'a mpsc::Sender<Told>>,
    done: u64,
    of: u64,
    threads: usize,
}

impl<'a> Run<'a> {
    async fn new(
        (core, store): (&Core, &'a Arc<dyn Store>),
        out: &'a mpsc::Sender<Told>,
        running: bool,
    ) -> Result<Run<'a>, ForecastError> {
        Ok(Run {
            store,
            forgotten: Arc::clone(&core.forgotten),
            shared: Arc::new(Shared::find(&**store).await?),
            out: Some(out),
            done: 0,
            of: 0,
            threads: threads(running),
        })
    }

    /// For what customers of one mailbox need not be played together; by one thread, and nobody hears how far it is.
    fn apart(core: &Core, store: &'a Arc<dyn Store>) -> Run<'a> {
        Run {
            store,
            forgotten: Arc::clone(&core.forgotten),
            shared: Arc::default(),
            out: None,
            done: 0,
            of: 0,
            threads: 1,
        }
    }

    /// The stage of a scene: where campaigns are not decided on, all customers are walked and counted first.
    async fn decided(&mut self, scene: &Scene) -> Result<Arc<Stage>, ForecastError> {
        let stage = Arc::new(scene.rehearsal());
        if scene.undecided.is_empty() && scene.edited.is_empty() {
            return Ok(stage);
        }
        let wanted = Wanted {
            pass: Pass::Count,
            from: scene.tell_from,
            campaign: None,
            decisions: false,
            undecided: scene.undecided.clone(),
            edited: scene.edited.clone(),
        };
        self.of += scene.base;
        let done = self.pass(&stage, None, &wanted).await?;
        Ok(Arc::new(scene.decide(&done.found, &done.going_on)))
    }

    /// Takes all customers through one pass.
    async fn pass(
        &mut self,
        stage: &Arc<Stage>,
        against: Option<&Arc<Stage>>,
        wanted: &Wanted,
    ) -> Result<Done, ForecastError> {
        // What is drawn of a quota hangs on who comes first: one after the other, each forecast is as the one before.
        let alone = [Some(stage), against].into_iter().flatten();
        let threads = match alone
            .into_iter()
            .any(|s| numbered(&s.rules).next().is_some())
        {
            true => 1,
            false => self.threads,
        };
        // Lots are drawn from all who come to them. Where two sets of files are compared each group is played by both to
        // the end.
        if let Some(against) = against {
            stage.drawn.give_up();
            against.drawn.give_up();
        }
        let (jobs, mut crew) = Crew::start(threads, || {
            let data = (Arc::clone(self.store), Arc::clone(&self.forgotten));
            let mut hand = Hand::new(Arc::clone(stage), against.cloned(), data, wanted.clone());
            move |job| hand.work(job)
        })?;
        let (store, shared) = (Arc::clone(self.store), Arc::clone(&self.shared));
        let mut feeding = tokio::spawn(async move {
            let mut jobs = jobs;
            let fed = feed(&*store, &shared, &mut jobs).await;
            fed.map(|()| jobs)
        });
        let (mut fed, mut results, mut waiting) = (None, 0, Waiting::default());
        let mut all = Done::default();
        let mut found: BTreeMap<CampaignId, u64> = BTreeMap::new();
        let mut going_on: BTreeMap<CampaignId, Found> = BTreeMap::new();
        let mut counts = Counts::default();
        loop {
            let done = tokio::select! {
                jobs = &mut feeding, if fed.is_none() => {
                    fed = Some(read(jobs)?);
                    None
                }
                done = crew.next() => match done? {
                    Some(done) => Some(done?),
                    None => {
                        // The threads end when reading fails, which says more.
                        if fed.is_none() {
                            read((&mut feeding).await)?;
                        }
                        return Err(cut_short());
                    }
                },
            };
            results += u64::from(done.is_some());
            let mut done = done.unwrap_or_default();
            waiting.extend(std::mem::take(&mut done.paused), &stage.drawn);
            all.customers += done.customers;
            counts.merge(done.counts);
            all.differences.merge(done.differences);
            for (id, many) in done.found {
                *found.entry(id).or_default() += many;
            }
            for (id, moved) in done.going_on {
                going_on.entry(id).or_default().merge(moved);
            }
            self.done += done.customers;
            if !done.decisions.is_empty() {
                self.tell(Told::Decisions(done.decisions)).await?;
            }
            let (done, of) = (self.done, self.of);
            self.tell(Told::Progress { done, of }).await?;
            let Some(jobs) = &mut fed else { continue };
            // Nobody is played: whoever is not through waits.
            if jobs.put_in() == results
                && !waiting.go_on()
                && !waiting.draw(&stage.drawn, &stage.rules)
            {
                break;
            }
            // Never more than there is room for, or it would wait for a thread that waits for its result to be taken.
            while jobs.put_in() - results < QUEUE as u64
                && let Some(part) = waiting.part()
            {
                _ = jobs.put(Job::GoOn(part)).await;
            }
        }
        (all.found, all.going_on) = (found, going_on);
        all.counts = counts;
        Ok(all)
    }

    async fn tell(&self, told: Told) -> Result<(), ForecastError> {
        match self.out {
            Some(out) => (out.send(told).await).map_err(|_| ForecastError::Unwanted),
            None => Ok(()),
        }
    }
}

/// What came of reading all customers.
fn read(
    read: Result<Result<Jobs<Job>, BatchError>, tokio::task::JoinError>,
) -> Result<Jobs<Job>, ForecastError> {
    let read = read.map_err(|e| Refused::Data(format!("reading failed: {e}")))?;
    Ok(read?)
}

/// Hands all customers out: those who are alone with their mailbox as they stand in the store, then the others.
async fn feed(store: &dyn Store, shared: &Shared, jobs: &mut Jobs<Job>) -> Result<(), BatchError> {
    let mut pages = RecordPages::of(store);
    while let Some((_, found)) = pages.next_stored().await? {
        let alone = found.into_iter().filter_map(|(key, value)| {
            let no = keys::read_record(&key)?;
            (!shared.holds(no)).then(|| vec![value.value])
        });
        let job: Vec<_> = alone.collect();
        if !job.is_empty() && jobs.put(Job::Stored(job)).await.is_err() {
            return Ok(());
        }
    }
    let mut groups = shared.groups.iter().peekable();
    while groups.peek().is_some() {
        let (mut together, mut many) = (Vec::new(), 0);
        while let Some(group) = groups.next_if(|_| many < CHUNK) {
            many += group.len();
            together.push(group);
        }
        let wanted = together.iter().flat_map(|group| group.iter());
        let wanted = wanted.map(|no| keys::record(*no)).collect();
        let mut found = store.get_many(wanted).await?.into_iter();
        let job = together.iter().map(|group| {
            let stored = found.by_ref().take(group.len()).flatten();
            stored.map(|value| value.value).collect()
        });
        if jobs.put(Job::Stored(job.collect())).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
