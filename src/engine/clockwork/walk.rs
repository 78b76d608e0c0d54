//! The walk: every record of the shard, in the order of their numbers, is brought up to date with the rules.

use crate::domain::cause::Cause;
use crate::domain::id::CampaignId;
use crate::engine::batch::Work;
use crate::engine::shard::{Notice, Refused, Shard};
use crate::store::codec::encode;
use crate::store::keys;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CHUNK, add_existing};

impl Shard {
    /// One chunk of the walk: records in the order of their numbers are brought up to date with the rules.
    pub(in crate::engine) async fn walk_chunk(&mut self) -> Result<(), Refused> {
        let range = keys::records_after(self.no, self.clockwork.walk.cursor);
        let customers = self.chunk(range, keys::read_record).await?;
        let works: Vec<Work> = customers
            .iter()
            .map(|no| Shard::work(*no, Cause::Walk))
            .collect();
        let mut walk = self.clockwork.walk.clone();
        walk.version = self.rules.version;
        walk.walked += works.len() as u64;
        walk.cursor = customers.last().copied().or(walk.cursor);
        walk.done = customers.len() < CHUNK;
        let key = keys::walk(self.no);
        let rules = Arc::clone(&self.rules);
        let with = |existing: &BTreeMap<CampaignId, u64>| {
            let mut walk = walk.clone();
            add_existing(&mut walk, &rules, existing);
            walk
        };
        let done = self
            .process(&works, &|done| {
                vec![(key.clone(), encode(&with(&done.existing)))]
            })
            .await?;
        self.clockwork.walk = with(&done.existing);
        self.clockwork.ticked.walked += works.len() as u64;
        if self.clockwork.walk.done {
            self.clockwork.walk_wanted = false;
            self.notice(Notice::Walked {
                shard: self.no,
                version: self.clockwork.walk.version,
                existing: self.clockwork.walk.existing.clone(),
            });
        }
        Ok(())
    }
}
