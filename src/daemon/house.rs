//! The opened house: store and engine, as the daemon and the commands without a daemon need them.

use super::transports::{self, Folders};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::domain::time::Timestamp;
use crate::engine::core::preset_salt;
use crate::engine::golive::{self, Mode, WentLive};
use crate::engine::imports::ImportView;
use crate::engine::restored;
use crate::engine::shard::Refused;
use crate::engine::{Core, Parts};
use crate::store::StoreError;
use crate::store::embedded::{EmbeddedStore, Opening, Options, Probe, Progress};
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The hidden verb of this program that tries sled's folder in a process of its own.
pub const PROBE_VERB: &str = "probe-sled";

/// What the house is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To run: transports are made, the clock is held against the journal.
    Serve,
    /// For one command that changes something; nothing is sent.
    Change,
    /// For one command that sends a test: transports are made, and nothing else leaves.
    Send,
    /// For one command that only reads: nothing is repaired, rebuilt or written.
    Look,
}

/// Why the house could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A transport cannot be made from what the configuration says.
    #[error("{0}")]
    Transports(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] Refused),
    #[error("there is no store in {} yet", .0.display())]
    NoStore(PathBuf),
}

/// How it is to be opened.
#[derive(Clone)]
pub struct How {
    pub purpose: Purpose,
    pub clock: Clock,
    pub folders: Folders,
    /// Told of what takes long (building sled anew).
    pub progress: Option<Progress>,
    /// The store is taken from rehearsal to the real thing, or back, if the configuration is for the other.
    pub go_live: bool,
}

impl How {
    pub fn new(purpose: Purpose) -> How {
        How {
            purpose,
            clock: Clock::system(),
            folders: Folders::Durable,
            progress: None,
            go_live: false,
        }
    }
}

/// Store and engine. Close it: one that is dropped leaves the store as a crash would.
pub struct House {
    pub core: Arc<Core>,
    pub store: Arc<EmbeddedStore>,
    pub opening: Opening,
}

/// The store, opened and held, and what the engine is to stand on; nothing in it was changed yet. Close it, or build.
pub struct Ground {
    how: How,
    transports: BTreeMap<String, Transport>,
    store: Arc<EmbeddedStore>,
    opening: Opening,
}

impl Ground {
    pub async fn open(config: &Config, how: How) -> Result<Ground, OpenError> {
        let transports = match how.purpose {
            Purpose::Serve | Purpose::Send => {
                transports::make(config, how.folders).map_err(OpenError::Transports)?
            }
            Purpose::Change | Purpose::Look => BTreeMap::new(),
        };
        let path = config.store.path.clone();
        if how.purpose == Purpose::Look && !path.is_dir() {
            return Err(OpenError::NoStore(path));
        }
        let options = Options {
            cache_bytes: config.store.cache,
            journal_keep: config.retention.journal.0,
            read_only: how.purpose == Purpose::Look,
            // Without a name of our own there is no probe, and sled is tried in a thread.
            probe: std::env::current_exe().ok().map(|program| Probe {
                program,
                args: vec![PROBE_VERB.into()],
            }),
            progress: how.progress.clone(),
            wall: clock::wall,
            ..Options::default()
        };
        let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(&path, options));
        let (store, opening) = opened
            .await
            .map_err(|e| StoreError::Unavailable(format!("opening it failed: {e}")))??;
        Ok(Ground {
            how,
            transports,
            store: Arc::new(store),
            opening,
        })
    }

    /// A salt for a new store in place of a random one.
    pub async fn preset_salt(&self, salt: [u8; 16]) -> Result<(), OpenError> {
        Ok(preset_salt(&*self.store, salt).await?)
    }

    /// From which mode to which the store would have to be taken for this configuration, if it would.
    pub async fn way(&self, config: &Config) -> Result<Option<(Mode, Mode)>, OpenError> {
        Ok(golive::way(&*self.store, config).await?)
    }

    /// Takes the store to the configuration's mode; `None` where it is in it already.
    pub async fn go_live(&self, config: &Config) -> Result<Option<WentLive>, OpenError> {
        let told = |customers| tracing::info!(customers, "taking the store to another mode");
        let now = self.how.clock.now();
        Ok(golive::go_live(&*self.store, config, now, &told).await?)
    }

    /// The engine on it.
    pub async fn build(self, config: &Config) -> Result<House, OpenError> {
        if self.how.go_live
            && let Err(error) = self.go_live(config).await
        {
            self.close().await?;
            return Err(error);
        }
        let Ground {
            how,
            transports,
            store,
            opening,
        } = self;
        how.clock.allow(config.engine.clock_gap);
        if opening.held.is_some()
            && how.purpose != Purpose::Look
            && let Err(error) = restored::leap(&*store, how.clock.now()).await
        {
            close(store).await?;
            return Err(error.into());
        }
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn crate::store::Store>,
            clock: how.clock,
            config: config.clone(),
            transports,
            recorder: None,
        };
        let opened = match how.purpose {
            Purpose::Look => Core::look(parts).await,
            Purpose::Serve | Purpose::Change | Purpose::Send => Core::open(parts).await,
        };
        let core = match opened {
            Ok(core) => core,
            Err(error) => {
                close(store).await?;
                return Err(error.into());
            }
        };
        let house = House {
            core,
            store,
            opening,
        };
        if how.purpose != Purpose::Look {
            house.hold_if_in_doubt(config).await?;
            house.heed_erasures().await?;
        }
        if how.purpose == Purpose::Serve {
            house.tell_of_imports().await?;
        }
        Ok(house)
    }

    pub async fn close(self) -> Result<(), StoreError> {
        close(self.store).await
    }
}

impl House {
    pub async fn open(config: &Config, how: How) -> Result<House, OpenError> {
        Ground::open(config, how).await?.build(config).await
    }

    /// After a restore, and where the clock is not what it was, sending is held until an operator has looked.
    async fn hold_if_in_doubt(&self, config: &Config) -> Result<(), OpenError> {
        let clock = &self.core.clock;
        let far = config.safety.resume_after;
        let why = self.opening.held.clone().or_else(|| {
            let last = self.opening.last_wall.filter(|_| clock.is_system());
            last.and_then(|last| clock.compare_with_journal(Timestamp(last), far))
        });
        if let Some(why) = why {
            self.core.hold(&why).await?;
        }
        Ok(())
    }

    /// After a restore, customers who had been forgotten since are forgotten again. Where that cannot be told, sending is
    /// held: they might be written to.
    async fn heed_erasures(&self) -> Result<(), OpenError> {
        Ok(self.core.heed_erasures(&self.store).await?)
    }

    /// At a start all imports that stand in the store were broken off. A command without a daemon does not tell: it may be
    /// the one that goes on with it.
    async fn tell_of_imports(&self) -> Result<(), OpenError> {
        for ImportView { source, since, .. } in self.core.imports().await? {
            tracing::warn!(
                source,
                %since,
                "an import of history was broken off: schedules wait until it is run again to its end, or `reveille resume --all`"
            );
        }
        Ok(())
    }

    /// Stops the shards and closes the store, so that the next start finds it whole.
    pub async fn close(self) -> Result<(), StoreError> {
        drop(self.core);
        close(self.store).await
    }
}

async fn close(store: Arc<EmbeddedStore>) -> Result<(), StoreError> {
    let closed = tokio::task::spawn_blocking(move || store.close()).await;
    closed.unwrap_or_else(|e| Err(StoreError::Unavailable(format!("closing it failed: {e}"))))
}
