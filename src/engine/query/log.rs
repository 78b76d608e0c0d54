//! The send log, as people and programs read it: the shop's own ids, our Message-IDs, filters, pages.

use crate::domain::chance::{self, Salt};
use crate::domain::explain::{rfc3339, rfc3339_or_null};
use crate::domain::goal::amount;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, MessageRef};
use crate::domain::ledger::{LogRow, Status};
use crate::domain::time::{Span, Timestamp};
use crate::engine::batch::BatchError;
use crate::engine::copies::NOBODY;
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::{CustomerState, id_of_stored};
use crate::store::codec::decode;
use crate::store::{Row, Stream, StreamFilter, keys};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};

/// So many rows are read from the store at once.
const PAGE: usize = 10_000;

/// Which rows are wanted; what is `None` is not asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogFilter {
    pub customer: Option<CustomerId>,
    pub campaign: Option<CampaignId>,
    /// With or without angle brackets; the part before the "@" suffices.
    pub message_id: Option<String>,
    pub status: Option<Status>,
    /// Rows in [from, to).
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// The last so many.
    pub limit: Option<usize>,
}

/// One row of the send log.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LogView {
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// As in the mail's own header, without angle brackets; none where the row speaks of an enrollment.
    pub message_id: Option<String>,
    /// The shop's own id.
    pub customer: String,
    pub campaign: String,
    pub step: Option<String>,
    pub variant: Option<String>,
    pub status: &'static str,
    /// The reason's code.
    pub reason: &'static str,
    pub detail: String,
    /// 0 before the first.
    pub attempt: u32,
    /// Of a message that left or was held out, where its campaign has a goal: until when an event is credited to it.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub goal_until: Option<Timestamp>,
    /// Of an event that was credited; negative where it was taken back.
    pub value: Option<f64>,
}

/// The log, page by page, oldest first.
pub struct LogPages<'a> {
    core: &'a Core,
    filter: LogFilter,
    stream: Option<StreamFilter>,
    message: Option<(MessageNo, String)>,
    salt: Salt,
    ids: HashMap<CustomerNo, CustomerId>,
}

impl Core {
    /// The rows that the filter takes, newest last; of more than `limit` the last ones.
    pub async fn log(&self, filter: &LogFilter) -> Result<Vec<LogView>, Refused> {
        let Some(limit) = filter.limit else {
            let mut all = Vec::new();
            let mut pages = self.log_pages(filter).await?;
            while let Some(page) = pages.next().await? {
                all.extend(page);
            }
            return Ok(all);
        };
        // Most who ask for the last rows mean recent ones: the latest days are looked at first.
        let now = self.clock.now();
        for days in [1, 30, i64::MAX] {
            let from = match days {
                i64::MAX => filter.from,
                days => filter.from.max(Some(now - Span::days(days))),
            };
            let narrowed = LogFilter {
                from,
                ..filter.clone()
            };
            let mut last: VecDeque<Row> = VecDeque::new();
            let mut pages = self.log_pages(&narrowed).await?;
            while let Some(page) = pages.rows().await? {
                last.extend(page);
                last.drain(..last.len().saturating_sub(limit));
            }
            if last.len() == limit || from == filter.from {
                return pages.views(last.into()).await;
            }
        }
        Ok(Vec::new())
    }

    /// The same, page by page, for logs that are long; `limit` is not heeded.
    pub async fn log_pages(&self, filter: &LogFilter) -> Result<LogPages<'_>, Refused> {
        let mut stream = StreamFilter {
            from_time: filter.from.map_or(i64::MIN, Timestamp::millis),
            to_time: filter.to.map_or(i64::MAX, Timestamp::millis),
            limit: PAGE,
            ..StreamFilter::default()
        };
        let mut known = true;
        if let Some(id) = &filter.customer {
            // What happened before a merge stands under the numbers of that time.
            stream.customers = self.whom(id).await?.map(|(no, record)| {
                let mut all: Vec<u64> = (record.as_ref())
                    .map_or_else(|| vec![no.0], |r| r.numbers().map(|n| n.0).collect());
                all.sort_unstable();
                all
            });
            known = stream.customers.is_some();
        }
        let mut message = None;
        if let Some(text) = &filter.message_id {
            let local = text.trim().trim_start_matches('<');
            let local = local.split(['@', '>']).next().unwrap_or(local).to_owned();
            let numbers = read_message_id(&local);
            let of_other = |no: u64| stream.customers.as_ref().is_some_and(|c| !c.contains(&no));
            match numbers {
                Some(m) if !of_other(m.customer.0) => {
                    stream.customers = Some(vec![m.customer.0]);
                    message = Some((m.message, local));
                }
                _ => known = false,
            }
        }
        Ok(LogPages {
            core: self,
            filter: filter.clone(),
            stream: known.then_some(stream),
            message,
            salt: self.catalogue().rules.salt,
            ids: HashMap::new(),
        })
    }
}

impl LogPages<'_> {
    /// The next rows that the filter takes; none at the end. A page may be empty.
    pub async fn next(&mut self) -> Result<Option<Vec<LogView>>, Refused> {
        match self.rows().await? {
            Some(rows) => Ok(Some(self.views(rows).await?)),
            None => Ok(None),
        }
    }

    async fn rows(&mut self) -> Result<Option<Vec<Row>>, Refused> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let rows = (self.core.store)
            .read_stream(Stream::Log, stream.clone())
            .await
            .map_err(BatchError::from)?;
        match rows.last() {
            Some(last) if rows.len() == stream.limit => stream.from_position = last.position + 1,
            _ => self.stream = None,
        }
        let mut taken = Vec::new();
        for row in rows {
            if self.takes(&row)? {
                taken.push(row);
            }
        }
        Ok(Some(taken))
    }

    fn takes(&self, row: &Row) -> Result<bool, BatchError> {
        let filter = &self.filter;
        if filter.campaign.is_none() && filter.status.is_none() && self.message.is_none() {
            return Ok(true);
        }
        let row: LogRow = decode(&row.payload)?;
        let of_message = |(no, local): &(MessageNo, String)| {
            row.message == Some(*no) && self.local_part(&row).as_ref() == Some(local)
        };
        Ok(filter.campaign.as_ref().is_none_or(|c| *c == row.campaign)
            && filter.status.is_none_or(|s| s == row.status)
            && self.message.as_ref().is_none_or(of_message))
    }

    fn local_part(&self, row: &LogRow) -> Option<String> {
        let message = MessageRef {
            customer: row.customer,
            message: row.message?,
        };
        Some(chance::message_id(&self.salt, message))
    }

    async fn views(&mut self, rows: Vec<Row>) -> Result<Vec<LogView>, Refused> {
        let mut unknown: Vec<CustomerNo> = (rows.iter().map(|r| CustomerNo(r.customer)))
            .filter(|no| !self.ids.contains_key(no))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        let found = (self.core.store)
            .get_many(unknown.iter().map(|no| keys::record(*no)).collect())
            .await
            .map_err(BatchError::from)?;
        for (no, value) in unknown.into_iter().zip(found) {
            if let Some(value) = value {
                let id = match id_of_stored(&value.value) {
                    Some(id) => id,
                    None => {
                        decode::<CustomerState>(&value.value)
                            .map_err(BatchError::from)?
                            .record
                            .id
                    }
                };
                self.ids.insert(no, id);
            }
        }
        let from = &self.core.from.sender.from.address;
        let mut views = Vec::with_capacity(rows.len());
        for stored in rows {
            let row: LogRow = decode(&stored.payload).map_err(BatchError::from)?;
            let message_id = (self.local_part(&row)).map(|l| format!("{l}@{}", from.domain()));
            // A row whose record is gone still names its customer, by number.
            let customer = (self.ids.get(&row.customer))
                .map_or_else(|| numbered(row.customer), |id| id.to_string());
            views.push(LogView {
                time: row.time,
                message_id,
                customer,
                campaign: row.campaign.to_string(),
                step: row.step.map(|s| s.to_string()),
                variant: row.variant,
                status: row.status.as_str(),
                reason: row.reason.code(),
                detail: row.detail,
                attempt: row.attempt,
                goal_until: row.goal_until,
                value: row.value.map(amount),
            });
        }
        Ok(views)
    }
}

/// Copies for people of the shop are no customer's.
fn numbered(customer: CustomerNo) -> String {
    match customer {
        NOBODY => "-".to_owned(),
        CustomerNo(no) => format!("#{no}"),
    }
}

/// The numbers in the local part of one of our Message-IDs ([`chance::message_id`]); its proof is not looked at.
pub(super) fn read_message_id(local: &str) -> Option<MessageRef> {
    let mut parts = local.split('.');
    let customer = u64::from_str_radix(parts.next()?, 16).ok()?;
    let message = u32::from_str_radix(parts.next()?, 16).ok()?;
    Some(MessageRef {
        customer: CustomerNo(customer),
        message: MessageNo(message),
    })
}
