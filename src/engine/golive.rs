//! Rehearsal and the real thing: a store remembers which of the two it is for, and is taken from one to the other only
//! by an explicit word.
//!
//! While every transport is a folder, customers "get" mail that never reaches them. If the same store then began to send
//! for real, caps would be full, campaigns already met, and messages of the rehearsal would leave. So going live ends
//! every enrollment and clears the ledger (messages, places in mailboxes, what schedules and walks have done, what
//! campaigns have been activated) and keeps customers, events, consents, suppressions and the log. Every campaign then
//! starts anew, with the guard of `[safety] at_once`.
//!
//! Whatever of a customer or a mailbox cannot be read is left as it is and told, or one damaged record would keep the
//! whole store half way; the keys by which it would be asked for go with everybody's.
//!
//! It is done on the store before the engine is opened. A mark stands while it is under way, and the engine refuses a
//! store with that mark, so that one that was cut off is done again from the start.

use super::batch::BatchError;
use super::core::{Core, also, read_controls, write_controls};
use super::coupons;
use super::pages::RecordPages;
use super::shard::Refused;
use super::state::{CustomerState, Poison, id_of_stored};
use crate::config::Config;
use crate::domain::address::{MailboxId, mask};
use crate::domain::engagement::SentMessages;
use crate::domain::goal::Goals;
use crate::domain::id::ShardNo;
use crate::domain::posted::{Letter, Posted};
use crate::domain::record::{Mailbox, Record};
use crate::domain::time::Timestamp;
use crate::store::codec::{Stored, decode, encode};
use crate::store::{Batch, Check, Direction, Key, KeyRange, Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use std::fmt;

const MODE: &str = "mode";
/// So many mailboxes or keys are cleared in one commit.
const CHUNK: usize = 500;

/// What a store is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every transport is a folder: nothing leaves.
    Rehearsal,
    Real,
}

impl Mode {
    /// What a configuration is for.
    pub fn of(config: &Config) -> Mode {
        match config.is_rehearsal() {
            true => Mode::Rehearsal,
            false => Mode::Real,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Rehearsal => "rehearsal",
            Mode::Real => "real",
        })
    }
}

/// The mode of a store, as it stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct ModeRow {
    mode: Mode,
    since: Timestamp,
    /// It is being taken to this mode; the clearing may be half done.
    going: Option<Mode>,
}

impl Stored for ModeRow {
    const WHAT: &'static str = "mode";
    const VERSION: u8 = 1;
}

/// Why the engine may not be opened on a store with this configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ModeError {
    #[error(
        "this store has been used to rehearse (all transports were folders), and the configuration now sends for real; `reveille go-live` takes it there: it ends all enrollments and clears what the rehearsal sent, and keeps customers, events, consents and suppressions"
    )]
    Rehearsed,
    #[error(
        "this store has been sending for real, and the configuration now has folders only; put the smtp transport back, use another [store] path to rehearse, or take it there with `reveille go-live`: it ends all enrollments and forgets what has been sent, so caps count from nothing"
    )]
    WasReal,
    #[error(
        "taking this store to another mode was cut off half way; `reveille go-live` brings it to its end"
    )]
    CutOff,
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// How far going live has come.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// What going live did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct WentLive {
    pub customers: u64,
    /// Open enrollments that were ended.
    pub enrollments: u64,
    /// Messages not yet settled that were forgotten.
    pub messages: u64,
    /// Mailboxes whose places were cleared.
    pub mailboxes: u64,
    /// What was passed by.
    pub unreadable: Vec<Unreadable>,
    /// Coupon codes that were given while rehearsing went back into their pools.
    pub coupons_back: bool,
}

/// A customer or an address of whom what is stored cannot be read: left as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Unreadable {
    /// Addresses are masked.
    pub what: String,
    pub why: String,
}

/// Compares a store with a configuration. A store that has no mode yet takes the configuration's.
pub async fn require(
    store: &dyn Store,
    config: &Config,
    now: Timestamp,
) -> Result<Mode, ModeError> {
    let wanted = Mode::of(config);
    loop {
        match read(store).await? {
            Some((ModeRow { going: Some(_), .. }, _)) => return Err(ModeError::CutOff),
            Some((row, _)) if row.mode == wanted => return Ok(wanted),
            Some((row, _)) => {
                return Err(match row.mode {
                    Mode::Rehearsal => ModeError::Rehearsed,
                    Mode::Real => ModeError::WasReal,
                });
            }
            None => {
                let row = ModeRow {
                    mode: wanted,
                    since: now,
                    going: None,
                };
                let batch = Batch {
                    checks: vec![Check {
                        key: keys::house(MODE),
                        expected: None,
                    }],
                    puts: vec![(keys::house(MODE), encode(&row))],
                    ..Batch::default()
                };
                match store.commit(batch).await {
                    Ok(_) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(Refused::from(BatchError::from(error)).into()),
                }
            }
        }
    }
}

/// From which mode to which `go_live` would take the store, where it would do anything. A store without a mode takes the
/// configuration's by itself.
pub async fn way(store: &dyn Store, config: &Config) -> Result<Option<(Mode, Mode)>, Refused> {
    let wanted = Mode::of(config);
    let row = read(store).await?.map(|(row, _)| row);
    Ok(row
        .filter(|row| row.mode != wanted || row.going.is_some())
        .map(|row| (row.mode, wanted)))
}

/// Takes the store to the configuration's mode, before the engine is opened on it. Does nothing, and says so by `None`,
/// where the store is in that mode already. Cut off, it is done again from the start by the next call. `progress` is told
/// how many customers are done.
pub async fn go_live(
    store: &dyn Store,
    config: &Config,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Option<WentLive>, Refused> {
    let wanted = Mode::of(config);
    let row = read(store).await?.map(|(row, _)| row);
    let since = match row {
        Some(row) if row.mode == wanted && row.going.is_none() => return Ok(None),
        Some(row) => row.since,
        None => now,
    };
    // A store without a mode holds nothing of an engine's, but nothing is lost by looking. Where another way was cut off,
    // what the store holds is still of the mode that it was in.
    let from = row.map_or(wanted, |r| r.mode);
    let mark = ModeRow {
        mode: from,
        since,
        going: Some(wanted),
    };
    put(store, vec![(keys::house(MODE), encode(&mark))], Vec::new()).await?;
    let mut went = WentLive {
        coupons_back: coupons::rehearsed::go_back(store, from, wanted).await?,
        ..WentLive::default()
    };
    clear_records(store, now, wanted, &mut went, progress).await?;
    for shard in ShardNo::all() {
        clear_letters(store, shard, went.coupons_back).await?;
    }
    if went.coupons_back {
        coupons::rehearsed::clear(store).await?;
    }
    clear_mailboxes(store, &mut went).await?;
    clear_keys(store).await?;
    // Whose it is stands in the command's own answer: no id belongs into a log.
    for Unreadable { why, .. } in &went.unreadable {
        tracing::error!(%why, "what is stored cannot be read: it is left as it is, and nothing happens to it until it can");
    }
    let mut controls = read_controls(store).await?.unwrap_or_default();
    controls.begin_anew();
    let row = ModeRow {
        mode: wanted,
        since: now,
        going: None,
    };
    let mode = (keys::house(MODE), encode(&row));
    write_controls(store, &controls, also(vec![mode])).await?;
    tracing::info!(mode = %wanted, customers = went.customers, enrollments = went.enrollments, messages = went.messages, "the store was taken to another mode");
    Ok(Some(went))
}

impl Core {
    /// What the store is for, and since when.
    pub async fn mode(&self) -> Result<(Mode, Timestamp), Refused> {
        let row = read(&*self.store).await?.map(|(row, _)| row);
        Ok(row.map_or_else(
            || (Mode::of(&self.config()), self.clock.now()),
            |row| (row.mode, row.since),
        ))
    }
}

async fn read(store: &dyn Store) -> Result<Option<(ModeRow, u64)>, Refused> {
    let found = (store.get_many(vec![keys::house(MODE)]).await).map_err(BatchError::from)?;
    let Some(value) = found.into_iter().next().flatten() else {
        return Ok(None);
    };
    let row = decode(&value.value).map_err(BatchError::from)?;
    Ok(Some((row, value.revision)))
}

async fn put(
    store: &dyn Store,
    puts: Vec<(Key, Vec<u8>)>,
    deletes: Vec<Key>,
) -> Result<(), Refused> {
    let batch = Batch {
        puts,
        deletes,
        ..Batch::default()
    };
    store.commit(batch).await.map_err(BatchError::from)?;
    Ok(())
}

/// Clears what was begun from every record that can be read. Index keys go afterwards, whosever they are.
async fn clear_records(
    store: &dyn Store,
    now: Timestamp,
    wanted: Mode,
    went: &mut WentLive,
    progress: Progress<'_>,
) -> Result<(), Refused> {
    let mut pages = RecordPages::of(store);
    while let Some((shard, found)) = pages.next_stored().await? {
        let mut batch = Batch {
            epochs: vec![(shard.0, store.epoch())],
            ..Batch::default()
        };
        for (key, value) in found {
            match decode::<CustomerState>(&value.value) {
                Ok(mut state) => {
                    clear(&mut state.record, went);
                    batch.puts.push((key, encode(&state)));
                }
                Err(error) => {
                    let why = error.to_string();
                    let no = keys::read_record(&key);
                    went.unreadable.push(Unreadable {
                        what: match (id_of_stored(&value.value), no) {
                            (Some(id), _) => format!("customer {:?}", id.as_str()),
                            (None, Some(no)) => format!("customer number {}", no.0),
                            (None, None) => "a customer".to_owned(),
                        },
                        why: why.clone(),
                    });
                    if let Some(no) = no {
                        let listed = Poison {
                            at: now,
                            cause: format!("the store was taken to {wanted}"),
                            panic: why,
                        };
                        batch.puts.push((keys::poison(no, now), encode(&listed)));
                    }
                }
            }
        }
        if !batch.puts.is_empty() {
            store.commit(batch).await.map_err(BatchError::from)?;
            progress(went.customers);
        }
    }
    Ok(())
}

/// Letters keep what they say of customers and consent, and nothing of enrollments.
async fn clear_letters(store: &dyn Store, shard: ShardNo, coupons: bool) -> Result<(), Refused> {
    let range = keys::inbox_all(shard);
    let found =
        (store.scan(range, Direction::Forward, usize::MAX).await).map_err(BatchError::from)?;
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for (key, value) in found {
        let Ok(mut letter) = decode::<Letter>(&value.value) else {
            let to = keys::read_inbox(&key).map_or(0, |no| no.0);
            tracing::error!(
                customer = to,
                "a letter cannot be read: it is left as it is"
            );
            continue;
        };
        match &mut letter.posted {
            Posted::Absorb(from) => {
                from.standings.clear();
                from.sent.clear();
                from.goals = Goals::default();
                from.hours = Default::default();
                puts.push((key, encode(&letter)));
            }
            Posted::Coupons(_) if !coupons => {}
            Posted::Entry { .. } | Posted::Sent { .. } | Posted::Coupons(_) => deletes.push(key),
        }
    }
    if puts.is_empty() && deletes.is_empty() {
        return Ok(());
    }
    put(store, puts, deletes).await
}

fn clear(record: &mut Record, went: &mut WentLive) {
    went.customers += 1;
    let entries = record.campaigns.values().flat_map(|s| &s.entries);
    went.enrollments += entries.filter(|e| e.state.is_open()).count() as u64;
    went.messages += record.messages.len() as u64;
    record.campaigns.clear();
    record.messages.clear();
    if went.coupons_back {
        record.coupons.clear();
    }
    record.sent = SentMessages::default();
    record.goals = Goals::default();
    record.hours = Default::default();
    record.alarm = None;
    // Built for other rules than those in force, and not for none: it is met by the walk as one that was known before
    // the campaigns started. Numbers of messages go on, so that no Message-ID is given twice.
    record.rules = 1;
    record.walked = Timestamp::EARLIEST;
}

async fn clear_mailboxes(store: &dyn Store, went: &mut WentLive) -> Result<(), Refused> {
    let mut after = None;
    loop {
        let range = keys::mailboxes_after(after.as_ref());
        let found =
            (store.scan(range, Direction::Forward, CHUNK).await).map_err(BatchError::from)?;
        let mut puts = Vec::new();
        for (key, value) in &found {
            after = keys::read_mailbox(key);
            match decode::<Mailbox>(&value.value) {
                Ok(mailbox) if mailbox.places.is_empty() => {}
                Ok(mut mailbox) => {
                    mailbox.places.clear();
                    went.mailboxes += 1;
                    puts.push((key.clone(), encode(&mailbox)));
                }
                Err(error) => went.unreadable.push(Unreadable {
                    what: match &after {
                        Some(MailboxId(address)) => format!("address {}", mask(address)),
                        None => "an address".to_owned(),
                    },
                    why: error.to_string(),
                }),
            }
        }
        if !puts.is_empty() {
            put(store, puts, Vec::new()).await?;
        }
        if found.len() < CHUNK || after.is_none() {
            return Ok(());
        }
    }
}

/// Every key that says of what was begun when it goes on, and how far schedules and walks have come.
async fn clear_keys(store: &dyn Store) -> Result<(), Refused> {
    clear_range(store, keys::quotas_all()).await?;
    for shard in ShardNo::all() {
        for range in [
            keys::alarms_all(shard),
            keys::due_all(shard),
            keys::occurrences_all(shard),
            keys::outbox_all(shard),
            keys::attempting_all(shard),
            keys::parked_all(shard),
            keys::hourly_all(shard),
        ] {
            clear_range(store, range).await?;
        }
    }
    put(store, Vec::new(), ShardNo::all().map(keys::walk).collect()).await
}

async fn clear_range(store: &dyn Store, range: KeyRange) -> Result<(), Refused> {
    loop {
        let found = store.scan(range.clone(), Direction::Forward, CHUNK).await;
        let found = found.map_err(BatchError::from)?;
        let few = found.len() < CHUNK;
        let deletes: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        if !deletes.is_empty() {
            put(store, Vec::new(), deletes).await?;
        }
        if few {
            return Ok(());
        }
    }
}
