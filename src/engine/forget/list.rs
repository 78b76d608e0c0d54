//! The list of erasures, as it stands in a file beside the store's: numbers, keyed hashes and instants, no id and no
//! address. A backup of before an erasure brings the customer back when it is restored; by this list they are forgotten
//! again before anything is sent.
//!
//! Customers are found by the hash of their id, never by a number: in a restored store a number may be given to another.

use super::rows::{Erasure, Hash};
use crate::domain::id::{CustomerId, CustomerNo};
use crate::domain::time::Timestamp;
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::Number;
use crate::store::codec::decode;
use crate::store::keys;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::gather::Pages;

/// By number: an id of theirs, and since when they are forgotten.
type Named = BTreeMap<CustomerNo, (CustomerId, Timestamp)>;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    format: u32,
    /// Tells by which store's key the hashes were made.
    key: String,
    erasures: Vec<Listed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Milliseconds since 1970.
    at: i64,
    numbers: Vec<u64>,
    ids: Vec<String>,
    addresses: Vec<String>,
}

/// What a list led to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Applied {
    /// Erasures that the store did not know of.
    pub unknown: u64,
    /// Customers that it still held, and that are forgotten again.
    pub forgotten: u64,
}

/// Why a list could not be applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ListError {
    /// It is none, or another store's.
    #[error("the list of erasures cannot be used: {0}")]
    Unfit(String),
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Several lists as one: of stores that were the same once. An error where one is none, or another key's.
pub fn joined(lists: &[Vec<u8>]) -> Result<Option<Vec<u8>>, String> {
    let mut all: Option<List> = None;
    for list in lists {
        let list: List = serde_json::from_slice(list).map_err(|e| e.to_string())?;
        match &mut all {
            None => all = Some(list),
            Some(known) if (known.format, &known.key) == (list.format, &list.key) => {
                known.erasures.extend(list.erasures);
            }
            Some(_) => return Err("they were made by different stores".to_owned()),
        }
    }
    let joined = all.map(|list| serde_json::to_vec_pretty(&list));
    joined.transpose().map_err(|e| e.to_string())
}

impl Core {
    /// All erasures, as a list to be kept outside the store's own files.
    pub async fn erasure_list(&self) -> Result<Vec<u8>, Refused> {
        let listed = |(_, row): (u64, Erasure)| Listed {
            at: row.at.millis(),
            numbers: row.numbers,
            ids: row.ids.iter().map(hex).collect(),
            addresses: row.addresses.iter().map(hex).collect(),
        };
        let list = List {
            format: FORMAT,
            key: self.forgotten.fingerprint().to_owned(),
            erasures: self.erasure_rows().await?.into_iter().map(listed).collect(),
        };
        serde_json::to_vec_pretty(&list).map_err(|e| Refused::Data(e.to_string()))
    }

    /// Forgets again whoever the list names and the store does not know as forgotten. Nothing must have been sent since
    /// the store was opened.
    pub async fn apply_erasures(&self, list: &[u8]) -> Result<Applied, ListError> {
        let bad = ListError::Unfit;
        let list: List = serde_json::from_slice(list).map_err(|e| bad(e.to_string()))?;
        if list.format != FORMAT {
            let what = format!(
                "it has format {}, and this version reads {FORMAT}",
                list.format
            );
            return Err(bad(what));
        }
        let mut missing = Vec::new();
        for listed in list.erasures {
            let row = listed
                .row()
                .ok_or_else(|| bad("a hash is none".to_owned()))?;
            let known = row.ids.iter().map(|hash| keys::forgotten_id(hash));
            let known = self.store.get_many(known.collect()).await;
            let known = known.map_err(|e| Refused::from(super::BatchError::from(e)))?;
            if known.iter().any(Option::is_none) {
                missing.push(row);
            }
        }
        if missing.is_empty() {
            return Ok(Applied::default());
        }
        if list.key != self.forgotten.fingerprint() {
            return Err(bad(
                "it was made by another store's key, and nobody can be found by it; forget those customers again by hand"
                    .to_owned(),
            ));
        }
        let _alone = self.forgetting.write().await;
        let mut applied = Applied {
            unknown: missing.len() as u64,
            ..Applied::default()
        };
        let mut gone: BTreeSet<u64> = BTreeSet::new();
        for (no, (id, at)) in self.named_by(&missing).await? {
            // With one of them others go who were merged with them.
            if !gone.contains(&no.0) {
                gone.extend(self.forget_number(&id, no, at).await?.numbers);
                applied.forgotten += 1;
            }
        }
        for row in missing {
            // Ids and addresses of which this store has not heard yet must not come in either. No number: here it may
            // be, or come to be, another customer's.
            let rest = Erasure {
                numbers: Vec::new(),
                erased: Some(row.at),
                ..row
            };
            self.write_erasure(&rest).await?;
            self.forgotten.note(&[]);
        }
        Ok(applied)
    }

    /// Customers whom the store still holds and who are on the list, with the instant at which they were forgotten.
    async fn named_by(&self, rows: &[Erasure]) -> Result<Named, Refused> {
        let wanted: BTreeMap<Hash, Timestamp> = (rows.iter())
            .flat_map(|row| row.ids.iter().map(|hash| (*hash, row.at)))
            .collect();
        let mut named = Named::new();
        let mut pages = Pages::of(&*self.store, keys::ids_after(None));
        while let Some(found) = pages.next().await? {
            for (key, value) in found {
                if let Some(id) = keys::read_id(&key)
                    && let Some(at) = wanted.get(&self.forgotten.of_id(&id))
                    && let Ok(Number(no)) = decode(&value.value)
                {
                    named.insert(CustomerNo(no), (id, *at));
                }
            }
        }
        Ok(named)
    }
}

impl Listed {
    fn row(&self) -> Option<Erasure> {
        let hashes =
            |texts: &[String]| -> Option<Vec<Hash>> { texts.iter().map(|t| unhex(t)).collect() };
        Some(Erasure {
            at: Timestamp(self.at),
            numbers: self.numbers.clone(),
            ids: hashes(&self.ids).filter(|ids| !ids.is_empty())?,
            addresses: hashes(&self.addresses)?,
            begun: None,
            erased: None,
        })
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}
