//! Playing the sample shop: its past taken in as history, its last days lived through on a virtual clock.

use super::super::failure::Failure;
use super::super::screen::Screen;
use crate::clock::Clock;
use crate::domain::cause::Liveness;
use crate::domain::time::{Span, Timestamp};
use crate::engine::Core;
use crate::engine::intake::{Counter, Inbound, Options, Reading, Rows};
use crate::engine::sample::{Sample, generate};
use indicatif::ProgressBar;
use std::sync::Arc;

/// The clock moves in so many steps a day.
pub const STEPS: u64 = 96;
/// Rows taken in at once.
const CHUNK: usize = 5_000;

/// The shop's rows, in order of time.
pub struct Shop {
    history: Vec<Inbound>,
    /// What happens while the days pass, the latest first.
    to_come: Vec<Inbound>,
    counter: Counter,
}

impl Shop {
    /// What happened before `start` is history.
    pub fn make(sample: Sample, start: Timestamp) -> Result<Shop, Failure> {
        let mut text = Vec::new();
        // Writing into memory does not fail; a row of ours that is not understood is a mistake of ours.
        generate(sample, &mut text)
            .map_err(|e| Failure::failed(format!("the shop can't be made: {e}")))?;
        let reading = Reading {
            consent_source: "sample shop".to_owned(),
            ..Reading::new(sample.until)
        };
        let rows = Rows::open(text.as_slice(), Options::new(reading))
            .map_err(|e| Failure::failed(e.to_string()))?;
        let mut shop = Shop {
            history: Vec::new(),
            to_come: Vec::new(),
            counter: Counter::new(),
        };
        for (_, row) in rows {
            let row = row.map_err(|e| Failure::failed(format!("the sample shop: {e}")))?;
            match row.raw_time {
                Some(at) if at >= start => shop.to_come.push(row),
                _ => shop.history.push(row),
            }
        }
        shop.to_come
            .sort_by_key(|row| std::cmp::Reverse(row.raw_time));
        Ok(shop)
    }

    async fn take(
        &mut self,
        core: &Core,
        rows: Vec<Inbound>,
        liveness: Liveness,
    ) -> Result<(), Failure> {
        let salt = core.catalogue().rules.salt;
        let mut works = Vec::with_capacity(rows.len());
        for row in rows {
            let identity = self.counter.identify(&salt, &row.customer, &row.identity);
            works.push((row, identity));
        }
        for done in core.ingest(works, liveness).await {
            done?;
        }
        Ok(())
    }
}

/// Takes the past in; says how many rows it was.
pub async fn history(core: &Arc<Core>, shop: &mut Shop, screen: Screen) -> Result<u64, Failure> {
    let rows = std::mem::take(&mut shop.history);
    let total = rows.len() as u64;
    let bar = screen.progress(total, "a year of customers and orders");
    let import = core.import_begin("the sample shop").await?;
    let mut rows = rows.into_iter();
    loop {
        let chunk: Vec<Inbound> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        bar.inc(chunk.len() as u64);
        shop.take(core, chunk, Liveness::History).await?;
    }
    core.import_end(import).await?;
    bar.finish_and_clear();
    Ok(total)
}

/// Lives through 24 hours from `from`.
pub async fn day(
    core: &Arc<Core>,
    shop: &mut Shop,
    clock: &Clock,
    from: Timestamp,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let step = Span(Span::days(1).0 / STEPS as i64);
    let mut now = from;
    for _ in 0..STEPS {
        now = now + step;
        clock.advance_to(now);
        let mut live = Vec::new();
        while let Some(row) = shop
            .to_come
            .pop_if(|r| r.raw_time.is_none_or(|at| at <= now))
        {
            live.push(row);
        }
        if !live.is_empty() {
            shop.take(core, live, Liveness::Live).await?;
        }
        core.tick().await?;
        core.outbox.wait_idle().await;
        bar.inc(1);
    }
    Ok(())
}
