//! The engine's core: store, clock, shards, directory, catalogue and outbox, and the few ways to make them act.

use super::activation::activated;
use super::batch::{BatchError, Recorded, Reply, Work};
use super::catalogue::Catalogue;
use super::clockwork::{Course, Tick};
use super::composer::From;
use super::copies::seeds::Seeds;
use super::coupons::{self, Watch};
use super::directory::Directory;
use super::forget::Forgotten;
use super::golive::ModeError;
use super::hits::Hits;
use super::hourly::Hourly;
use super::imports::Imports;
use super::outbox::Outbox;
use super::post::{Post, carry};
use super::quotas;
use super::shard::{Notice, Order, Refused, Shard, ShardHandle, ShardParts, Ticked};
use super::tally::Tally;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::cause::Cause;
use crate::domain::id::{CustomerNo, ShardNo};
use crate::domain::rules::Controls;
use crate::message::links::Links;
use crate::message::token::KeyRing;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Room, Store, StoreError, keys};
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, mpsc, oneshot};

const CONTROLS: &str = "controls";
const SALT: &str = "salt";

/// What the engine is built with.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub config: Config,
    pub transports: BTreeMap<String, Transport>,
    /// Every cause with its surroundings, for replays in tests.
    pub recorder: Option<mpsc::UnboundedSender<Recorded>>,
}

/// What the engine is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    Work,
    Look,
}

/// The engine. Shared by all that drive it.
pub struct Core {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub(super) config: RwLock<Arc<Config>>,
    pub(super) from: From,
    pub(super) default_transport: Option<String>,
    pub outbox: Outbox,
    pub directory: Directory,
    pub(super) shards: Vec<ShardHandle>,
    catalogue: RwLock<Arc<Catalogue>>,
    /// Held while controls or rules are changed.
    pub(super) changing: Mutex<()>,
    /// Held while a new key for links is made.
    pub(super) rotating: Mutex<()>,
    /// Held while one anonymous customer is merged into another, so that no two go round in a circle.
    pub(super) merging: Mutex<()>,
    /// Held alone while somebody is forgotten, and by all who make two customers one.
    pub(super) forgetting: tokio::sync::RwLock<()>,
    pub(super) forgotten: Arc<Forgotten>,
    /// Held while a forecast is worked out.
    pub(super) forecasting: Mutex<()>,
    pub(super) imports: Imports,
    pub(super) hits: Hits,
    pub(super) coupons: Watch,
    pub(super) token_keys: Arc<KeyRing>,
    pub(super) notices: Mutex<mpsc::UnboundedReceiver<Notice>>,
    progress: Arc<AtomicU64>,
    course: Arc<Course>,
    tally: Arc<Tally>,
    pub(super) walked: Mutex<Walked>,
    pub(super) seeds: Seeds,
}

/// Which shards have walked to the present version.
#[derive(Default)]
pub(super) struct Walked {
    pub version: u64,
    pub shards: BTreeMap<ShardNo, BTreeMap<crate::domain::id::CampaignId, super::state::Standing>>,
}

impl Core {
    /// Opens the engine over a store: reads the campaigns, starts the shards, settles what was under way.
    pub async fn open(parts: Parts) -> Result<Arc<Core>, Refused> {
        Core::open_for(parts, Intent::Work).await
    }

    /// Opens the engine to look only: nothing is written, nothing is settled, and nothing must be asked of it that
    /// writes. The campaigns are those that would be in force.
    pub async fn look(parts: Parts) -> Result<Arc<Core>, Refused> {
        Core::open_for(parts, Intent::Look).await
    }

    async fn open_for(parts: Parts, intent: Intent) -> Result<Arc<Core>, Refused> {
        let Parts {
            store,
            clock,
            config,
            transports,
            recorder,
        } = parts;
        if intent == Intent::Work {
            (super::golive::require(&*store, &config, clock.now()).await).map_err(|e| match e {
                ModeError::Refused(refused) => refused,
                other => Refused::Mode(other.to_string()),
            })?;
        }
        let salt = read_or_make_salt(&*store).await?;
        let making = intent == Intent::Work;
        let token_keys = Arc::new(KeyRing::new(
            super::tokens::read_or_make(&*store, making).await?,
        ));
        let forgotten = Arc::new(Forgotten::open(&*store, making).await?);
        let first_message = super::restored::first_message(&*store).await?;
        let controls = read_controls(&*store).await?.unwrap_or_default();
        coupons::secret(&*store, making).await?;
        let mut catalogue = Catalogue::read(&config, &*store, salt, Arc::new(controls)).await?;
        let controls = activated(&catalogue, None, clock.now());
        let kept = catalogue.take_kept();
        catalogue = catalogue.with_controls(controls);
        if intent == Intent::Work {
            write_controls(&*store, &catalogue.rules.controls, kept).await?;
            quotas::rename(&*store, &catalogue.rules).await?;
        }
        let (notices_in, notices) = mpsc::unbounded_channel();
        let (post, deliveries) = Post::new();
        let progress = Arc::new(AtomicU64::new(0));
        let hourly = Hourly::open(&*store).await?;
        let tally = Arc::new(Tally::with(hourly));
        let course = Arc::<Course>::default();
        let mut shards = Vec::new();
        for no in ShardNo::all() {
            let (shard, handle) = Shard::open(ShardParts {
                no,
                store: Arc::clone(&store),
                clock: clock.clone(),
                rules: Arc::clone(&catalogue.rules),
                notices: notices_in.clone(),
                post: post.clone(),
                progress: Arc::clone(&progress),
                tally: Arc::clone(&tally),
                course: Arc::clone(&course),
                forgotten: Arc::clone(&forgotten),
                first_message,
                recorder: recorder.clone(),
            })
            .await?;
            if intent == Intent::Work {
                tokio::spawn(shard.run());
            }
            shards.push(handle);
        }
        if intent == Intent::Work {
            tokio::spawn(carry(deliveries, &shards));
        }
        let hits = Hits::open(Arc::clone(&store), &salt, Arc::clone(&forgotten)).await?;
        let core = Arc::new(Core {
            directory: Directory::new(Arc::clone(&store), Arc::clone(&forgotten)),
            store,
            clock,
            from: From {
                sender: config.sender.clone(),
                country: config.law.country.clone(),
                tracking: config.tracking,
                keys: Arc::clone(&token_keys),
                links: config.http.public_url.clone().map(|public_url| Links {
                    public_url,
                    keys: Arc::clone(&token_keys),
                }),
            },
            token_keys,
            default_transport: config.default_transport().map(str::to_owned),
            config: RwLock::new(Arc::new(config)),
            outbox: Outbox::new(transports),
            shards,
            catalogue: RwLock::new(Arc::new(catalogue)),
            changing: Mutex::new(()),
            rotating: Mutex::new(()),
            merging: Mutex::new(()),
            forgetting: tokio::sync::RwLock::new(()),
            forgotten,
            forecasting: Mutex::new(()),
            imports: Imports::default(),
            hits,
            coupons: Watch::default(),
            notices: Mutex::new(notices),
            progress,
            course,
            tally,
            walked: Mutex::new(Walked::default()),
            seeds: Seeds::default(),
        });
        if intent == Intent::Look {
            return Ok(core);
        }
        core.go_on_forgetting().await?;
        core.recall_walks().await?;
        let doubts = Outbox::settle_doubts(&core).await?;
        if doubts > 0 {
            tracing::warn!(
                doubts,
                "messages were under way when the daemon stopped; they are in doubt"
            );
        }
        Ok(core)
    }

    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(
            &self
                .catalogue
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub fn shard(&self, customer: CustomerNo) -> &ShardHandle {
        &self.shards[usize::from(customer.shard().0)]
    }

    /// Lets one cause happen to one customer; returns when it is durable.
    pub async fn act(&self, customer: CustomerNo, cause: Cause) -> Result<Reply, Refused> {
        self.shard(customer)
            .act(Work {
                customer,
                id: None,
                cause,
                mail: None,
            })
            .await
    }

    /// Why nothing may leave at present: an operator's hold, everything paused, clocks that have parted, or a disk without
    /// room.
    pub fn held(&self) -> Option<String> {
        self.on_hold().or_else(|| match self.store.room() {
            Room::Enough => None,
            // Sending stops first: each message leaves rows behind, and its outcome must have room.
            Room::Low => Some("the disk is nearly full; make room".into()),
            Room::Full => Some("the disk is full; make room".into()),
        })
    }

    /// The same without what the store has room for.
    pub fn on_hold(&self) -> Option<String> {
        let catalogue = self.catalogue();
        let controls = &catalogue.rules.controls;
        if controls.paused_all {
            return Some("everything is paused".into());
        }
        controls.held.clone().or_else(|| self.clock.parted())
    }

    /// Does all that is due by now: alarms, occurrences and release in every shard, then the outbox. Returns when the
    /// shards are done; messages may still be in hand. For the demo, tests and benchmarks, whose clock is virtual: the
    /// daemon advances and pumps apart, so that a slow relay never keeps alarms from ringing.
    pub async fn tick(self: &Arc<Self>) -> Result<Ticked, Refused> {
        // A shard that cannot get on keeps nobody else's mail from going.
        let advanced = self.advance().await;
        if self.held().is_none() {
            Outbox::pump(self).await?;
        }
        advanced
    }

    /// Rises as the clockwork of the shards gets on: whoever watches over it need not wait for a whole tick.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Decisions made durable since the start.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A tick of all that is due by now, for the shards.
    pub fn next_tick(&self) -> Tick {
        self.course.next_tick(self.clock.now())
    }

    /// A tick without the outbox: alarms, occurrences and release in every shard. For the daemon, whose outbox may have
    /// to wait for a relay while time goes on.
    pub async fn advance(self: &Arc<Self>) -> Result<Ticked, Refused> {
        // What a minute ago was a hit may be an answer now, and end or start something.
        let settled = self.settle_hits().await;
        let tick = self.next_tick();
        let mut waiting = Vec::new();
        for shard in &self.shards {
            let (answer, answered) = oneshot::channel();
            shard.order(Order::Tick(tick, answer)).await;
            waiting.push(answered);
        }
        let mut total = Ticked::default();
        let mut failed = settled.map(|_| ());
        for answered in waiting {
            match answered.await.unwrap_or(Err(Refused::Stopping)) {
                Ok(ticked) => total += ticked,
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        self.heed_breakers().await?;
        self.learn().await?;
        self.heed_notices().await?;
        self.watch_pools().await?;
        failed.map(|()| total)
    }

    /// Ticks until nothing more is due by now and nothing is in hand. For the demo, tests and benchmarks.
    pub async fn settle(self: &Arc<Self>) -> Result<Ticked, Refused> {
        let mut total = Ticked::default();
        loop {
            let ticked = self.tick().await?;
            total += ticked;
            self.outbox.wait_idle().await;
            let walking = !self.has_walked().await;
            let more = self.held().is_none() && Outbox::pump(self).await? > 0;
            self.outbox.wait_idle().await;
            self.send_seeds().await?;
            if !more && !walking && ticked.released == 0 && ticked.fired == 0 {
                return Ok(total);
            }
            if walking {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Puts a new catalogue in force in every shard, each between two batches; returns when all have taken it.
    pub(super) async fn adopt(&self, catalogue: Catalogue) {
        let rules = Arc::clone(&catalogue.rules);
        *self
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
        let mut waiting = Vec::new();
        for shard in &self.shards {
            let (answer, answered) = oneshot::channel();
            shard.order(Order::Adopt(Arc::clone(&rules), answer)).await;
            waiting.push(answered);
        }
        for answered in waiting {
            let _ = answered.await;
        }
    }
}

/// Gives a store that has none yet this salt in place of a random one, so that chance falls the same way each time. For
/// shows: a shop's own must not be guessed.
pub async fn preset_salt(store: &dyn Store, salt: [u8; 16]) -> Result<(), Refused> {
    let key = keys::house(SALT);
    let batch = Batch {
        checks: vec![Check {
            key: key.clone(),
            expected: None,
        }],
        puts: vec![(key, salt.to_vec())],
        ..Batch::default()
    };
    match store.commit(batch).await {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(BatchError::from(error).into()),
    }
}

async fn read_or_make_salt(store: &dyn Store) -> Result<[u8; 16], Refused> {
    let key = keys::house(SALT);
    loop {
        let found = store
            .get_many(vec![key.clone()])
            .await
            .map_err(BatchError::from)?;
        if let Some(Some(value)) = found.into_iter().next()
            && let Ok(salt) = <[u8; 16]>::try_from(value.value.as_slice())
        {
            return Ok(salt);
        }
        let mut salt = [0u8; 16];
        random_bytes(&mut salt)?;
        preset_salt(store, salt).await?;
    }
}

/// Random bytes from the operating system.
pub(super) fn random_bytes(bytes: &mut [u8]) -> Result<(), Refused> {
    use std::io::Read;
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(bytes))
        .map_err(|e| Refused::Data(format!("no random bytes from /dev/urandom: {e}")))
}

pub(super) async fn read_controls(store: &dyn Store) -> Result<Option<Controls>, Refused> {
    let found = store
        .get_many(vec![keys::house(CONTROLS)])
        .await
        .map_err(BatchError::from)?;
    let value = found.into_iter().next().flatten();
    Ok(value
        .map(|v| decode(&v.value))
        .transpose()
        .map_err(BatchError::from)?)
}

/// A batch of these.
pub(super) fn also(puts: Vec<(Vec<u8>, Vec<u8>)>) -> Batch {
    Batch {
        puts,
        ..Batch::default()
    }
}

/// Writes the controls, and `more` in the same commit.
pub(super) async fn write_controls(
    store: &dyn Store,
    controls: &Controls,
    more: Batch,
) -> Result<(), Refused> {
    let mut batch = more;
    (batch.puts).push((keys::house(CONTROLS), encode(controls)));
    // A pause must be in force on a full disk too.
    batch.urgent = true;
    store.commit(batch).await.map_err(BatchError::from)?;
    Ok(())
}
