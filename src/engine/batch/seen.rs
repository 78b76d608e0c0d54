//! Identities of what was taken in: whether one is known, and the pages beside the record that hold the older ones.

use crate::domain::id::CustomerNo;
use crate::engine::state::Seen;
use std::collections::HashSet;

use super::overlay::Overlay;
use super::{BatchError, Surroundings};

impl Overlay {
    pub(super) async fn is_known(
        &mut self,
        around: &Surroundings<'_>,
        no: CustomerNo,
        identity: u64,
    ) -> Result<bool, BatchError> {
        let Some(state) = self.customers.get(&no).and_then(|c| c.state.as_ref()) else {
            return Ok(false);
        };
        if state.seen.recent.contains(&identity) {
            return Ok(true);
        }
        let Some(page) = state.seen.page_of(identity) else {
            return Ok(false);
        };
        self.load_pages(around, HashSet::from([(no, page)])).await?;
        Ok(self
            .pages
            .get(&(no, page))
            .is_some_and(|p| p.page.0.contains(&identity)))
    }

    /// From now on this identity is known.
    pub(super) async fn meet(
        &mut self,
        around: &Surroundings<'_>,
        no: CustomerNo,
        identity: u64,
    ) -> Result<(), BatchError> {
        let Some(customer) = self.customers.get_mut(&no) else {
            return Ok(());
        };
        let Some(state) = customer.state.as_mut() else {
            return Ok(());
        };
        customer.changed = true;
        state.seen.recent.push(identity);
        match state.seen.recent.len() > Seen::RECENT {
            true => self.spill(around, no).await,
            false => Ok(()),
        }
    }

    /// Moves the identities that the record holds to the pages beside it; pages that have grown full are doubled.
    pub(super) async fn spill(
        &mut self,
        around: &Surroundings<'_>,
        no: CustomerNo,
    ) -> Result<(), BatchError> {
        let Some(state) = self.customers.get(&no).and_then(|c| c.state.as_ref()) else {
            return Ok(());
        };
        let all: HashSet<_> = (0..state.seen.pages).map(|p| (no, p)).collect();
        self.load_pages(around, all).await?;
        if self.unreadable.contains_key(&no) {
            // Nothing is forgotten: the record goes on holding them until the pages can be read.
            return Ok(());
        }
        let Some(state) = self.customers.get_mut(&no).and_then(|c| c.state.as_mut()) else {
            return Ok(());
        };
        let moved = std::mem::take(&mut state.seen.recent);
        let (old, spilled) = (state.seen.pages, state.seen.spilled + moved.len() as u32);
        let mut pages = old.max(1);
        while spilled > pages * Seen::PAGE {
            pages *= 2;
        }
        state.seen.pages = pages;
        state.seen.spilled = spilled;
        let mut identities = moved;
        if pages != old {
            for page in 0..old {
                if let Some(p) = self.pages.get_mut(&(no, page)) {
                    identities.append(&mut p.page.0);
                    p.changed = true;
                }
            }
        }
        for identity in identities {
            let page = (identity % u64::from(pages)) as u32;
            let page = self.pages.entry((no, page)).or_default();
            page.page.0.push(identity);
            page.changed = true;
        }
        Ok(())
    }
}
