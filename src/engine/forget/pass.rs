//! The erasing pass: the store removes the bytes of all who were forgotten since the last one, and the list of erasures
//! is kept beside the store's own files.

use super::super::core::Core;
use super::super::shard::Refused;
use super::ErasureView;
use super::list::{Applied, ListError};
use crate::store::StoreError;
use crate::store::embedded::{EmbeddedStore, Erased, Progress};
use serde::Serialize;
use std::sync::Arc;

/// What a pass came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Passed {
    pub erasures: usize,
    /// Rows of events, send log, sent mails, opens and clicks.
    pub rows: u64,
    pub segments: u64,
    pub journal_files: u64,
    pub snapshots: u64,
}

impl Core {
    /// Erases the bytes of those who were forgotten; none if nobody's stand there. What it was cut off at is done by the
    /// next one.
    pub async fn erase_pending(
        &self,
        store: &Arc<EmbeddedStore>,
        progress: Progress,
    ) -> Result<Option<Passed>, Refused> {
        let pending: Vec<ErasureView> = self.pending_erasures().await?;
        if pending.is_empty() {
            return Ok(None);
        }
        let mut numbers: Vec<u64> = pending.iter().flat_map(|e| e.numbers.clone()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let Erased {
            rows,
            segments,
            journal_files,
            snapshots,
        } = blocking(store, move |store| store.erase(&numbers, progress)).await?;
        self.note_erased(&pending).await?;
        Ok(Some(Passed {
            erasures: pending.len(),
            rows,
            segments,
            journal_files,
            snapshots,
        }))
    }

    /// Writes the list of erasures beside the store's files, if anybody was ever forgotten.
    pub async fn keep_erasures(&self, store: &Arc<EmbeddedStore>) -> Result<(), Refused> {
        if !self.forgotten.any() {
            return Ok(());
        }
        let list = self.erasure_list().await?;
        blocking(store, move |store| store.keep_erasures(&list)).await
    }

    /// At opening, before anything is sent: whoever is on the list beside the store and still in it, since a backup of
    /// before was restored, is forgotten again. Where that cannot be told, sending is held, since they might be written to;
    /// the list is put aside, so that it is neither overwritten nor held against every start to come.
    pub async fn heed_erasures(
        self: &Arc<Self>,
        store: &Arc<EmbeddedStore>,
    ) -> Result<(), Refused> {
        if let Some(list) = blocking(store, EmbeddedStore::kept_erasures).await? {
            let applied = match self.apply_erasures(&list).await {
                Ok(applied) => applied,
                Err(ListError::Refused(error)) => return Err(error),
                Err(unfit @ ListError::Unfit(_)) => {
                    let why = unfit.to_string();
                    // First: were it put aside and the hold lost, nothing would be left to say so.
                    self.hold(&why).await?;
                    let aside = blocking(store, EmbeddedStore::set_erasures_aside).await?;
                    tracing::error!(
                        %why, list = %aside.display(),
                        "customers who were forgotten may stand in this store again; the list was put aside, and sending is held until `reveille resume --all`"
                    );
                    Applied::default()
                }
            };
            if applied.unknown > 0 {
                let (unknown, forgotten) = (applied.unknown, applied.forgotten);
                tracing::warn!(
                    unknown,
                    forgotten,
                    "customers who had been forgotten before the restore are forgotten again"
                );
            }
        }
        self.keep_erasures(store).await
    }
}

async fn blocking<T: Send + 'static>(
    store: &Arc<EmbeddedStore>,
    work: impl FnOnce(&EmbeddedStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refused> {
    let store = Arc::clone(store);
    let done = tokio::task::spawn_blocking(move || work(&store)).await;
    let done = done.map_err(|e| StoreError::Unavailable(format!("the work failed: {e}")));
    done.flatten().map_err(Refused::Store)
}
