//! Groups that wait for lots: drawn when nobody can come to them any more, the earliest first, each from all who wait.

use super::drawn::Drawn;
use super::group::Group;
use super::ticks::{OpenLot, Waits};
use super::told::Decision;
use crate::domain::rules::Rules;
use crate::engine::clockwork::{Lowest, most_of};
use std::collections::BTreeMap;

/// So many customers may wait; they are held in memory meanwhile.
const MOST: usize = 100_000;

/// A group that stands before lots that are not drawn, and what was decided on the way there.
pub struct Paused {
    pub group: Group,
    pub waits: Waits,
    pub decisions: Vec<Decision>,
}

/// All who wait.
#[derive(Default)]
pub struct Waiting {
    by_lot: BTreeMap<OpenLot, Vec<Paused>>,
    customers: usize,
}

impl Waiting {
    /// More wait. Where they become too many lots are not drawn any more.
    pub fn extend(&mut self, more: Vec<Paused>, drawn: &Drawn) {
        for paused in more {
            self.customers += paused.group.people.len();
            let lot = paused.waits.lot.clone();
            self.by_lot.entry(lot).or_default().push(paused);
        }
        if self.customers > MOST {
            drawn.give_up();
        }
    }

    /// Draws the earliest lots; gives those who waited for them. To be called when all others wait or are through.
    pub fn draw(&mut self, drawn: &Drawn, rules: &Rules) -> Option<Vec<Paused>> {
        let (lot, paused) = self.by_lot.pop_first()?;
        let campaign = rules.campaigns.get(&lot.occasion.campaign);
        let most = campaign.and_then(|c| c.quota()).map_or(0, most_of);
        let mut lowest = Lowest::default();
        for of in &paused {
            self.customers -= of.group.people.len();
            let numbers = of.waits.numbers.iter();
            numbers.for_each(|number| lowest.add(*number, most));
        }
        let OpenLot {
            tick,
            occasion,
            local,
        } = &lot;
        let of = (&occasion.campaign, occasion.zone.as_str(), *local);
        drawn.draw(rules, of, &lowest, *tick);
        Some(paused)
    }
}
