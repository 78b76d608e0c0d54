//! Merging: an anonymous customer turns out to be a known one (Segment's `alias`, or an `identify` that names both ids).
//!
//! Only an anonymous customer is merged into another: two whom the shop knows by ids of its own stay two, since nobody
//! could take such a merge apart again. What moves, and what stays until it is settled, is decided by
//! [`crate::domain::react`]; here the two are found, and the merge is acknowledged when the target has taken all in, so
//! that a refusal told to the source binds from then on.

use super::batch::{BatchError, Work};
use super::core::Core;
use super::shard::{Order, Refused};
use crate::domain::cause::{Cause, Liveness};
use crate::domain::id::{CustomerId, CustomerNo};
use crate::domain::record::Record;
use tokio::sync::oneshot;

/// What became of an alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merged {
    /// The previous id was never heard of: it is another name for the customer from now on.
    Linked,
    /// The anonymous customer was merged into the other.
    Absorbed,
    /// Both ids were one customer's already.
    Already,
}

/// Why two ids do not become one customer's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AliasError {
    #[error(
        "{:?} is a customer of the shop's own, and only anonymous customers are merged into others",
        .0.as_str()
    )]
    NotAnonymous(CustomerId),
    #[error("{:?} belongs to another customer already", .0.as_str())]
    BelongsToAnother(CustomerId),
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<BatchError> for AliasError {
    fn from(error: BatchError) -> Self {
        AliasError::Refused(error.into())
    }
}

impl Core {
    /// Makes `previous` a name of the customer `user`, who need not have been heard of. Whoever `previous` was before, if
    /// anonymous, is merged into that customer; when this returns, all that they had is there. Doing it again changes
    /// nothing, so what was cut off may be repeated.
    pub async fn alias(
        &self,
        previous: &CustomerId,
        user: &CustomerId,
    ) -> Result<Merged, AliasError> {
        // Nobody is forgotten half merged.
        let _none_forgotten = self.forgetting.read().await;
        let target = self.directory.resolve(std::slice::from_ref(user)).await?;
        let Some(target) = target.into_iter().next() else {
            return Err(Refused::Data("no number was given".into()).into());
        };
        let known = self.directory.find(std::slice::from_ref(previous)).await?;
        match known.into_iter().next().flatten() {
            Some(source) if source == target => Ok(Merged::Already),
            Some(source) => self.merge(previous, source, user, target).await,
            None => {
                let target = self.make_known(user, target).await?;
                let source = self.directory.link(previous, target).await?;
                if source == target {
                    return Ok(Merged::Linked);
                }
                // Somebody else heard of it first.
                self.merge(previous, source, user, target).await
            }
        }
    }

    async fn merge(
        &self,
        previous: &CustomerId,
        source: CustomerNo,
        user: &CustomerId,
        target: CustomerNo,
    ) -> Result<Merged, AliasError> {
        let target = self.make_known(user, target).await?;
        // Only what is anonymous is merged, so a circle needs an anonymous target.
        let of_known = |record: &Record| !record.id.is_anonymous();
        let known = self.record(target).await?.is_some_and(|r| of_known(&r));
        let _alone = match known {
            true => None,
            false => Some(self.merging.lock().await),
        };
        let first = source;
        let (source, was) = self.follow(source).await?;
        let (target, _) = self.follow(target).await?;
        if source == target {
            // A merge that was cut off may still be on its way: it ends before it is called done.
            self.collect(first).await?;
            self.directory.relink(previous, target).await?;
            return Ok(Merged::Already);
        }
        // A number without a record is that of the id itself.
        let id = was.map_or_else(|| previous.clone(), |record| record.id);
        if !id.is_anonymous() {
            return Err(match previous.is_anonymous() {
                true => AliasError::BelongsToAnother(previous.clone()),
                false => AliasError::NotAnonymous(previous.clone()),
            });
        }
        let work = Work {
            customer: source,
            id: Some(id),
            cause: Cause::Merge { into: target },
            mail: None,
        };
        self.shard(source).act(work).await?;
        // Somebody else may have merged it elsewhere meanwhile.
        let moved_to = self.record(source).await?.and_then(|r| r.moved_to);
        if moved_to.is_none() {
            let why = "the merge could not be reacted to; it is kept for the developers";
            return Err(Refused::Data(why.into()).into());
        }
        if moved_to != Some(target) {
            return Err(AliasError::BelongsToAnother(previous.clone()));
        }
        self.collect(first).await?;
        // From now on the id leads there at once.
        self.directory.relink(previous, target).await?;
        Ok(Merged::Absorbed)
    }

    /// Returns when what this customer handed over has taken effect at the end of the chain. Who moved on meanwhile sends
    /// letters after, so each on the way reads theirs before the next one.
    async fn collect(&self, from: CustomerNo) -> Result<(), AliasError> {
        let mut at = self.record(from).await?.and_then(|r| r.moved_to);
        while let Some(no) = at {
            let (answer, answered) = oneshot::channel();
            let order = Order::Collect(no, Some(answer));
            self.shard(no).order(order).await;
            answered.await.unwrap_or(Err(Refused::Stopping))?;
            at = self.record(no).await?.and_then(|r| r.moved_to);
        }
        Ok(())
    }

    /// The customer of this number, or whom they were merged into; made known under `id` if nothing is known of them yet.
    async fn make_known(&self, id: &CustomerId, no: CustomerNo) -> Result<CustomerNo, AliasError> {
        let (no, record) = self.follow(no).await?;
        if record.is_none() {
            let work = Work {
                customer: no,
                id: Some(id.clone()),
                cause: Cause::Profile(Box::default(), Liveness::Live),
                mail: None,
            };
            self.shard(no).act(work).await?;
        }
        Ok(no)
    }

    /// Whom this number leads to: chains of merges are followed to their end.
    pub(in crate::engine) async fn follow(
        &self,
        no: CustomerNo,
    ) -> Result<(CustomerNo, Option<Record>), BatchError> {
        let mut at = no;
        loop {
            let record = self.record(at).await?;
            match record.as_ref().and_then(|r| r.moved_to) {
                Some(to) => at = to,
                None => return Ok((at, record)),
            }
        }
    }

    /// Whom this number leads to, as they stand.
    pub async fn person(&self, no: CustomerNo) -> Result<Option<Record>, BatchError> {
        Ok(self.follow(no).await?.1)
    }

    /// The customer of this id, whoever they were merged into; with the record, if anything is known of them.
    pub async fn whom(
        &self,
        id: &CustomerId,
    ) -> Result<Option<(CustomerNo, Option<Record>)>, BatchError> {
        let found = self.directory.find(std::slice::from_ref(id)).await?;
        match found.into_iter().next().flatten() {
            Some(no) => self.follow(no).await.map(Some),
            None => Ok(None),
        }
    }

    async fn record(&self, no: CustomerNo) -> Result<Option<Record>, BatchError> {
        Ok(self.customer(no).await?.map(|state| state.record))
    }
}
