//! Chance: a documented fixed hash, never a random generator, so that variants and paces are stable over restarts,
//! independent of each other, and nested as shares grow.
//!
//! The hash is XXH3-64 (seed 0) over the store's salt and the fields, each preceded by its length as 8 bytes, little
//! endian. The top 53 bits, divided by 2^53, are the draw in [0, 1).

use super::campaign::Step;
use super::id::{CampaignId, CustomerNo, EntryKey, MessageRef};
use xxhash_rust::xxh3::Xxh3;

/// A store's salt: 16 random bytes, made once with the store.
pub type Salt = [u8; 16];

/// Hashes `fields`, unambiguously, under the store's salt.
pub fn keyed_hash(salt: &Salt, fields: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(salt);
    for field in fields {
        hash.update(&(field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    hash.digest()
}

/// A draw in [0, 1) for one purpose.
pub fn draw(
    salt: &Salt,
    purpose: &str,
    campaign: &CampaignId,
    customer: CustomerNo,
    entry: &EntryKey,
) -> f64 {
    let hash = keyed_hash(
        salt,
        &[
            purpose.as_bytes(),
            campaign.as_str().as_bytes(),
            &customer.0.to_le_bytes(),
            entry.0.as_bytes(),
        ],
    );
    share_of(hash)
}

/// The same by the customer alone: for what holds in every campaign.
pub fn draw_of_customer(salt: &Salt, purpose: &str, customer: CustomerNo) -> f64 {
    let hash = keyed_hash(salt, &[purpose.as_bytes(), &customer.0.to_le_bytes()]);
    share_of(hash)
}

fn share_of(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// The variant of `step` that an entry gets: weights are shares of [0, 1), in the file's order. None where the step has
/// no variants.
pub fn draw_variant<'a>(
    salt: &Salt,
    campaign: &CampaignId,
    step: &'a Step,
    customer: CustomerNo,
    entry: &EntryKey,
) -> Option<&'a str> {
    let total: u64 = step.variants.iter().map(|v| u64::from(v.weight)).sum();
    let purpose = format!("variant/{}", step.id);
    let mut at = draw(salt, &purpose, campaign, customer, entry) * total as f64;
    let drawn = step.variants.iter().find(|v| {
        at -= f64::from(v.weight);
        at < 0.0
    });
    drawn.or(step.variants.last()).map(|v| v.name.as_str())
}

/// The part of our Message-ID before the "@" (RFC 5322 §3.6.4): names the message and, salted, can't be guessed.
/// The send log and the header share it, so that a mail can be traced.
pub fn message_id(salt: &Salt, message: MessageRef) -> String {
    let proof = keyed_hash(
        salt,
        &[
            b"message-id",
            &message.customer.0.to_le_bytes(),
            &message.message.0.to_le_bytes(),
        ],
    );
    format!(
        "{:x}.{:x}.{proof:016x}",
        message.customer.0, message.message.0
    )
}

#[cfg(test)]
mod tests {
    use super::{draw, message_id};
    use crate::domain::id::{CampaignId, CustomerNo, EntryKey, MessageNo, MessageRef};
    use std::collections::BTreeSet;

    #[test]
    fn draws_are_even_and_independent_of_each_other() {
        let (a, b) = (
            CampaignId::parse("a").unwrap(),
            CampaignId::parse("b").unwrap(),
        );
        let n = 10_000;
        let (mut low_a, mut low_both) = (0, 0);
        for no in 0..n {
            let x = draw(
                &[7; 16],
                "variant",
                &a,
                CustomerNo(no),
                &EntryKey::default(),
            );
            let y = draw(
                &[7; 16],
                "variant",
                &b,
                CustomerNo(no),
                &EntryKey::default(),
            );
            assert!((0.0..1.0).contains(&x));
            low_a += u64::from(x < 0.3);
            low_both += u64::from(x < 0.3 && y < 0.3);
        }
        assert!((2_850..3_150).contains(&low_a), "{low_a}");
        assert!((800..1_000).contains(&low_both), "{low_both}");
    }

    /// The hash is a promise to those who have drawn variants with it: it must never change.
    #[test]
    fn the_hash_is_fixed() {
        let c = CampaignId::parse("welcome").unwrap();
        let x = draw(&[0; 16], "variant", &c, CustomerNo(1), &EntryKey::default());
        assert_eq!(format!("{x:.12}"), FIXED);
    }

    #[test]
    fn a_message_has_one_id_and_no_two_share_it() {
        let id = |salt, customer, message| {
            let (customer, message) = (CustomerNo(customer), MessageNo(message));
            message_id(&[salt; 16], MessageRef { customer, message })
        };
        assert_eq!(id(7, 7, 1), id(7, 7, 1));
        assert_ne!(id(7, 7, 1), id(8, 7, 1));
        let all: BTreeSet<String> = (0..100)
            .flat_map(|c| (0..100).map(move |m| id(7, c, m)))
            .collect();
        assert_eq!(all.len(), 10_000);
    }

    const FIXED: &str = "0.592798104492";
}
