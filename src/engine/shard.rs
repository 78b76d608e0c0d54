//! A shard: the one writer of its customers.
//!
//! It takes what waits (at most 1,000 causes), reacts, commits one batch, acknowledges. Its order is: outcomes and
//! `Ready`, consent changes, what comes in, then the clockwork (letters before all; alarms, occurrences, release, walk) in chunks, which has
//! at least one turn in four. A turn is never interrupted; the wait between two turns always may be.

use super::batch::{BatchError, Done, Extra, Recorded, Reply, Surroundings, Work, process};
use super::clockwork::{Clockwork, Course, Runner, Tick};
use super::forget::Forgotten;
use super::post::{Delivery, Post};
use super::state::Standing;
use super::taken_away::TakenAway;
use super::tally::Tally;
pub use super::ticked::Ticked;
use crate::clock::Clock;
use crate::domain::cause::Cause;
use crate::domain::id::{CampaignId, CustomerNo, ShardNo};
use crate::domain::react::Answer;
use crate::domain::rules::Rules;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{mpsc, oneshot};

/// At most so many causes make one batch.
pub const BATCH: usize = 1_000;
/// So many wait in each of a shard's queues before callers wait.
const QUEUE: usize = 2_000;

/// Why a cause was refused; it may be offered again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Store(StoreError),
    #[error("{0}")]
    Data(String),
    /// What is stored of this one customer cannot be read.
    #[error("what is stored of this customer cannot be read: {0}")]
    Unreadable(String),
    /// Nothing more is taken in of whoever was forgotten.
    #[error("this customer was forgotten, and nothing more is taken in of them")]
    Forgotten,
    #[error("the daemon is stopping")]
    Stopping,
    /// The store is for rehearsing and the configuration is not, or the other way round; nothing was opened.
    #[error("{0}")]
    Mode(String),
    /// A reload would have campaigns that are in force stand still; nothing was changed.
    #[error("{0}")]
    TakenAway(Box<TakenAway>),
}

impl From<BatchError> for Refused {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Store(e) => Refused::Store(e),
            BatchError::Codec(e) => Refused::Data(e.to_string()),
            BatchError::Forgotten => Refused::Forgotten,
        }
    }
}

type Answered = oneshot::Sender<Result<Reply, Refused>>;
/// A cause, and who waits for its answer.
pub(super) type Item = (Work, Option<Answered>);

/// What the engine tells a shard beside causes.
pub enum Order {
    /// From the next batch on, these rules are in force.
    Adopt(Arc<Rules>, oneshot::Sender<()>),
    /// Do all that is due by this tick's instant, then answer.
    Tick(Tick, oneshot::Sender<Result<Ticked, Refused>>),
    /// Paused messages that may go again are released.
    Unpark(oneshot::Sender<Result<u64, Refused>>),
    /// Letters lie in this customer's inbox; the answer comes when they have taken effect.
    Collect(CustomerNo, Option<oneshot::Sender<Result<(), Refused>>>),
    /// All that is kept of these customers goes, for the erasure of this number, and nothing is kept of them again.
    Forget(Vec<CustomerNo>, u64, oneshot::Sender<Result<(), Refused>>),
    /// Walk all customers again (somebody new may enter), if the walk of this number has not been made.
    WalkAgain(u32),
}

/// What a shard tells the engine.
#[derive(Debug)]
pub enum Notice {
    /// The walk to this version of the rules has ended here.
    Walked {
        shard: ShardNo,
        version: u64,
        existing: BTreeMap<CampaignId, Standing>,
    },
    /// More were found to stand in an audience, by some cause beside the walk: what to count by if it has ended.
    Existing {
        shard: ShardNo,
        version: u64,
        existing: BTreeMap<CampaignId, Standing>,
    },
}

/// The way to a shard; cheap to clone.
#[derive(Clone)]
pub struct ShardHandle {
    urgent: mpsc::Sender<Item>,
    consent: mpsc::Sender<Item>,
    pub(super) intake: mpsc::Sender<Item>,
    pub(super) orders: mpsc::Sender<Order>,
}

impl ShardHandle {
    /// Offers a cause; the answer comes when it is durable. Waits while the queue is full.
    pub async fn offer(&self, work: Work) -> oneshot::Receiver<Result<Reply, Refused>> {
        let (answer, answered) = oneshot::channel();
        self.send(work, Some(answer)).await;
        answered
    }

    /// Offers a cause behind all that was offered so before it, whatever its kind: a consent that came with a profile
    /// must find the address that the profile told.
    pub async fn offer_in_order(&self, work: Work) -> oneshot::Receiver<Result<Reply, Refused>> {
        let (answer, answered) = oneshot::channel();
        // A closed queue drops the answer's sender, and the caller learns that the daemon is stopping.
        let _ = self.intake.send((work, Some(answer))).await;
        answered
    }

    /// Does it and waits for the answer.
    pub async fn act(&self, work: Work) -> Result<Reply, Refused> {
        self.offer(work)
            .await
            .await
            .unwrap_or(Err(Refused::Stopping))
    }

    async fn send(&self, work: Work, answer: Option<Answered>) {
        let queue = match &work.cause {
            Cause::Outcome { .. } | Cause::Ready { .. } | Cause::Claim { .. } => &self.urgent,
            Cause::Consent(..) | Cause::Suppress { .. } => &self.consent,
            _ => &self.intake,
        };
        // A closed queue drops the answer's sender, and the caller learns that the daemon is stopping.
        let _ = queue.send((work, answer)).await;
    }

    pub async fn order(&self, order: Order) {
        let _ = self.orders.send(order).await;
    }

    /// Do all that is due in this tick. Where lots are to be drawn it waits for the other shards to come so far in it.
    pub async fn tick(&self, tick: Tick) -> Result<Ticked, Refused> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Tick(tick, answer)).await;
        answered.await.unwrap_or(Err(Refused::Stopping))
    }
}

/// What a shard is built with.
pub struct ShardParts {
    pub no: ShardNo,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub rules: Arc<Rules>,
    pub notices: mpsc::UnboundedSender<Notice>,
    pub post: Post,
    pub progress: Arc<AtomicU64>,
    pub tally: Arc<Tally>,
    pub course: Arc<Course>,
    pub forgotten: Arc<Forgotten>,
    /// No message gets a lower number.
    pub first_message: u32,
    pub recorder: Option<mpsc::UnboundedSender<Recorded>>,
}

/// The writer itself.
pub struct Shard {
    pub(super) no: ShardNo,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) rules: Arc<Rules>,
    pub(super) clockwork: Clockwork,
    notices: mpsc::UnboundedSender<Notice>,
    post: Post,
    /// Counts the chunks of the clockwork, of all shards.
    pub(super) progress: Arc<AtomicU64>,
    tally: Arc<Tally>,
    /// How far it and the others have come in a tick.
    pub(super) runner: Runner,
    pub(super) forgotten: Arc<Forgotten>,
    pub(super) first_message: u32,
    recorder: Option<mpsc::UnboundedSender<Recorded>>,
    urgent: mpsc::Receiver<Item>,
    consent: mpsc::Receiver<Item>,
    intake: mpsc::Receiver<Item>,
    orders: mpsc::Receiver<Order>,
}

impl Shard {
    /// A shard and the way to it. Reads what stands of occurrences and walk.
    pub async fn open(parts: ShardParts) -> Result<(Shard, ShardHandle), Refused> {
        let (urgent_in, urgent) = mpsc::channel(QUEUE);
        let (consent_in, consent) = mpsc::channel(QUEUE);
        let (intake_in, intake) = mpsc::channel(QUEUE);
        let (orders_in, orders) = mpsc::channel(64);
        let mut clockwork = Clockwork::open(&*parts.store, parts.no, parts.clock.now()).await?;
        clockwork.adopt(&parts.rules);
        let shard = Shard {
            no: parts.no,
            store: parts.store,
            clock: parts.clock,
            rules: parts.rules,
            clockwork,
            notices: parts.notices,
            post: parts.post,
            progress: parts.progress,
            tally: parts.tally,
            runner: Runner::new(parts.no, parts.course),
            forgotten: parts.forgotten,
            first_message: parts.first_message,
            recorder: parts.recorder,
            urgent,
            consent,
            intake,
            orders,
        };
        let handle = ShardHandle {
            urgent: urgent_in,
            consent: consent_in,
            intake: intake_in,
            orders: orders_in,
        };
        Ok((shard, handle))
    }

    /// Takes turns until every handle is gone.
    pub async fn run(mut self) {
        let mut turns_without_clockwork = 0;
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order).await;
            }
            // Letters go first: what was acknowledged where they were posted binds whatever is asked here.
            while self.clockwork.letters.wait() {
                self.clockwork_turn().await;
            }
            let batch = self.waiting();
            let clockwork = self.has_work();
            if batch.is_empty() && !clockwork {
                if !self.wait().await {
                    return;
                }
                continue;
            }
            if clockwork && (batch.is_empty() || turns_without_clockwork >= 3) {
                turns_without_clockwork = 0;
                self.clockwork_turn().await;
            } else {
                turns_without_clockwork += 1;
            }
            if !batch.is_empty() {
                self.turn(batch).await;
            }
        }
    }

    /// Waits for something to do; false when nobody can send anything any more.
    async fn wait(&mut self) -> bool {
        let item = tokio::select! {
            biased;
            order = self.orders.recv() => match order {
                Some(order) => {
                    self.obey(order).await;
                    return true;
                }
                None => return false,
            },
            () = self.runner.moved(), if self.clockwork.waits => {
                self.clockwork.waits = false;
                return true;
            }
            item = self.urgent.recv() => item,
            item = self.consent.recv() => item,
            item = self.intake.recv() => item,
        };
        match item {
            Some(item) => {
                let mut batch = vec![item];
                batch.extend(self.waiting());
                self.turn(batch).await;
                true
            }
            None => false,
        }
    }

    /// What waits, in the shard's order, at most one batch of it.
    fn waiting(&mut self) -> Vec<Item> {
        let mut batch = Vec::new();
        for queue in [&mut self.urgent, &mut self.consent, &mut self.intake] {
            while batch.len() < BATCH
                && let Ok(item) = queue.try_recv()
            {
                batch.push(item);
            }
        }
        batch
    }

    async fn turn(&mut self, batch: Vec<Item>) {
        let Some((rest, full)) = self.attempt(batch).await else {
            return;
        };
        // The disk is full. What must not wait is done without the others.
        let (urgent, others): (Vec<Item>, Vec<Item>) =
            (rest.into_iter()).partition(|(work, _)| work.is_urgent());
        for answer in others.into_iter().filter_map(|(_, answer)| answer) {
            let _ = answer.send(Err(full.clone()));
        }
        if !urgent.is_empty() {
            self.attempt(urgent).await;
        }
    }

    /// Does a batch and answers. Gives it back where the disk is full and some of it could be done all the same.
    async fn attempt(&mut self, batch: Vec<Item>) -> Option<(Vec<Item>, Refused)> {
        let (mut works, answers): (Vec<Work>, Vec<Option<Answered>>) = batch.into_iter().unzip();
        let urgent = works.iter().filter(|work| work.is_urgent()).count();
        let done = self.process_as(&works, &|_| Vec::new(), urgent == works.len());
        match done.await {
            Err(full @ Refused::Store(StoreError::Full(_)))
                if urgent > 0 && urgent < works.len() =>
            {
                return Some((works.into_iter().zip(answers).collect(), full));
            }
            Ok(done) => {
                let items = works.drain(..).zip(answers);
                for ((mut work, answer), reply) in items.zip(done.replies) {
                    if let Ok(Reply {
                        answer: Some(Answer::Moved(to)),
                        ..
                    }) = reply
                    {
                        // Nobody is answered before it has happened to that one. Somebody merged who is known to
                        // nobody any more is not made anew.
                        (work.customer, work.id) = (to, None);
                        self.post.send(Delivery::Forward(Box::new((work, answer))));
                        continue;
                    }
                    if let Some(answer) = answer {
                        let reply = reply.map_err(|e| Refused::Unreadable(e.to_string()));
                        let _ = answer.send(reply);
                    }
                }
            }
            Err(error) => {
                for answer in answers.into_iter().flatten() {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
        None
    }

    /// Reacts, commits, and takes note of what follows.
    pub(super) async fn process(
        &mut self,
        works: &[Work],
        extra: Extra<'_>,
    ) -> Result<Done, Refused> {
        self.process_as(works, extra, false).await
    }

    pub(super) async fn process_as(
        &mut self,
        works: &[Work],
        extra: Extra<'_>,
        urgent: bool,
    ) -> Result<Done, Refused> {
        let now = self.clock.now();
        let rules = Arc::clone(&self.rules);
        let around = Surroundings {
            store: &*self.store,
            shard: self.no,
            rules: &rules,
            forgotten: &self.forgotten,
            first_message: self.first_message,
            now,
            unfinished: self.clockwork.unfinished(now),
            urgent,
        };
        let zones = |done: &Done| {
            let mut puts = extra(done);
            puts.extend(self.clockwork.rows_for(&rules, self.no, &done.due_added));
            puts.extend(self.tally.hourly.row(self.no, now, &done.counted));
            let kept = (self.clockwork).existing_row(&rules, self.no, &done.existing, &puts);
            puts.extend(kept);
            puts
        };
        let done = process(&around, works, &zones, self.recorder.is_some()).await?;
        self.tally.add(&done.decided);
        self.tally.hourly.note(self.no, now, &done.counted);
        self.clockwork.note_zones(&rules, &done.due_added);
        let told = (self.clockwork).note_existing(&rules, self.no, &done.existing);
        if let Some(notice) = told {
            self.notice(notice);
        }
        self.clockwork
            .want_release(done.wants_release.iter().copied());
        for customer in &done.posted {
            self.post.send(Delivery::Letters(*customer));
        }
        if let Some(recorder) = &self.recorder {
            for recorded in &done.recorded {
                let _ = recorder.send(recorded.clone());
            }
        }
        Ok(done)
    }

    pub(super) fn notice(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Adopt(rules, answer) => {
                self.rules = rules;
                self.clockwork.adopt(&self.rules);
                let _ = answer.send(());
            }
            Order::Tick(tick, answer) => self.ask_tick(tick, answer),
            Order::Unpark(answer) => self.clockwork.unparking.ask(answer),
            Order::Collect(customer, answer) => self.clockwork.letters.ask(customer, answer),
            Order::Forget(numbers, erasure, answer) => {
                let _ = answer.send(self.forget(&numbers, erasure).await);
            }
            Order::WalkAgain(round) => self.clockwork.walk_again(round),
        }
    }
}
