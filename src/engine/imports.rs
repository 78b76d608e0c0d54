//! What schedules wait for while history comes in.
//!
//! While any import of history runs, occurrences wait. Each import stands in the store from its begin to its end, by
//! number and by the source that it reads, beside the mark in the controls; so a crash, or a caller who breaks off, keeps
//! them waiting. A source that is read again takes the place of its own import that was broken off, and with the end of
//! the last one the wait is lifted: what gathered since the first began is then counted ([`super::surprise`]). Or somebody
//! resumes everything, which takes what was broken off as ended.
//!
//! Which imports run is known in memory only: after a start, all that stand in the store were broken off.

use super::batch::BatchError;
use super::core::{Core, also};
use super::shard::Refused;
use super::surprise::{Held, guarded};
use crate::domain::id::CampaignId;
use crate::domain::time::Timestamp;
use crate::store::codec::{CodecError, Stored, decode, encode};
use crate::store::{Batch, keys};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::MutexGuard;

const BASELINE: &str = "import";
const IMPORTS: &str = "imports";

/// Which imports run, by number. Held while one begins or ends, by the outer lock.
#[derive(Default)]
pub(super) struct Imports {
    changing: tokio::sync::Mutex<()>,
    running: Arc<Mutex<BTreeSet<u64>>>,
}

impl Imports {
    /// None begins or ends while this is held.
    pub async fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    fn running(&self) -> BTreeSet<u64> {
        // A set of numbers is whole whatever panicked beside it.
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clone()
    }
}

/// An import that has begun. Dropped without [`Core::import_end`], it was broken off: schedules go on waiting.
pub struct Import {
    no: u64,
    source: String,
    running: Arc<Mutex<BTreeSet<u64>>>,
}

impl Import {
    fn runs_no_more(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.no)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if self.runs_no_more() {
            tracing::warn!(
                source = %self.source,
                "an import of history was broken off: schedules wait until it is run again to its end, or `reveille resume --all`"
            );
        }
    }
}

/// An import of history that schedules wait for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ImportView {
    /// What it reads, as its caller named it.
    pub source: String,
    #[serde(serialize_with = "crate::domain::explain::rfc3339")]
    pub since: Timestamp,
    /// False: it was broken off.
    pub running: bool,
}

/// What the end of an import led to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Ended {
    /// Campaigns that were put back to wait for approval; told by the last import.
    pub held: Vec<Held>,
    /// What schedules still wait for.
    pub waits_for: Vec<ImportView>,
}

/// Every import that has begun and not ended, by number.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Open {
    next: u64,
    imports: BTreeMap<u64, Begun>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Begun {
    source: String,
    since: Timestamp,
}

impl Stored for Open {
    const WHAT: &'static str = "list of imports";
    const VERSION: u8 = 1;
}

impl Open {
    fn put(&self) -> (Vec<u8>, Vec<u8>) {
        (keys::house(IMPORTS), encode(self))
    }

    fn views(&self, running: &BTreeSet<u64>) -> Vec<ImportView> {
        (self.imports.iter())
            .map(|(no, begun)| ImportView {
                source: begun.source.clone(),
                since: begun.since,
                running: running.contains(no),
            })
            .collect()
    }
}

/// How many stood in each campaign's due index when the first import began, or when the campaign went live since; with
/// the audience's hash.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Baseline(BTreeMap<CampaignId, (u64, u64)>);

impl Stored for Baseline {
    const WHAT: &'static str = "beginning of an import";
    const VERSION: u8 = 2;

    fn migrate(version: u8, _body: &[u8]) -> Result<Self, CodecError> {
        match version {
            // It did not say of which audience it spoke: everybody counts as new, which asks once too often at worst.
            1 => Ok(Baseline::default()),
            _ => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

impl Core {
    /// Since when schedules wait for an import of history.
    pub fn importing(&self) -> Option<Timestamp> {
        self.catalogue().rules.controls.importing
    }

    /// The imports that schedules wait for.
    pub async fn imports(&self) -> Result<Vec<ImportView>, Refused> {
        let Some(since) = self.importing() else {
            return Ok(Vec::new());
        };
        let open = self.open_imports().await?;
        if open.imports.is_empty() {
            // A mark of which no more is known.
            return Ok(vec![ImportView {
                source: String::new(),
                since,
                running: false,
            }]);
        }
        Ok(open.views(&self.imports.running()))
    }

    /// An import of history from `source` begins: occurrences wait from now on, over restarts too. One of the same source
    /// that was broken off is gone on with. What the end is measured against is counted as the first one begins.
    pub async fn import_begin(self: &Arc<Self>, source: &str) -> Result<Import, Refused> {
        let _changing = self.imports.changing.lock().await;
        let mut open = self.open_imports().await?;
        let mut puts = Vec::new();
        if self.importing().is_none() {
            // What an interrupted end left behind speaks of nothing any more.
            open.imports.clear();
            let mut baseline = Baseline::default();
            for campaign in guarded(&self.catalogue()) {
                let hash = campaign.audience_hash;
                let due = self.count_due(&campaign.id, hash).await?;
                baseline.0.insert(campaign.id, (hash, due));
            }
            puts.push((keys::house(BASELINE), encode(&baseline)));
        }
        let running = self.imports.running();
        let now = self.clock.now();
        let mut since = now;
        open.imports.retain(|no, begun| {
            let again = begun.source == source && !running.contains(no);
            if again {
                since = since.min(begun.since);
            }
            !again
        });
        let no = open.next;
        open.next += 1;
        let begun = Begun {
            source: source.to_owned(),
            since,
        };
        open.imports.insert(no, begun);
        puts.push(open.put());
        self.turn_with(also(puts), |controls| {
            controls.importing = controls.importing.or(Some(now))
        })
        .await?;
        let running = Arc::clone(&self.imports.running);
        (running.lock().unwrap_or_else(PoisonError::into_inner)).insert(no);
        Ok(Import {
            no,
            source: source.to_owned(),
            running,
        })
    }

    /// The import has come to its end. With the last one occurrences go on, save those of campaigns that would now let in
    /// more than `[safety] at_once` customers more than before the first: these wait for `campaign approve`.
    pub async fn import_end(self: &Arc<Self>, import: Import) -> Result<Ended, Refused> {
        let _changing = self.imports.changing.lock().await;
        let mut open = self.open_imports().await?;
        open.imports.remove(&import.no);
        let held = self.lift(&open).await?;
        // Only now: one whose end cannot be written counts as broken off.
        import.runs_no_more();
        Ok(Ended {
            held,
            waits_for: open.views(&self.imports.running()),
        })
    }

    /// Imports that were broken off are taken as ended; those that run go on, and so does the wait for them.
    pub(super) async fn give_up_imports(self: &Arc<Self>) -> Result<Vec<Held>, Refused> {
        let _changing = self.imports.changing.lock().await;
        if self.importing().is_none() {
            return Ok(Vec::new());
        }
        let mut open = self.open_imports().await?;
        let running = self.imports.running();
        open.imports.retain(|no, _| running.contains(no));
        self.lift(&open).await
    }

    /// Writes which imports are left; if none is, lifts the wait.
    async fn lift(self: &Arc<Self>, left: &Open) -> Result<Vec<Held>, Refused> {
        if !left.imports.is_empty() {
            self.turn_with(also(vec![left.put()]), |_| {}).await?;
            return Ok(Vec::new());
        }
        let before = self.stored::<Baseline>(BASELINE).await?.0;
        let catalogue = self.catalogue();
        let held = self.hold_surprises(&before, guarded(&catalogue)).await?;
        let more = Batch {
            puts: vec![left.put()],
            deletes: vec![keys::house(BASELINE)],
            ..Batch::default()
        };
        self.turn_with(more, |controls| controls.importing = None)
            .await?;
        Ok(held)
    }

    /// What is to be written as campaigns go live with so many in their due index: while an import runs, its end is
    /// measured against that. To be called, and written, while [`Imports::changing`] is held.
    pub(super) async fn measured_anew(
        &self,
        counted: impl IntoIterator<Item = (CampaignId, (u64, u64))>,
    ) -> Result<Batch, Refused> {
        if self.importing().is_none() {
            return Ok(Batch::default());
        }
        let mut baseline = self.stored::<Baseline>(BASELINE).await?;
        baseline.0.extend(counted);
        Ok(also(vec![(keys::house(BASELINE), encode(&baseline))]))
    }

    async fn open_imports(&self) -> Result<Open, Refused> {
        self.stored(IMPORTS).await
    }

    async fn stored<T: Stored + Default>(&self, name: &str) -> Result<T, Refused> {
        let found =
            (self.store.get_many(vec![keys::house(name)]).await).map_err(BatchError::from)?;
        let value = (found.into_iter().next().flatten()).map(|v| decode::<T>(&v.value));
        Ok(value
            .transpose()
            .map_err(BatchError::from)?
            .unwrap_or_default())
    }
}
