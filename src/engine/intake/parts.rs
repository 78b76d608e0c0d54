//! Rows of one file that tell one event in parts: a table with a row for each item of an order. As events they are one
//! (`once_per`), of which the first row is taken; whoever imports such a file is to hear of it.

use super::{Identity, Inbound, What};
use crate::domain::rules::Rules;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// What the rows of a file have told so far: 16 bytes an event that is one with others, and nothing for the others.
#[derive(Debug, Default)]
pub struct Parts {
    keys: RandomState,
    told: HashMap<u64, u64>,
}

impl Parts {
    /// Whether an earlier row of the file told the same event in other words. Rows with a `messageId` are the shop's own
    /// word on what is one, and are not looked at.
    pub fn is_another(&mut self, rules: &Rules, row: &Inbound, identity: u64) -> bool {
        let What::Event {
            name, properties, ..
        } = &row.what
        else {
            return false;
        };
        if matches!(row.identity, Identity::MessageId(_)) {
            return false;
        }
        let Some(said) = rules.once.identity(&rules.salt, name, properties) else {
            return false;
        };
        let whose = self.keys.hash_one((row.customer.as_str(), said));
        *self.told.entry(whose).or_insert(identity) != identity
    }
}
