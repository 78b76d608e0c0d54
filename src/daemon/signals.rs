//! Signals: SIGTERM and SIGINT stop, SIGHUP reloads.

use super::systemd;
use crate::http::admin::Reload;
use std::future::pending;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

async fn next(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    pending().await
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, "a signal cannot be listened to"))
        .ok()
}

/// Done when the process is asked to stop.
pub async fn stop() {
    let mut term = listen(SignalKind::terminate());
    let mut int = listen(SignalKind::interrupt());
    tokio::select! {
        () = next(&mut term) => tracing::info!("SIGTERM"),
        () = next(&mut int) => tracing::info!("SIGINT"),
    }
}

/// Reloads at each SIGHUP; what was wrong goes to the log.
pub fn on_hangup(reload: Reload) -> JoinHandle<()> {
    let mut hangup = listen(SignalKind::hangup());
    tokio::spawn(async move {
        loop {
            next(&mut hangup).await;
            systemd::reloading();
            if let Err(refusal) = reload().await {
                tracing::error!(error = refusal.error, "the reload failed");
            }
            systemd::ready("reloaded");
        }
    })
}
