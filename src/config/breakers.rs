//! `[breakers]`, in config.toml and in a campaign's file: how much harm a campaign may do before it pauses itself.

use super::keys::BREAKERS;
use super::toml_reader::Table;
use crate::domain::breaker::{Breakers, Harm, Limits};

/// What protects a shop that says nothing.
pub const DEFAULTS: [(Harm, &str); 4] = [
    (Harm::Unsubscribes, "2% of at least 200 in 1d"),
    (Harm::Refusals, "5% of at least 200 in 1d"),
    (Harm::Complaints, "0.3% of at least 1000 in 1d"),
    (Harm::Errors, "10% of at least 50 in 1h"),
];

/// Reads the table of a campaign, or of the shop: what it says.
pub fn read(root: &Table<'_>) -> Option<Breakers> {
    let mut breakers = Breakers::default();
    let Some(item) = root.get("breakers") else {
        return Some(breakers);
    };
    let table = item.table(&BREAKERS)?;
    let mut good = true;
    for harm in Harm::ALL {
        let Some(item) = table.get(harm.as_str()) else {
            continue;
        };
        match item.parsed(Limits::parse) {
            Some(limits) => breakers.set(harm, limits),
            None => good = false,
        }
    }
    good.then_some(breakers)
}

/// The shop's: what config.toml does not say is as the defaults are.
pub fn read_of_shop(root: &Table<'_>) -> Option<Breakers> {
    let mut breakers = read(root)?;
    for (harm, usual) in DEFAULTS {
        if breakers.get(harm).is_none() {
            breakers.set(harm, Limits::parse(usual).ok()?);
        }
    }
    Some(breakers)
}
