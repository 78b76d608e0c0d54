//! Retention: once a day, what is older than `[retention]` says is dropped from the streams, whole segments at a time.
//! The journal's own retention is the store's. And once a day the bytes go of those who were forgotten.

use crate::config::Config;
use crate::domain::time::Span;
use crate::engine::Core;
use crate::store::Stream;
use crate::store::embedded::EmbeddedStore;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Drops what is too old, now and every day, until it is aborted. A day's pass that is cut off is made by the next one.
pub async fn keep(core: Arc<Core>, store: Arc<EmbeddedStore>) {
    loop {
        // While sending is held the clock may be wrong, and by a wrong clock everything may look old.
        let trusted = core.on_hold().is_none();
        for (stream, kept) in streams(&core.config()).into_iter().filter(|_| trusted) {
            let before = (core.clock.now() - kept).millis();
            let store = Arc::clone(&store);
            let pass = tokio::task::spawn_blocking(move || store.forget(stream, before)).await;
            match pass {
                Ok(Ok(0)) => {}
                Ok(Ok(rows)) => {
                    tracing::info!(?stream, rows, %kept, "rows past their retention were dropped")
                }
                Ok(Err(error)) => {
                    tracing::error!(?stream, %error, "retention could not be kept; trying again tomorrow")
                }
                Err(error) => {
                    tracing::error!(?stream, %error, "retention could not be kept; trying again tomorrow")
                }
            }
        }
        erase(&core, &store).await;
        tokio::time::sleep(DAY).await;
    }
}

/// The bytes of those who were forgotten go.
async fn erase(core: &Arc<Core>, store: &Arc<EmbeddedStore>) {
    match core
        .erase_pending(store, Arc::new(|_: &str, _, _| ()))
        .await
    {
        Ok(None) => {}
        Ok(Some(passed)) => {
            tracing::info!(
                erasures = passed.erasures,
                rows = passed.rows,
                "the bytes of customers who were forgotten are erased"
            );
        }
        Err(error) => {
            tracing::error!(%error, "the bytes of customers who were forgotten could not be erased; trying again tomorrow, or `reveille customer forget --pending --now`");
        }
    }
}

fn streams(config: &Config) -> [(Stream, Span); 4] {
    let retention = &config.retention;
    [
        (Stream::Events, retention.events),
        (Stream::Log, retention.log),
        (Stream::Mails, retention.sent_copies),
        (Stream::Hits, retention.log),
    ]
}
