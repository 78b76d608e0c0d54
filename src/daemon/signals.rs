//! Signals: SIGTERM and SIGINT stop, SIGHUP reloads. Listened to before anything is opened, so that none ends the
//! process half way: one that comes earlier than it can be obeyed is kept.

use super::systemd;
use crate::http::admin::Reload;
use std::future::pending;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// From now on no signal ends the process by itself.
pub fn listen() -> (Stop, Hangups) {
    let stop = Stop {
        term: open(SignalKind::terminate()),
        int: open(SignalKind::interrupt()),
    };
    (stop, Hangups(open(SignalKind::hangup())))
}

fn open(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, "a signal cannot be listened to"))
        .ok()
}

async fn next(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    pending().await
}

/// SIGTERM and SIGINT.
pub struct Stop {
    term: Option<Signal>,
    int: Option<Signal>,
}

impl Stop {
    /// Done when the process is asked to stop, or was since `listen`.
    pub async fn asked(&mut self) {
        tokio::select! {
            () = next(&mut self.term) => tracing::info!("SIGTERM"),
            () = next(&mut self.int) => tracing::info!("SIGINT"),
        }
    }
}

/// SIGHUP.
pub struct Hangups(Option<Signal>);

impl Hangups {
    /// Reloads at each, and at once if one came since `listen`; what was wrong goes to the log.
    pub fn reload(mut self, reload: Reload) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                next(&mut self.0).await;
                tracing::info!("SIGHUP");
                systemd::reloading();
                if let Err(refusal) = reload().await {
                    tracing::error!(error = refusal.error, "the reload failed");
                }
                systemd::ready("reloaded");
            }
        })
    }
}
