//! The daemon: builds the house, serves the admin socket, wakes the engine, reloads, stops. The only room that knows
//! signals, systemd and spawned tasks.
//!
//! `build` opens everything and knows its socket; `run_until_stopped` consumes it. A turn of the engine is never
//! interrupted; the waits between two turns always may be. The outbox runs beside the turns, since it may have to wait
//! for a relay while time goes on.

pub mod house;
pub mod logging;
mod reload;
mod retention;
pub mod signals;
pub mod socket;
pub mod systemd;
pub mod transports;
mod wake;

use crate::config::Config;
use crate::engine::Core;
use crate::engine::outbox::Outbox;
use crate::engine::shard::{Refused, Ticked};
use crate::http::admin::{self, Admin, Reload};
use crate::http::faces::{self, Face, Outside};
use crate::http::pulse::Pulse;
use crate::http::server::{Limits, ListenError, Server};
use crate::store::StoreError;
use crate::store::keys::Queue;
use house::{Ground, House, How, OpenError};
use reload::Reloader;
use signals::Hangups;
use socket::{Bound, SocketError};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use systemd::Watchdog;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use wake::Bell;

/// The outbox is looked at this often, whatever the turns take.
const PUMP_AT_LEAST: Duration = Duration::from_secs(2);
/// For answers under way over HTTP when everything that was taken in is written.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// A copy for a seed address that a relay put off is looked at again this often.
const SEEDS_AT_LEAST: Duration = Duration::from_secs(60);
/// For a copy that is under way at the end.
const LAST_COPY: Duration = Duration::from_secs(5);
/// An engine that has not got on for so long is not ready, however short its tick.
const STANDS_STILL: Duration = Duration::from_secs(10);

/// Why the daemon could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the store could not be closed: {0}")]
    Close(StoreError),
}

/// The daemon, opened and not yet running.
pub struct Daemon {
    house: House,
    bound: Bound,
    faces: Vec<Face>,
    config: Config,
    wake: Arc<Notify>,
    reloader: Arc<Reloader>,
}

impl Daemon {
    /// Opens store, socket, ports and engine, in this order: nothing in the store is changed (`--go-live`) before everything
    /// else could be opened. The configuration was checked before.
    pub async fn build(config: Config, how: How) -> Result<Daemon, DaemonError> {
        let socket = &config.admin.socket;
        if socket::answers(socket).await {
            return Err(SocketError::InUse(socket.clone()).into());
        }
        let ground = Ground::open(&config, how).await?;
        let opened = match socket::bind(socket).await {
            Ok(bound) => faces::open(&config.http)
                .map(|faces| (bound, faces))
                .map_err(DaemonError::from),
            Err(error) => Err(error.into()),
        };
        let (bound, faces) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                ground.close().await.map_err(DaemonError::Close)?;
                return Err(error);
            }
        };
        let house = ground.build(&config).await?;
        Ok(Daemon {
            reloader: Arc::new(Reloader::new(Arc::clone(&house.core))),
            house,
            bound,
            faces,
            config,
            wake: Arc::new(Notify::new()),
        })
    }

    /// Where commands reach it.
    pub fn socket(&self) -> &Path {
        self.bound.file.path()
    }

    /// Closes it without having run: nothing is sent.
    pub async fn close(self) -> Result<(), DaemonError> {
        drop((self.bound, self.faces, self.reloader));
        self.house.close().await.map_err(DaemonError::Close)?;
        tracing::info!("stopped; the store is closed");
        Ok(())
    }

    pub fn house(&self) -> &House {
        &self.house
    }

    /// Runs until `shutdown` is done, then finishes what is in hand within `[engine] stop_within` and closes the store.
    pub async fn run_until_stopped(
        self,
        shutdown: impl Future<Output = ()>,
        hangups: Hangups,
    ) -> Result<(), DaemonError> {
        let Daemon {
            house,
            bound,
            faces,
            config,
            wake,
            reloader,
        } = self;
        let Bound { listener, file } = bound;
        let core = Arc::clone(&house.core);
        let reload: Reload = {
            let (reloader, wake) = (Arc::clone(&reloader), Arc::clone(&wake));
            Arc::new(move || {
                let (reloader, wake) = (Arc::clone(&reloader), Arc::clone(&wake));
                Box::pin(async move {
                    let done = reloader.reload().await;
                    wake.notify_one();
                    done
                })
            })
        };
        let router = admin::router(Admin {
            core: Arc::clone(&core),
            store: Arc::clone(&house.store),
            wake: Arc::clone(&wake),
            reload: Some(Arc::clone(&reload)),
        });
        let (stop_serving, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let graceful = axum::serve(listener, router).with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            if let Err(error) = graceful.await {
                tracing::error!(%error, "the admin socket failed");
            }
        });
        let pulse = Arc::new(Pulse::new(patience(&config)));
        let outside = Outside::new(
            Arc::clone(&core),
            Some(Arc::clone(&house.store)),
            Arc::clone(&wake),
            Arc::clone(&pulse),
        );
        let server = serve(&outside, faces, config.http.connections);
        let pumps = Queue::ALL.map(|queue| (queue, Arc::new(Notify::new())));
        let pumping = (pumps.each_ref())
            .map(|(queue, pumped)| tokio::spawn(pump(Arc::clone(&core), *queue, pumped.clone())));
        let pumped = pumps.map(|(_, pumped)| pumped);
        let seeding = tokio::spawn(seeds(Arc::clone(&core)));
        let keeping = tokio::spawn(retention::keep(Arc::clone(&core), Arc::clone(&house.store)));
        let status = format!("{} campaigns", core.catalogue().rules.campaigns.len());
        tracing::info!(socket = %file.path().display(), opening = %house.opening, held = core.held(), "ready");
        systemd::ready(&status);
        let hangups = hangups.reload(reload);

        turns(&core, &config, wake, &pumped, &pulse, shutdown).await;

        tracing::info!(in_hand = core.outbox.in_hand(), "stopping");
        systemd::stopping().await;
        hangups.abort();
        keeping.abort();
        let _ = keeping.await;
        for pumping in pumping {
            pumping.abort();
            let _ = pumping.await;
        }
        core.outbox.stop();
        // The copy under way comes to its end; the others go after the next start.
        end(seeding, LAST_COPY).await;
        let within = transports::duration(config.engine.stop_within);
        // Callers are told to come back later; what they were promised is written first.
        let closing = tokio::spawn(async move {
            let _ = tokio::time::timeout(within, outside.ingest.stop()).await;
            server.stop(LAST_ANSWERS).await;
        });
        if tokio::time::timeout(within, core.outbox.wait_idle())
            .await
            .is_err()
        {
            tracing::warn!(
                in_hand = core.outbox.in_hand(),
                "not all messages in hand came to an end in time; those under way are in doubt at the next start"
            );
        }
        let _ = closing.await;
        let _ = stop_serving.send(());
        end(serving, Duration::from_secs(1)).await;
        // Gone before the store is closed: from now on commands open it themselves.
        drop(file);
        // Nothing comes in any more; what did is kept.
        core.hits().flush().await;
        drop((core, reloader));
        house.close().await.map_err(DaemonError::Close)?;
        tracing::info!("stopped; the store is closed");
        Ok(())
    }
}

/// How long the engine may stand still before `/readyz` says so.
fn patience(config: &Config) -> Duration {
    STANDS_STILL.max(transports::duration(config.engine.tick) * 5)
}

/// Answers at the ports.
fn serve(outside: &Outside, faces: Vec<Face>, connections: usize) -> Server {
    let routed = faces.into_iter().map(|face| {
        tracing::info!(address = %face.address, serves = face.serves.words(), "listening");
        (face.listener, outside.router(face.serves))
    });
    let limits = Limits {
        connections,
        ..Limits::default()
    };
    Server::start(routed.collect(), limits)
}

/// Turns of the engine until `shutdown`: at each ring of the bell, and when it keeps silent for too long.
async fn turns(
    core: &Arc<Core>,
    config: &Config,
    wake: Arc<Notify>,
    pumped: &[Arc<Notify>],
    pulse: &Pulse,
    shutdown: impl Future<Output = ()>,
) {
    let mut watchdog = Watchdog::asked_for();
    let mut bell = Bell::hang(transports::duration(config.engine.tick), wake).await;
    let rung = Arc::clone(&bell.rung);
    let mut heard = tokio::time::Instant::now();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut failing = false;
    loop {
        match advance(core, &mut watchdog, pulse).await {
            Ok(_) => {
                if failing {
                    tracing::info!("the engine goes on");
                }
                failing = false;
                watchdog.advanced();
                pulse.beat();
            }
            // It is alive and refuses as it should; a restart would make nothing better, and would cost the outcomes and
            // consents that are still taken.
            Err(Refused::Store(StoreError::Full(_))) => {
                watchdog.advanced();
                pulse.beat();
            }
            // Told once until it changes: one event a failure.
            Err(error) if !failing => {
                tracing::error!(%error, "a turn of the engine failed; trying again");
                failing = true;
            }
            Err(_) => {}
        }
        pumped.iter().for_each(|pump| pump.notify_one());
        let patience = watchdog.at_least_every(bell.patience());
        tokio::select! {
            () = &mut shutdown => break,
            () = rung.notified() => heard = tokio::time::Instant::now(),
            () = tokio::time::sleep(patience) => {
                if heard.elapsed() >= bell.patience() {
                    bell.make_anew().await;
                    heard = tokio::time::Instant::now();
                }
            }
        }
    }
    bell.stop().await;
}

/// One turn of the engine. The watchdog beats as long as it gets on, however long it takes.
async fn advance(
    core: &Arc<Core>,
    watchdog: &mut Watchdog,
    pulse: &Pulse,
) -> Result<Ticked, Refused> {
    let mut turn = std::pin::pin!(core.advance());
    let mut seen = core.progress();
    loop {
        tokio::select! {
            done = &mut turn => return done,
            () = tokio::time::sleep(watchdog.at_least_every(PUMP_AT_LEAST)) => {
                let progress = core.progress();
                if progress != seen {
                    watchdog.advanced();
                    pulse.beat();
                    seen = progress;
                }
            }
        }
    }
}

/// Empties a queue of the outbox at each notification. May wait for a relay; given up when the daemon stops.
async fn pump(core: Arc<Core>, queue: Queue, pumped: Arc<Notify>) {
    let mut failing = false;
    loop {
        // A turn that takes long (thousands of alarms after downtime) must not keep transactional mail waiting.
        let _ = tokio::time::timeout(PUMP_AT_LEAST, pumped.notified()).await;
        if core.held().is_some() {
            continue;
        }
        match Outbox::pump_queue(&core, queue).await {
            Ok(_) => failing = false,
            Err(error) if !failing => {
                tracing::error!(%error, "the outbox could not be read; trying again");
                failing = true;
            }
            Err(_) => {}
        }
    }
}

/// Sends the copies of seed addresses as they fall due.
async fn seeds(core: Arc<Core>) {
    let mut failing = false;
    while !core.outbox.is_stopping() {
        match core.send_seeds().await {
            Ok(_) => failing = false,
            Err(error) if !failing => {
                tracing::error!(%error, "copies for seed addresses could not be sent; trying again");
                failing = true;
            }
            Err(_) => {}
        }
        // What a relay put off falls due without anybody telling.
        let _ = tokio::time::timeout(SEEDS_AT_LEAST, core.seeds_due()).await;
    }
}

/// Waits for a task for so long, then ends it.
async fn end(mut task: JoinHandle<()>, within: Duration) {
    if tokio::time::timeout(within, &mut task).await.is_err() {
        task.abort();
        let _ = task.await;
    }
}
