//! What a restored backup, or a copy, must not do again: give out numbers that the store it was made from may have given
//! since. Links in mails carry customers' and messages' numbers, and Message-IDs are made of them; a number given twice
//! would open a stranger's page, and unsubscribe them.
//!
//! Both numbers go on from the instant of the opening: no store gives a million customers, or a customer one message, in
//! each second of its life, so whatever was given before lies below, in however many restored stores.

use super::batch::BatchError;
use super::directory::{COUNTER, LEFT_OUT};
use super::shard::Refused;
use super::state::Number;
use crate::domain::time::Timestamp;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Store, StoreError, keys};

const FIRST_MESSAGE: &str = "first_message";
/// Customers a second.
const CUSTOMERS: u64 = 1 << 20;
/// Where the clock is behind an earlier leap: at least so much further.
const FURTHER: u64 = 1 << 32;
const MESSAGES_FURTHER: u64 = 1 << 16;

/// Leaps over all numbers that may have been given since the backup. To be called at each opening of a store that says of
/// itself that it is restored, before anything is taken in; doing it again does no harm.
pub async fn leap(store: &dyn Store, now: Timestamp) -> Result<(), Refused> {
    let seconds = u64::try_from(now.millis() / 1_000).unwrap_or(0);
    let names = [COUNTER, LEFT_OUT, FIRST_MESSAGE].map(keys::house);
    loop {
        let found = store.get_many(names.to_vec()).await;
        let found = found.map_err(BatchError::from)?;
        let mut numbers = [1, 0, 0];
        for (number, value) in numbers.iter_mut().zip(&found) {
            if let Some(value) = value {
                *number = decode::<Number>(&value.value).map_err(BatchError::from)?.0;
            }
        }
        let [next, left_out, first_message] = numbers;
        let leapt = (next.saturating_add(FURTHER)).max(seconds.saturating_mul(CUSTOMERS));
        let further = first_message.saturating_add(MESSAGES_FURTHER);
        let numbers = [
            leapt,
            left_out + (leapt - next),
            // The last numbers are left to the customers who are there.
            further.max(seconds).min(u64::from(u32::MAX / 2)),
        ];
        let checks = names.iter().zip(&found).map(|(key, value)| Check {
            key: key.clone(),
            expected: value.as_ref().map(|value| value.revision),
        });
        let puts = names
            .iter()
            .cloned()
            .zip(numbers.map(|n| encode(&Number(n))));
        let batch = Batch {
            checks: checks.collect(),
            puts: puts.collect(),
            urgent: true,
            ..Batch::default()
        };
        match store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(BatchError::from(error).into()),
        }
    }
}

/// No message gets a lower number from now on.
pub(super) async fn first_message(store: &dyn Store) -> Result<u32, Refused> {
    let found = store.get_many(vec![keys::house(FIRST_MESSAGE)]).await;
    let found = found.map_err(BatchError::from)?.into_iter().next();
    Ok(match found.flatten() {
        Some(value) => {
            let Number(first) = decode(&value.value).map_err(BatchError::from)?;
            u32::try_from(first).unwrap_or(u32::MAX / 2)
        }
        None => 0,
    })
}
