//! What a batch writes. One function writes a record and all its index keys, so that no index can drift.

use crate::domain::id::{CustomerNo, MessageNo, MessageRef};
use crate::domain::preference::Class;
use crate::domain::record::{DueAt, Record};
use crate::domain::time::Timestamp;
use crate::store::codec::encode;
use crate::store::keys::{self, Queue};
use crate::store::{Batch, Check, Key};

use super::overlay::Overlay;
use super::{Done, Surroundings};

impl Overlay {
    /// What is to be written: one function writes a record and all its index keys.
    pub(super) fn into_batch(self, around: &Surroundings<'_>, done: &mut Done) -> Batch {
        let mut batch = Batch {
            epochs: vec![(around.shard.0, around.store.epoch())],
            puts: self.puts,
            deletes: self.deletes,
            appends: self.appends,
            urgent: around.urgent,
            ..Batch::default()
        };
        for (no, customer) in self.customers {
            let Some(state) = customer.state.filter(|_| customer.changed) else {
                continue;
            };
            write_index(
                no,
                customer.before.as_ref(),
                &state.record,
                &mut batch,
                done,
            );
            batch.puts.push((keys::record(no), encode(&state)));
        }
        for ((no, page), row) in self.pages {
            if row.changed {
                batch.puts.push((keys::seen(no, page), encode(&row.page)));
            }
        }
        for (no, witness) in self.witnesses {
            batch.checks.push(Check {
                key: keys::record(no),
                expected: witness.revision,
            });
        }
        for (id, changed) in self.asked_quotas {
            let checks = self.quota_checks.get(&id).into_iter().flatten();
            batch.checks.extend(checks.cloned());
            if let Some(taken) = self.quotas.get(&id).filter(|_| changed) {
                batch.puts.push((keys::quota(&id), encode(taken)));
            }
        }
        self.coupons.write(&mut batch);
        for (id, row) in self.mailboxes {
            let key = keys::mailbox(&id);
            // What was only read is checked too, absence included: an answer may rest on it.
            batch.checks.push(Check {
                key: key.clone(),
                expected: row.revision,
            });
            if row.changed {
                batch.puts.push((key, encode(&row.mailbox)));
            }
        }
        batch
    }
}

/// Writes the difference between two records' index keys.
fn write_index(
    no: CustomerNo,
    before: Option<&Record>,
    after: &Record,
    batch: &mut Batch,
    done: &mut Done,
) {
    let old = before.map(|r| r.index()).unwrap_or_default();
    let new = after.index();
    if old.alarm != new.alarm {
        batch
            .deletes
            .extend(old.alarm.map(|at| keys::alarm(at, no)));
        batch
            .puts
            .extend(new.alarm.map(|at| (keys::alarm(at, no), Vec::new())));
    }
    let message = |m| MessageRef {
        customer: no,
        message: m,
    };
    for (campaign, at) in &old.due {
        if !new.due.contains(&(*campaign, *at)) {
            batch.deletes.push(keys::due(no, campaign, *at));
        }
    }
    for (campaign, at) in &new.due {
        if !old.due.contains(&(*campaign, *at)) {
            let DueAt { zone, .. } = *at;
            done.due_added.insert(((*campaign).clone(), zone));
            batch.puts.push((keys::due(no, campaign, *at), Vec::new()));
        }
    }
    let outbox = |(class, at, m): &(Class, Timestamp, MessageNo)| {
        keys::outbox(Queue::of(*class), *at, message(*m))
    };
    for at in old.outbox.iter().filter(|at| !new.outbox.contains(at)) {
        batch.deletes.push(outbox(at));
    }
    for at in new.outbox.iter().filter(|at| !old.outbox.contains(at)) {
        batch.puts.push((outbox(at), Vec::new()));
    }
    let moved =
        |old: &[MessageNo], new: &[MessageNo], key: fn(MessageRef) -> Key, batch: &mut Batch| {
            for m in old.iter().filter(|m| !new.contains(m)) {
                batch.deletes.push(key(message(*m)));
            }
            for m in new.iter().filter(|m| !old.contains(m)) {
                batch.puts.push((key(message(*m)), Vec::new()));
            }
        };
    moved(&old.attempting, &new.attempting, keys::attempting, batch);
    moved(&old.parked, &new.parked, keys::parked, batch);
}
