//! What has been taken of the campaigns' quotas, as it stands in the store.
//!
//! Every commit that rests on one checks it, and one that takes a place writes it together with the entry: so an entry
//! counts once, whichever shard lets it in and whatever crashes.

use super::batch::BatchError;
use crate::domain::campaign::Campaign;
use crate::domain::id::CampaignId;
use crate::domain::quota::Taken;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::store::codec::{Stored, decode};
use crate::store::{Batch, Check, Store, StoreError, keys};
use std::collections::BTreeMap;

impl Stored for Taken {
    const WHAT: &'static str = "quota";
    const VERSION: u8 = 1;
}

/// One, as read.
#[derive(Clone)]
pub(super) struct Stood {
    pub taken: Taken,
    /// What a commit that rests on it checks.
    pub checks: Vec<Check>,
}

/// The campaigns whose quota is a number.
pub(super) fn numbered(rules: &Rules) -> impl Iterator<Item = &Campaign> {
    let campaigns = rules.campaigns.values().map(|campaign| &**campaign);
    campaigns.filter(|campaign| campaign.quota().is_some_and(|quota| quota.is_number()))
}

/// Reads all of them.
pub(super) async fn read(
    store: &dyn Store,
    rules: &Rules,
) -> Result<BTreeMap<CampaignId, Stood>, BatchError> {
    let mut all = BTreeMap::new();
    for campaign in numbered(rules) {
        all.insert(campaign.id.clone(), read_one(store, rules, campaign).await?);
    }
    Ok(all)
}

/// Reads one. Of a renamed campaign that has none under its new name yet, what stands under the one before goes on.
pub(super) async fn read_one(
    store: &dyn Store,
    rules: &Rules,
    campaign: &Campaign,
) -> Result<Stood, BatchError> {
    let former = (campaign.renamed_from.iter()).filter(|old| !rules.campaigns.contains_key(*old));
    let mut names: Vec<&CampaignId> = vec![&campaign.id];
    names.extend(former);
    let wanted: Vec<_> = names.into_iter().map(keys::quota).collect();
    let found = store.get_many(wanted.clone()).await?;
    let mut stood = Stood {
        taken: Taken::default(),
        checks: Vec::new(),
    };
    for (key, value) in wanted.into_iter().zip(found) {
        stood.checks.push(Check {
            key,
            expected: value.as_ref().map(|v| v.revision),
        });
        if let Some(value) = value {
            stood.taken = decode(&value.value).unwrap_or_else(|error| {
                tracing::error!(campaign = %campaign.id, %error, "what was taken of its quota cannot be read: nobody enters");
                exhausted()
            });
            break;
        }
    }
    Ok(stood)
}

/// What was taken under the former names of campaigns stands under the present ones from now on, so that it is known after
/// another rename too. To be called when nobody goes by the former names any more.
pub(super) async fn rename(store: &dyn Store, rules: &Rules) -> Result<(), BatchError> {
    for (old, new) in rules.renamed() {
        let wanted = vec![keys::quota(old), keys::quota(new)];
        loop {
            let found = store.get_many(wanted.clone()).await?;
            let [Some(was), is] = found.as_slice() else {
                break;
            };
            let revisions = [Some(was.revision), is.as_ref().map(|v| v.revision)];
            let checks = (wanted.iter().cloned().zip(revisions))
                .map(|(key, expected)| Check { key, expected })
                .collect();
            let put = (keys::quota(new), was.value.clone());
            let batch = Batch {
                checks,
                puts: is.is_none().then_some(put).into_iter().collect(),
                deletes: vec![keys::quota(old)],
                ..Batch::default()
            };
            match store.commit(batch).await {
                Ok(_) => break,
                // Somebody took a place meanwhile.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Nobody enters, in this period or any.
fn exhausted() -> Taken {
    Taken {
        total: u64::MAX,
        begins: Some(Timestamp::NEVER),
        count: u64::MAX,
        ..Taken::default()
    }
}
